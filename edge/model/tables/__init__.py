"""The tables of a manifest, one for each task; and the types of what they hold."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

MANIFEST = "model.toml"
"""The manifest's name in the bundle's folder."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


def _plain(name: str) -> str:
    if name in {MANIFEST, ".", ".."}:
        raise ValueError("is not the name of a file of the bundle")
    return name


FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=128),
    AfterValidator(_plain),
]
"""A file beside the manifest: no folders, nothing hidden."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
