"""Modalities from a file or a folder: `.npz`, AnnData, MuData, a table, or one file per modality."""

import re
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.arrays import assemble, read
from counterpoint.data.loading import TABLES, entries, load_one, load_table
from counterpoint.data.multimodal import MultimodalData, check_names
from counterpoint.data.omics import SingleCell, read_omics
from counterpoint.data.omics_files import is_file, open_file
from counterpoint.data.rows import labels_by_id
from counterpoint.errors import InputError, nearest

IN_FOLDER = (".npy", ".npz", *TABLES)
ALONE = (
    ".npz, .h5ad, .h5mu, .zarr, a table (.csv, .tsv, .parquet, .feather) with groups=..., or a folder with "
    "one .npy, .npz or table per modality"
)
NOTHING_SAID = SingleCell()
_ASIDE = re.compile(r"(\..*|readme.*|licen[cs]e.*)", re.IGNORECASE)  # hidden files and files about the data


def read_path(
    path: str | PathLike[str],
    *,
    modalities: Iterable[str] | None = None,
    mask: Mapping[str, Any] | None = None,
    groups: Mapping[str, Iterable[Any]] | None = None,
    labels: Iterable[str] | Mapping[str, Any] | None = None,
    unobserved: str = "refuse",
    id: str | None = None,
    cells: SingleCell = NOTHING_SAID,
) -> MultimodalData:
    """Read a file or folder; the options are those of `counterpoint.data.read`.

    `.npz`: numeric arrays of two or more dimensions are modalities, other arrays of the same length labels,
    `NAME__mask` is the mask of NAME, `NAME_features` the names of its columns; text of another length is left
    aside. Folder: one file per modality; `labels.csv` or `labels.npy` are labels. `.csv`, `.tsv`, `.parquet`,
    `.feather`: one table, parted by `groups`; a first column called `id`, `index` or nothing names the rows,
    unless `id` names another. `.h5ad`, `.h5mu`, `.zarr`: AnnData or MuData; `cells` is what `read` is told of
    them.

    Raises:
        InputError: no such file, another kind of file, a file that is damaged or holds pickled objects.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "mice.npz"
        ...     np.savez(path, gene=np.ones((3, 2)), lipid=np.ones((3, 4)), diet=np.array([0, 1, 1]))
        ...     data = read_path(path)
        >>> data, list(data.labels)
        (MultimodalData(3 rows; gene (2,), lipid (4,)), ['diet'])
    """
    path = Path(path)
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(
            f"There is no file or folder {str(path)!r}; give {ALONE}.{nearest(path.name, beside)}"
        )
    suffix = path.suffix.lower()
    if is_file(path):
        if groups is not None or id is not None:
            word = "id" if groups is None else "groups"
            raise InputError(f"{word} is for tables; {path.name} names its rows and columns. Leave it out.")
        return read_omics(
            open_file(path), cells, modalities=modalities, mask=mask, labels=labels, unobserved=unobserved
        )
    cells.refuse(f"in {path.name}")
    if suffix in TABLES and path.is_file():
        table = load_table(path, id)
        if groups is None:
            raise InputError(
                f"{path.name} is one table with {table.shape[1]} columns; say which column belongs to which "
                "modality: "
                "groups={'rna': [columns], 'protein': [columns]}."
            )
        return read(
            table,
            modalities=modalities,
            mask=mask,
            groups=groups,
            labels=labels,
            unobserved=unobserved,
            id=id,
        )
    if groups is not None:
        raise InputError(
            f"groups is for one table (.csv, .tsv, .parquet, .feather, DataFrame); {path.name} has its "
            "modalities already."
        )
    if path.is_dir():
        return _read_folder(path, modalities, mask, labels, unobserved, id)
    if suffix == ".npz":
        if id is not None:
            raise InputError(f"id is for tables; {path.name} holds arrays, row i of each is the same thing.")
        return _read_npz(path, modalities, mask, labels, unobserved)
    raise InputError(
        f"{path.name} is of a kind that is not read here ({suffix or 'no suffix'}); give {ALONE}."
    )


def _listed(arrays: Mapping[str, np.ndarray]) -> str:
    """List arrays with their shapes."""
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items())


