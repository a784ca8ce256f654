"""Data that several tests here read: one modality of each kind."""

import numpy as np
import pandas as pd

from counterpoint.data import MultimodalData, read

RNG = np.random.default_rng(0)


def mixed(rows: int = 40) -> MultimodalData:
    """One modality of each kind, with holes; other values every time."""
    real = pd.DataFrame(RNG.normal(3, 2, (rows, 3)), columns=["u", "v", "w"])
    real.iloc[0, 0] = np.nan
    image = RNG.integers(0, 256, (rows, 4, 4)).astype(np.uint8)
    return read(
        {
            "real": real,
            "counts": RNG.negative_binomial(1, 0.1, (rows, 6)),
            "few": RNG.poisson(2, (rows, 3)),
            "image": image,
            "unit": RNG.uniform(size=(rows, 2, 2)),
            "binary": RNG.integers(0, 2, (rows, 3)),
            "text": np.array(["x", "y", "z"])[np.arange(rows) % 3],
        },
        mask={"counts": np.arange(rows) > 2},
    )
