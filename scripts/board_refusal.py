"""What cannot be done to a board, in words for the person at it."""


class Refusal(Exception):
    """Nothing has been changed; the text says why, and what to do."""
