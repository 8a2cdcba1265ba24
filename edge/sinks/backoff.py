"""How long to wait before the next attempt: full jitter, so that a fleet does not come back all at once."""

from random import uniform


class Backoff:
    """Pauses drawn from 0 up to a limit that doubles from `first_s` to `most_s`. For one thread."""

    def __init__(self, first_s: float = 1.0, most_s: float = 60.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._limit_s = first_s

    def pause_s(self) -> float:
        """The next pause in seconds; the one after it may be twice as long."""
        limit_s, self._limit_s = self._limit_s, min(self._limit_s * 2, self._most_s)
        return uniform(0, limit_s)  # noqa: S311 - jitter, not a secret

    def reset(self) -> None:
        """It went well for a while: begin with short pauses again."""
        self._limit_s = self._first_s
