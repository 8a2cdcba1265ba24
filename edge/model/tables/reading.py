"""The manifest's table of a reading: a bundle without a network."""

from typing import Self

from pydantic import Field, model_validator

from edge.codes.printed import PrintPlace
from edge.codes.reader import Symbology
from edge.table import Table


class ReadingTools(Table):
    """What is read."""

    symbologies: list[Symbology] = Field(
        default=["QRCode", "DataMatrix", "Code128", "EAN13", "EAN8", "UPCA"],
        max_length=32,
        description="Kinds of codes; fewer are read faster, and misread less. Empty: no codes are looked for.",
    )
    prints: list[PrintPlace] = Field(default=[], max_length=64, description="Places that must be printed on.")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        names = [place.name for place in self.prints]
        if len(set(names)) < len(names):
            raise ValueError("two prints have one name; rename one")
        if not self.symbologies and not self.prints:
            raise ValueError("reads nothing; name symbologies or prints")
        return self
