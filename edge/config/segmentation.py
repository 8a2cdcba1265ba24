"""How much of a picture may be defective: the rules of a check that segments it."""

from pydantic import Field

from edge.table import Table


class SegmentationRules(Table):
    """From areas to a verdict."""

    max_area_px: float = Field(
        0.0, ge=0, description="More than so many square frame pixels of any label but the first fail."
    )
