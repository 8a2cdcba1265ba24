"""`edge doctor`: is this machine fit to inspect, and if not, what to do. It changes nothing."""

from edge.cli.doctor.command import doctor

__all__ = ["doctor"]
