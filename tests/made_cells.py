"""Cells by name, as AnnData and MuData, and their files."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anndata as ad
    import mudata as mu


def adata(cells, genes=5, seed=0, sparse=True, names=None):
    """Counts of some cells, each row decided by the cell's name."""
    x = np.stack([np.random.default_rng([seed, int(c[1:])]).poisson(4.0, genes) for c in cells])
    x = x.astype(np.float32)
    obs = pd.DataFrame(index=list(cells))
    var = pd.DataFrame(index=names or [f"g{i}" for i in range(genes)])
    return ad.AnnData(scipy.sparse.csr_matrix(x) if sparse else x, obs=obs, var=var)


def mudata(**mods):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mu.MuData(mods)


def saved(path: Path, thing) -> Path:
    with warnings.catch_warnings(), ad.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")
        if path.suffix == ".zarr":
            mu.write_zarr(path, thing) if isinstance(thing, mu.MuData) else thing.write_zarr(path)
        elif path.suffix == ".h5mu":
            mu.write_h5mu(path, thing)
        else:
            thing.write_h5ad(path)
    return path
