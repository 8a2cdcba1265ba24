"""Taking in a model that somebody else trained: looked at from outside, understood, and made a bundle."""
