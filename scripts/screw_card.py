"""The card of the screw classifier that comes with edge-inspect."""

from collections.abc import Mapping
from typing import Any

from training.card import Card, text

COMMAND = "scripts/train_classifier --screws"
WORDS = """Says whether a place for a screw holds one: `present` or `missing`, with a probability. A check looks at
one place (its `roi`), so a board with four places has four checks with this one bundle; `docs/classification.md`
shows them. Its input is 128×128 pixels of the place, of which the screw's head takes about a third."""
DATA = """The boards of aaronzink/tensorflow-visual-inspection: learned from are 80 of the 100 boards of
`train_val_set`, four places each, with three more crops of each place up to 24 pixels off; every fifth board was
looked at on the way; scored are all 46 boards of `test_set`, 184 places. The set does not label these: they were
read by eye, and no place leaves a doubt. The golden pictures are places of boards that were held back."""
LICENCE = """The pictures are Apache-2.0 (the set's own licence file), and so are these weights. The backbone is
EfficientNet-Lite0 (Apache-2.0), see `models/backbone/README.md`."""
LIMITS = """All pictures are of one wooden board, one kind of screw and one camera: other screws need a training
of their own, or few-shot classes (`edge teach`). A screw that is not driven in fully, or is of the wrong kind,
is `present`. What is neither a screw nor an empty hole is no class of its own: bare wood was near 0.5 for both,
which a recipe's `min_probability` makes inconclusive, but nothing promises that of other things."""


def card(figures: Mapping[str, Mapping[str, Any]], files: Mapping[str, bytes]) -> str:
    """The card as Markdown; `figures` are those of the float network and of the int8 bundle."""
    rows = {
        "accuracy, 184 places": [f"{told['accuracy']:.4f}" for told in figures.values()],
        "balanced accuracy": [f"{told['balanced_accuracy']:.4f}" for told in figures.values()],
    } | {
        f"recall of {label}": [f"{told['recall'][label]:.4f}" for told in figures.values()]
        for label in figures["int8"]["recall"]
    }
    about = Card("Screw classifier", WORDS, DATA, LICENCE, COMMAND, rows, LIMITS)
    return text(about, files)
