"""AnnData and MuData: cells by modality, some of which lack one, as `MultimodalData`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from counterpoint.data.columns import is_a, is_sparse
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.data.omics_files import quiet
from counterpoint.data.omics_labels import labels_of
from counterpoint.data.omics_matrices import GIB, Matrix, check_memory, chosen, find, half_of_memory, plain
from counterpoint.data.rows import take, to_label
from counterpoint.data.values import check_name, to_values
from counterpoint.errors import InputError, choose, number, whole

FEATURES_MOST = 20_000
_NAMES = {"Gene Expression": "rna", "Peaks": "atac", "Antibody Capture": "prot"}  # as mudata calls them


@dataclass(frozen=True)
class SingleCell:
    """What `read` is told of AnnData and MuData; `counterpoint.data.read` describes each.

    Example:
        >>> SingleCell(layers={"rna": "counts"}).refuse("a dict")
        Traceback (most recent call last):
        counterpoint.errors.InputError: layers is for AnnData and MuData; the data are a dict. Leave it out.
    """

    layers: Mapping[str, str] | None = None
    obsm: Mapping[str, str] | None = None
    features: Mapping[str, Sequence[str]] | None = None
    features_most: int | None = None
    memory: float | None = None

    def refuse(self, kind: str) -> None:
        """Refuse these options for other data.

        Raises:
            InputError: names the first that was given.
        """
        for field in fields(self):
            if getattr(self, field.name) is not None:
                raise InputError(
                    f"{field.name} is for AnnData and MuData; the data are {kind}. Leave it out."
                )

    def check(self, names: Iterable[str]) -> None:
        """Refuse options that name no modality, and numbers out of range.

        Raises:
            InputError: says which.
        """
        names = list(names)
        for what in ("layers", "features"):
            given = getattr(self, what)
            if given is not None and not isinstance(given, Mapping):
                raise InputError(f"{what} is {given!r}; give a dict, such as {{{names[0]!r}: ...}}.")
            for name in given or {}:
                choose(f"{what}: modality", name, names)
        if self.features_most is not None:
            whole("features_most", self.features_most)
        if self.memory is not None:
            number("memory", self.memory, open_=True)


def read_omics(
    source: Any,
    wanted: SingleCell,
    *,
    modalities: Iterable[str] | None = None,
    mask: Mapping[str, Any] | None = None,
    labels: Iterable[str] | Mapping[str, Any] | None = None,
    unobserved: str = "refuse",
) -> MultimodalData:
    """Read an AnnData or a MuData; a cell that lacks a modality is masked there, never dropped.

    The modality of an AnnData is called `rna` (`atac`, `prot` if `var["feature_types"]` says so). Rows are
    named by `obs_names`, columns by `var_names`; `notes` of the result says what was taken of each modality.

    Args:
        source: AnnData or MuData; of several cells' axes, the modalities must share the cells.
        wanted: Layers, `obsm`, features and memory.
        modalities: As in `read`.
        mask: As in `read`.
        labels: Columns of `obs` that are kept as labels, all unless given; or further labels by name.
        unobserved: As in `read`.

    Raises:
        InputError: cells or features that cannot be matched, an unknown name, or too little memory.

    Example:
        >>> import anndata, pandas as pd
        >>> cells = pd.DataFrame({"donor": ["a", "b"]}, index=["c1", "c2"])
        >>> data = read_omics(anndata.AnnData(np.array([[0.0, 3.0], [1.0, 0.0]]), obs=cells), SingleCell())
        >>> data, data.notes["rna"], data.labels["donor"]
        (MultimodalData(2 rows; rna (2,)), 'raw counts (.X)', array(['a', 'b'], dtype='<U1'))
    """
    several = is_a(source, "mudata.MuData")
    with quiet():  # backed tables are read into memory, copies of views are made
        parts = _several(source, wanted) if several else {name_of(source): source}
        extra = {} if several else _of_obsm(source, wanted.obsm, parts)
        wanted.check([*parts, *extra])
        names = check_names(
            "modalities", [*parts, *extra] if modalities is None else modalities, [*parts, *extra]
        )
        positions = (
            {n: a.obs_names.get_indexer(source.obs_names) for n, a in parts.items()} if several else {}
        )
        matrices = {n: extra[n] if n in extra else _matrix(n, parts[n], wanted) for n in names}
        limit = half_of_memory() if wanted.memory is None else wanted.memory * GIB
        check_memory(source.n_obs, matrices, limit)
        values = {n: to_values(n, m.dense(), None, m.taken()) for n, m in matrices.items()}
        values = {n: take(v, positions[n]) if n in positions else v for n, v in values.items()}
        kept = labels_of(source, parts if several else {})
    data = MultimodalData(
        x={n: v.x for n, v in values.items()},
        mask={n: v.mask for n, v in values.items()},
        features={n: v.features for n, v in values.items()},
        rows=tuple(str(row) for row in source.obs_names),
        labels=chosen_labels(kept, labels, source.n_obs, [*parts, *extra]),
        notes={n: m.note for n, m in matrices.items()},
        origin={n: m.origin for n, m in matrices.items()},
    )
    data = data if mask is None else data.with_mask(mask)
    for name, there in data.present().items():
        if unobserved == "refuse" and not there.any():
            raise InputError(
                f"modality {name!r} is never observed: every value is missing or masked. Leave it out."
            )
    return data


def _several(source: Any, wanted: SingleCell) -> dict[str, Any]:
    """Return the modalities of a MuData, whose cells can be matched by name."""
    if wanted.obsm is not None:
        raise InputError("obsm is for an AnnData; a MuData has its modalities. Leave it out.")
    if source.axis == 1:
        raise InputError(
            "The MuData shares features, not cells (axis=1), so its rows are not the same things; make one "
            "whose modalities share the cells (axis=0)."
        )
    parts = dict(source.mod.items())
    if not parts:
        raise InputError("The MuData has no modality; give one with at least one AnnData.")
    for name, adata in parts.items():
        check_name(name)
        if not is_a(adata, "anndata.AnnData"):
            raise InputError(
                f"modality {name!r} of the MuData is a {type(adata).__name__}; it must be an AnnData."
            )
        check_cells(name, adata, source)
    return parts


def check_cells(name: str, adata: Any, source: Any) -> None:
    """Refuse a modality of a MuData whose cells cannot be joined by name.

    Raises:
        InputError: cells that stand there twice, or that the MuData itself does not have.
    """
    twice = adata.obs_names[adata.obs_names.duplicated()].unique()
    if len(twice):
        listed = ", ".join(map(repr, twice[:5]))
        raise InputError(
            f"modality {name!r} names {len(twice)} cells twice, such as {listed}, so "
            "the modalities cannot be joined; call .obs_names_make_unique()."
        )
    if not adata.obs_names.isin(source.obs_names).all():
        raise InputError(
            f"modality {name!r} has cells that the MuData itself does not have; call mdata.update()."
        )


def name_of(adata: Any) -> str:
    """Return the name of the modality in `.X` of an AnnData."""
    kinds = adata.var["feature_types"].astype(str).unique() if "feature_types" in adata.var else []
    if len(kinds) > 1:
        raise InputError(
            f"The AnnData holds several kinds of features in .X ({', '.join(kinds)}); part them: "
            "mudata.MuData(adata) makes a modality of each."
        )
    return _NAMES.get(kinds[0], "rna") if len(kinds) else "rna"


def _matrix(name: str, adata: Any, wanted: SingleCell) -> Matrix:
    """Return what is read of one modality."""
    adata = adata.to_memory() if adata.isbacked else adata
    matrix = find(name, adata, (wanted.layers or {}).get(name))
    return chosen(name, matrix, (wanted.features or {}).get(name), wanted.features_most or FEATURES_MOST)


def _of_obsm(adata: Any, obsm: Mapping[str, str] | None, taken: Iterable[str]) -> dict[str, Matrix]:
    """Return the modalities that `obsm` of an AnnData holds."""
    if obsm is not None and not isinstance(obsm, Mapping):
        raise InputError(f"obsm is {obsm!r}; give a dict, such as {{'protein': 'protein_expression'}}.")
    found = {}
    for name, key in (obsm or {}).items():
        if check_name(name) in taken:
            raise InputError(f"obsm names {name!r}, which is the modality of .X; give it another name.")
        value = adata.obsm[choose(f"obsm[{name!r}]", key, list(adata.obsm))]
        named = is_a(value, "pandas.DataFrame")
        x = value if is_sparse(value) else value.to_numpy() if named else plain(value)
        if x.dtype.kind not in "iufb":
            raise InputError(f"obsm[{key!r}] holds {x.dtype}; a modality needs numbers.")
        x = x if x.ndim > 1 else x[:, None]
        features = tuple(map(str, value.columns)) if named else None
        found[name] = Matrix(x, features, None, f"obsm[{key!r}]", {"obsm": key})
    return found


def chosen_labels(
    kept: dict[str, np.ndarray], labels: Any, rows: int, modalities: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the labels that are wanted: columns of `obs`, and what the user gave beside them."""
    kept = {f"obs:{name}" if name in modalities else name: values for name, values in kept.items()}
    if labels is None:
        return kept
    if isinstance(labels, Mapping):
        for name in labels:
            if check_name(name) in modalities:
                raise InputError(f"{name!r} names both a modality and a label; rename one of them.")
        return {**kept, **{name: to_label(name, label, rows) for name, label in labels.items()}}
    return {name: kept[name] for name in check_names("labels", labels, kept)}
