"""The manifest's table of a restoration: a network from a picture to a better one, which judges nothing."""

from typing import Literal

from pydantic import Field

from edge.table import Table


class RestorationHead(Table):
    """What becomes of a picture."""

    factor: Literal[1, 2] = Field(
        default=1, description="The picture that comes out is so many times larger."
    )
