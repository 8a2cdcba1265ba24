"""The ways of telling how far a cell of a picture is from those of good parts."""

from typing import Literal

Method = Literal["memory_bank", "gaussian", "position_gaussian", "one_class_svm", "autoencoder"]
"""Each is a file in `edge.model.detectors`, which scores, and one in `edge.teach.methods`, which fits."""
