"""Street View House Numbers, as published: cropped digits in a file of MATLAB."""

from pathlib import Path

import numpy as np

from counterpoint.data.matlab import arrays, codes
from counterpoint.errors import InputError, choose

URL = "http://ufldl.stanford.edu/housenumbers/"


def svhn(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the images and labels of `folder/svhn/{train,test}_32x32.mat`.

    Download both files by hand from http://ufldl.stanford.edu/housenumbers/ ("Format 2: Cropped Digits", 180
    and 62 MB; 73,257 and 26,032 images) and put them there. In a file X is (32, 32, 3, N) uint8 and y (N, 1)
    in 1..10, where 10 is the digit 0.

    Shapes: images (N, 3, 32, 32) uint8, labels (N,) uint8 in 0..9.

    Raises:
        InputError: a missing file, one that is cut off, damaged or of another layout, a label out of range;
            the message names the file.
        ImportError: the file was saved again with -v7.3 and h5py is not installed.

    Source: Netzer et al. 2011, Reading Digits in Natural Images with Unsupervised Feature Learning. For
    non-commercial use only, its page says.

    Example:
        >>> import tempfile
        >>> from scipy.io import savemat
        >>> with tempfile.TemporaryDirectory() as place:
        ...     (Path(place) / "svhn").mkdir()
        ...     X, y = np.zeros((32, 32, 3, 2), np.uint8), np.array([[10], [7]], np.uint8)
        ...     savemat(Path(place) / "svhn" / "test_32x32.mat", {"X": X, "y": y})
        ...     images, labels = svhn(place, "test")
        >>> images.shape, labels.tolist()
        ((2, 3, 32, 32), [0, 7])
    """
    path = Path(folder) / "svhn" / f"{choose('split', split, ('train', 'test'))}_32x32.mat"
    layout = {"X": (32, 32, 3, None), "y": (None, None)}
    found = arrays(path, layout, get=f"download {path.name} from {URL} and put it there")
    images = found["X"]
    if images.dtype != np.uint8:
        raise InputError(f"{path}: X is {images.dtype}; it must be uint8: download {path.name} from {URL}.")
    labels = codes(path, "y", found["y"], images.shape[3], 1, 10) % 10
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.astype(np.uint8)
