"""A normal distribution for each place in the picture, for parts that always lie the same way."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.model.arrays import Arrays, Floats
from edge.teach.methods import gaussian
from edge.teach.methods.standard import moments

SMOOTHING = 0.7
"""Standard deviation of the neighbours' weight in a mean, in cells: parts lie a little askew."""
NEIGHBOUR = 0.15
"""The weight in a block's covariance of the cells around the block."""
DOUBT = 20.0
"""So many pictures weigh as much in a block's covariance as the covariance of all cells."""
MOST_BYTES = 5_000_000
"""Of the covariances. They are read for every picture: 5 MB take 1 ms."""
MOST_BLOCKS = 256

Blocks = npt.NDArray[np.intp]


def fit(cells: Floats, budget_bytes: int, rng: np.random.Generator) -> Arrays:  # noqa: ARG001 - a Fit
    """See `edge.teach.methods.Fit`."""
    pictures, rows, columns, channels = cells.shape
    smooth = np.stack([_smoothed(picture) for picture in cells])
    mean = smooth.mean(axis=0)
    away = _away(cells, smooth, mean).reshape(pictures, rows * columns, channels)
    everywhere = _everywhere(away)
    for picture in away:
        picture[:] = picture @ everywhere
    block = _blocks(rows, columns, _most(cells, budget_bytes))
    whitenings = np.stack(
        [everywhere @ _local(away, _weights(block == number)) for number in range(block.max() + 1)]
    )
    return {
        "mean": mean.reshape(-1, channels),
        "whitening": whitenings,
        "block": block.ravel().astype(np.float32),
    }


def _smoothed(picture: Floats) -> Floats:
    planes = [
        cv2.GaussianBlur(np.ascontiguousarray(plane), (0, 0), SMOOTHING, borderType=cv2.BORDER_REFLECT)
        for plane in np.moveaxis(picture, -1, 0)
    ]
    return np.stack(planes, axis=-1)


def _away(cells: Floats, smooth: Floats, mean: Floats) -> Floats:
    """The differences from the mean of all other pictures. They take the place of `smooth`.

    From a mean that it had a share in, no picture is as far as one that is inspected.
    """
    if len(cells) == 1:
        return cells - mean
    others = len(cells) - 1
    # cells - (mean × pictures - smooth) / others, in no more memory than there is already.
    smooth /= others
    smooth += cells
    smooth -= mean * np.float32(len(cells) / others)
    return smooth


def _everywhere(away: Floats) -> Floats:
    """What whitens the differences, taken over all cells: channels×channels."""
    flat = away.reshape(-1, away.shape[2])
    mean, spread = moments(flat)
    covariance = gaussian.correlation(flat, np.zeros_like(mean), spread)
    return gaussian.whitening(covariance, gaussian.doubt(len(away))) / spread[:, None]


def _local(away: Floats, weights: Floats) -> Floats:
    """What whitens differences that are white over all cells, at the cells that have a weight."""
    near = np.flatnonzero(weights)
    weighted = (away[:, near] * np.sqrt(weights[near, None])).reshape(-1, away.shape[2])
    covariance = (weighted.T @ weighted).astype(np.float64) / (len(away) * weights.sum())
    return gaussian.whitening(covariance, DOUBT / (DOUBT + len(away)))


def _most(cells: Floats, budget_bytes: int) -> int:
    """How many blocks there may be."""
    rows, columns, channels = cells.shape[1:]
    left = min(budget_bytes, MOST_BYTES) - rows * columns * (channels + 1) * 4
    return int(np.clip(left // (channels * channels * 4), 1, MOST_BLOCKS))


def _blocks(rows: int, columns: int, most: int) -> Blocks:
    """The number of the block of each cell, rows×columns: squares, as small as the number of blocks allows."""
    side = 1
    while -(-rows // side) * -(-columns // side) > most:
        side += 1
    down, across = -(-rows // side), -(-columns // side)
    row, column = np.arange(rows) * down // rows, np.arange(columns) * across // columns
    return row[:, None] * across + column


def _weights(inside: npt.NDArray[np.bool_]) -> Floats:
    around = cv2.dilate(inside.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return np.where(inside, 1, np.where(around, NEIGHBOUR, 0)).astype(np.float32).ravel()
