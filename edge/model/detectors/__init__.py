"""Anomaly heads: how far each cell of a picture is from what was taught. One file for each method."""

from typing import Protocol, assert_never

from edge.model.arrays import Arrays, Floats
from edge.model.detectors.autoencoder import Autoencoder
from edge.model.detectors.gaussian import Gaussian
from edge.model.detectors.memory_bank import MemoryBank
from edge.model.detectors.one_class_svm import OneClassSVM
from edge.model.detectors.position_gaussian import PositionGaussian
from edge.model.methods import Method


class Detector(Protocol):
    """A fitted method at work. For one thread: its work space is reused."""

    def distances(self, cells: Floats) -> Floats:
        """How far each cell is from good ones: 0 or more, without a unit, NaN where a feature is NaN.

        `cells` are the real features of one tensor, cells×channels, row by row; one distance for each comes
        back, in an array of its own.
        """
        ...


def open_detector(method: Method, arrays: Arrays, name: str, cells: int, channels: int) -> Detector:
    """A detector for tensors of so many cells and channels. Any thread; then see `Detector`.

    Raises `BundleError`, in which `name` is the file of the arrays, where these are not what the method needs.
    """
    match method:
        case "memory_bank":
            return MemoryBank(arrays, name, cells, channels)
        case "gaussian":
            return Gaussian(arrays, name, cells, channels)
        case "position_gaussian":
            return PositionGaussian(arrays, name, cells, channels)
        case "one_class_svm":
            return OneClassSVM(arrays, name, cells, channels)
        case "autoencoder":
            return Autoencoder(arrays, name, cells, channels)
        case _:
            assert_never(method)