def _read_npz(path: Path, modalities: Any, mask: Any, labels: Any, unobserved: str) -> MultimodalData:
    """Sort the arrays of an `.npz` into modalities, masks, names of columns and labels."""
    wanted = None
    if modalities is not None and not isinstance(modalities, str):
        wanted = modalities = list(modalities)
    arrays = entries(path, wanted)
    if not arrays:
        raise InputError(
            f"{path.name} holds no array; save one per modality: numpy.savez(path, rna=..., protein=...)."
        )
    masks = {name: arrays.pop(name) for name in list(arrays) if name.endswith("__mask")}
    for name in masks:
        if (base := name.removesuffix("__mask")) not in arrays:
            raise InputError(
                f"{path.name} has {name!r} but no {base!r}; a mask needs its modality.{nearest(base, arrays)}"
            )
    as_label = [] if labels is None or isinstance(labels, Mapping) else check_names("labels", labels, arrays)
    if modalities is not None:
        names = check_names("modalities", modalities, arrays)
    else:
        names = [n for n, a in arrays.items() if a.ndim >= 2 and a.dtype.kind in "iufb" and n not in as_label]
    if not names:
        raise InputError(
            f"{path.name} holds no modality: no numeric array has two or more dimensions. It holds "
            f"{_listed(arrays)}; to use "
            "one of these, name it in modalities=[...]."
        )
    features = {name: found for name in names if (found := _features(name, arrays)) is not None}
    used = {key for key in arrays for name in features if key in _feature_keys(name, arrays)}
    rows = len(arrays[names[0]]) if arrays[names[0]].ndim else 0
    rest = {n: a for n, a in arrays.items() if n not in names and n not in used and a.ndim}
    if modalities is None:
        odd = [n for n, a in rest.items() if len(a) != rows and not (a.ndim == 1 and a.dtype.kind in "US")]
        if odd or len({len(arrays[name]) for name in names}) > 1:
            raise InputError(
                f"{path.name} holds arrays with different first dimensions, so their rows cannot be the "
                "same things: "
                f"{_listed(arrays)}. Name those that belong together: modalities=[...]."
            )
    kept = {
        n: a
        for n, a in rest.items()
        if n in as_label or (len(a) == rows and (a.ndim == 1 or modalities is None))
    }
    given = labels if isinstance(labels, Mapping) else {}
    return assemble(
        {name: arrays[name] for name in names},
        mask={
            **{
                name.removesuffix("__mask"): m
                for name, m in masks.items()
                if name.removesuffix("__mask") in names
            },
            **(mask or {}),
        },
        labels={**kept, **given},
        features=features,
        unobserved=unobserved,
    )


def _feature_keys(name: str, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Return the entries that may name the columns: `rna_features` serves `rna` and `rna_train`."""
    exact = [f"{name}__features", f"{name}_features"]
    stem = [f"{name.rsplit('_', 1)[0]}_features"] if "_" in name else []
    return [key for key in exact + stem if key in arrays]


def _features(name: str, arrays: Mapping[str, np.ndarray]) -> tuple[str, ...] | None:
    """Return the names of the columns of a modality, if the file has them."""
    array = arrays[name]
    width = array.shape[1] if array.ndim == 2 else None
    for key in _feature_keys(name, arrays):
        names = arrays[key]
        if names.ndim == 1 and names.dtype.kind in "US" and len(names) == width:
            return (
                tuple(str(n) for n in np.char.decode(names, "utf-8"))
                if names.dtype.kind == "S"
                else tuple(names.tolist())
            )
    return None


def _read_folder(
    path: Path, modalities: Any, mask: Any, labels: Any, unobserved: str, id: str | None
) -> MultimodalData:
    """Read a folder with one file per modality."""
    labels = labels if id is None else labels_by_id(labels, id)
    files = [p for p in sorted(path.iterdir()) if not _ASIDE.fullmatch(p.name)]
    other = [p.name for p in files if not p.is_file() or p.suffix.lower() not in IN_FOLDER]
    if other:
        raise InputError(
            f"The folder {path.name!r} holds {', '.join(map(repr, other[:5]))}; allowed are files ending in "
            f"{', '.join(IN_FOLDER)}, one per modality. Move the others elsewhere."
        )
    if not files:
        raise InputError(
            f"The folder {path.name!r} holds no data; it needs one file per modality, ending in "
            f"{', '.join(IN_FOLDER)}."
        )
    by_name: dict[str, Path] = {}
    for file in files:
        if file.stem in by_name:
            raise InputError(
                f"The folder {path.name!r} holds {by_name[file.stem].name} and {file.name}; keep one of them."
            )
        by_name[file.stem] = file
    masks = {n.removesuffix("__mask"): by_name.pop(n) for n in list(by_name) if n.endswith("__mask")}
    known = (
        {"labels": by_name.pop("labels")}
        if "labels" in by_name and "labels" not in list(modalities or [])
        else {}
    )
    kept: dict[str, Any] = {name: load_one(file, id) for name, file in known.items()}
    table: Any = kept.get("labels")
    if hasattr(table, "columns"):
        kept = {str(column): table.iloc[:, i] for i, column in enumerate(table.columns)}
    source: dict[str, Any] = dict(by_name)
    if labels is not None and not isinstance(labels, Mapping):
        names = check_names("labels", labels, [*kept, *source])
        kept |= {name: load_one(source.pop(name), id) for name in names if name in source}
    if modalities is not None:
        source = {name: source[name] for name in check_names("modalities", modalities, source)}
    for name in masks:
        if name not in by_name:
            raise InputError(
                f"The folder {path.name!r} has a mask for {name!r} but no such "
                f"modality.{nearest(name, by_name)}"
            )
    return assemble(
        {name: load_one(file, id) for name, file in source.items()},
        mask={**{n: load_one(file, id) for n, file in masks.items() if n in source}, **(mask or {})},
        labels={**kept, **(labels if isinstance(labels, Mapping) else {})},
        unobserved=unobserved,
        by_name=id is not None,
    )
