"""How near a picture is to the one that it should be: PSNR and SSIM, over all channels."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

MOST_PSNR_DB = 99.0
"""What two equal pictures are said to have: a mean needs a number."""


def psnr_db(picture: Pixels, reference: Pixels) -> float:
    """Peak signal to noise ratio for 8 bits; at most `MOST_PSNR_DB`."""
    error = np.mean(np.square(picture.astype(np.float64) - reference))
    return float(min(MOST_PSNR_DB, 10 * np.log10(255**2 / error))) if error else MOST_PSNR_DB


def ssim(picture: Pixels, reference: Pixels) -> float:
    """Structural similarity, -1…1, mean of the channels: Wang et al. 2004, Gaussian window of 11 px, sigma 1.5."""
    stable, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    a, b = picture.astype(np.float64), reference.astype(np.float64)
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a, variance_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + stable) / (mean_a**2 + mean_b**2 + stable)
    shape = (2 * covariance + contrast) / (variance_a + variance_b + contrast)
    inner = slice(5, -5)
    return float(np.mean((light * shape)[inner, inner]))


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)
