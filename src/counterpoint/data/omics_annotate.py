"""What a fitted model says of cells, written into their AnnData or MuData."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

import numpy as np

from counterpoint import __version__
from counterpoint.data.columns import is_a
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.omics_files import is_object, quiet
from counterpoint.data.query import read_for
from counterpoint.errors import InputError

EMBEDDING, IMPUTED = "X_cp", "cp_imputed"


def annotate(
    target: Any,
    estimator: Any,
    *,
    data: MultimodalData | None = None,
    given: Sequence[str] | None = None,
    to: Sequence[str] | None = None,
    how: str = "mixture",
    draws: int = 32,
    remove_batch: bool = False,
    as_batch: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Write latents, and imputations if asked for, into an AnnData or MuData; return where they are.

    `obsm["X_cp"]` holds the joint latents (N, D), `obsm["X_cp_MODALITY"]` each modality's own, NaN for cells
    that lack it. Imputed modalities go to `layers["cp_imputed"]` of their AnnData, NaN in features that were
    not modelled; where cells lack the modality, its AnnData has no rows for them, and
    `obsm["cp_imputed_MODALITY"]` of the MuData holds all cells. `uns["counterpoint"]` says what was used.

    Args:
        target: AnnData or MuData; it is changed.
        estimator: A fitted `Counterpoint`.
        data: The same cells as `read` read them, if layers or `obsm` had to be named; read here unless given.
        given: Only look at these modalities.
        to: Modalities to impute; none unless given.
        how: `"mixture"`, `"precision"` or `"product"`.
        draws: Predictive draws of an imputation.
        remove_batch: Of the joint latents, take away what is left of the mean shift of every batch.
        as_batch: Covariate -> category that imputations are decoded as if they came from.

    Raises:
        InputError: no AnnData or MuData, other cells than in `data`, or data that do not fit the model.
    """
    if not is_object(target):
        raise InputError(f"the target is a {type(target).__name__}; give an AnnData or a MuData.")
    if data is None:
        names = estimator.modalities_  # refuses an estimator that is not fitted
        data = cast(MultimodalData, read_for(target, estimator.preparation_, names))
    elif data.rows != tuple(str(row) for row in target.obs_names):
        raise InputError(
            "data has other rows than the object, or in another order; read them from the object."
        )
    known = [name for name in estimator.modalities_ if name in data.names]
    data = data.select(known)
    found = {EMBEDDING: estimator.embed(data, given, how=how, remove_batch=remove_batch)}
    each = {name: z for name, z in estimator.embed_each(data).items() if name in known}
    found |= {f"{EMBEDDING}_{name}": z for name, z in each.items()}
    written = [f"obsm {key}" for key in found]
    made = {} if to is None else estimator.impute(data, to, draws=draws, how=how, as_batch=as_batch)
    layers = {}
    for name, imputed in made.items():
        full = imputed.filled.reshape(len(data), -1).astype(np.float32)
        layers[name], rest = _layer(target, name, data, full)
        if rest is not None:
            found[f"{IMPUTED}_{name}"] = rest
            written.append(f"obsm {IMPUTED}_{name}")
        if layers[name] is not None:
            written.append(f"layers {IMPUTED} ({name})")
    with quiet():  # a view becomes a copy
        for key, values in found.items():
            target.obsm[key] = values
        for name, layer in layers.items():
            if layer is not None:
                _own(target, name).layers[IMPUTED] = layer
        target.uns["counterpoint"] = _provenance(estimator, data, given, how, made)
    return tuple(written)


def _own(target: Any, name: str) -> Any:
    """Return the AnnData of a modality, or None if it is in `obsm` or not there."""
    if is_a(target, "mudata.MuData"):
        return target.mod.get(name)
    return target


def _layer(
    target: Any, name: str, data: MultimodalData, full: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return an imputation (N, D) as a layer of its AnnData, and as `obsm` of all cells where needed."""
    adata = _own(target, name)
    features = data.features.get(name)
    if adata is None or features is None or not set(features) <= set(map(str, adata.var_names)):
        return None, full
    columns = slice(None)
    if features != tuple(map(str, adata.var_names)):
        columns = adata.var_names.astype(str).get_indexer(features)
    rows = slice(None) if adata is target else target.obs_names.get_indexer(adata.obs_names)
    layer = np.full(adata.shape, np.nan, dtype=np.float32)
    layer[:, columns] = full[rows]
    return layer, None if adata.n_obs == len(full) else full


def _provenance(
    estimator: Any, data: MultimodalData, given: Any, how: str, made: dict[str, Any]
) -> dict[str, Any]:
    """Return what an `uns` says of where the numbers come from, as these files hold it."""
    names = ("torch", "numpy", "anndata")
    said = {
        "method": estimator.method,
        "seed": int(estimator.seed),
        "latent_dim": int(estimator.latent_dim),
        "modalities": list(data.names if given is None else given),
        "how": how,
        "fingerprint": estimator.data_summary_["fingerprint"],
        "versions": {"counterpoint": __version__, **{name: version(name) for name in names}},
        "notes": {name: note for name, note in data.notes.items() if note},
    }
    lists = {f"features_{name}": list(data.features.get(name) or ()) for name in made}
    return {**said, **{key: names for key, names in lists.items() if names}}
