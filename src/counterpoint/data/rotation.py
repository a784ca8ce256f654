"""Pictures turned about their centre, each by an angle of its own."""

import math

import numpy as np

CHUNK = 2048  # images at a time: 13 MB an array


def rotate(images: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Turn images anticlockwise about their centre; what comes from outside is 0.

        (row, column) of the source = R(-angle) (row, column) of the result, both from the centre

    and the value there is interpolated bilinearly and rounded.

    Shapes: images (N, S, S) uint8 and the result; degrees (N,).

    Example:
        >>> rotate(np.array([[[1, 2], [3, 4]]], np.uint8), np.array([90.0])).tolist()
        [[[2, 4], [1, 3]]]
    """
    size = images.shape[1]
    centre = (size - 1) / 2
    pad = 1 + math.ceil((math.sqrt(2) - 1) / 2 * size)  # a corner turned by 45 degrees, and its neighbour
    wide = size + 2 * pad
    y, x = np.mgrid[:size, :size].reshape(2, -1) - centre  # (S * S,) each
    out = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        angle = np.deg2rad(degrees[part])[:, None]
        cos, sin = np.cos(angle), np.sin(angle)
        row, column = cos * y + sin * x + centre + pad, cos * x - sin * y + centre + pad  # (n, S * S)
        top, left = np.floor(row), np.floor(column)
        down, right = (row - top).astype(np.float32), (column - left).astype(np.float32)
        source = np.zeros((len(row), wide, wide), np.float32)
        source[:, pad:-pad, pad:-pad] = images[part]
        flat = source.reshape(-1)
        at = (top * wide + left).astype(np.intp) + np.arange(len(row))[:, None] * wide**2
        upper = flat[at] * (1 - right) + flat[at + 1] * right
        lower = flat[at + wide] * (1 - right) + flat[at + wide + 1] * right
        out[part] = np.rint(upper * (1 - down) + lower * down).astype(np.uint8).reshape(-1, size, size)
    return out
