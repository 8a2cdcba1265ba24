"""How well parts are counted: on a belt with overlaps, at more and more noise."""
