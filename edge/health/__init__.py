"""How the daemon is: meters, what the board says of itself, and the status that follows from both."""

from edge.health.state import Health

__all__ = ["Health"]
