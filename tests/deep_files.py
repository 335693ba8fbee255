"""PNG and TIFF files of more than 8 bits, made for the tests."""

import io

import cv2
import numpy as np
import tifffile

SHAPE = 60, 50
RAMP = np.arange(np.prod(SHAPE)).reshape(SHAPE)


def png(values: np.ndarray) -> bytes:
    """A PNG of uint8 or uint16 values: (H, W), or (H, W, 3 or 4) in B, G, R order."""
    return cv2.imencode(".png", values)[1].tobytes()


def tiff(values: np.ndarray, **options: object) -> bytes:
    """A TIFF of these values, gray with black at 0 unless the options say otherwise."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **({"photometric": "minisblack"} | options))
    return stream.getvalue()


def stretched(values: np.ndarray) -> np.ndarray:
    """What windowing makes of values that are no 8 bits: the central 99 % from 0 to 255."""
    low, high = np.percentile(values, (0.5, 99.5))
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255)
