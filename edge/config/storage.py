"""What is kept, and for how long: the outbox and the evidence."""

from pydantic import Field

from edge.table import FilePath, Fraction, Table


class Outbox(Table):
    """The durable queue of what has to leave the device."""

    max_mb: float = Field(512.0, gt=0, description="Records not yet delivered may use so many megabytes.")
    max_age_h: float = Field(720.0, gt=0, description="… and be so many hours old.")
    min_free_mb: float = Field(
        200.0, ge=0, description="… and must leave so many megabytes of the disk free."
    )
    keep_acknowledged_mb: float = Field(
        64.0, ge=0, description="Delivered records are kept for replay up to so many megabytes …"
    )
    keep_acknowledged_h: float = Field(24.0, ge=0, description="… and so many hours.")
    backlog_rate_hz: float = Field(
        200.0, gt=0, description="Old records are sent at most so many a second, after live ones."
    )


class Evidence(Table):
    """Pictures that are kept."""

    enabled: bool = Field(default=True, description="Off: no pictures are kept.")
    budget_mb: float = Field(2048.0, gt=0, description="All evidence together may use so many megabytes.")
    min_free_mb: float = Field(
        500.0, ge=0, description="… and must leave so many megabytes of the disk free."
    )
    pass_rate: Fraction = Field(0.05, description="Share of passed parts that are kept, drawn at random.")
    jpeg_quality: int = Field(90, ge=30, le=100, description="Of the picture of the part.")
    restore: FilePath | None = Field(
        None,
        description="Restoration that makes a better picture for people, beside the original: its folder, or"
        " 'denoiser' or 'super-resolution-x2'.",
    )
