"""Opening files whose values stay there: AnnData and MuData, and folders of `.npy`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.backed import Backed
from counterpoint.data.backed_folder import read_folder
from counterpoint.data.backed_scan import Scan, counts, scan
from counterpoint.data.backed_tables import Csr, Table
from counterpoint.data.hdf5 import check_hdf5
from counterpoint.data.multimodal import check_names
from counterpoint.data.omics import FEATURES_MOST, SingleCell, check_cells, chosen_labels, name_of
from counterpoint.data.omics_files import holds_cells, is_file, package, readable
from counterpoint.data.omics_labels import labels_of
from counterpoint.data.omics_matrices import Matrix, by_name
from counterpoint.data.values import check_name
from counterpoint.errors import InputError, choose, number

BUFFER = 0.5  # GiB


@dataclass(frozen=True, eq=False)
class Cells:
    """What of an AnnData or MuData is in memory: its names and its columns of `obs` and `var`."""

    group: Any  # of HDF5 or zarr
    obs: Any
    var: Any = None
    mod: dict[str, "Cells"] = field(default_factory=dict)

    @property
    def obs_names(self) -> Any:
        """The index that names the cells."""
        return self.obs.index

    @property
    def var_names(self) -> Any:
        """The index that names the features."""
        return self.var.index


def read_backed(
    source: Any,
    cells: SingleCell,
    *,
    modalities: Iterable[str] | None = None,
    labels: Iterable[str] | Mapping[str, Any] | None = None,
    unobserved: str = "refuse",
) -> Backed:
    """Open a file whose values are read row by row; the options are those of `counterpoint.data.read`.

    The values are looked through once, a block at a time, to find counts, missing values and the features of
    largest variance. `memory` of `cells` is what a fit may hold of the rows at once, in GiB.

    Raises:
        InputError: another kind of source, or what `read` refuses.
    """
    if not isinstance(source, (str, PathLike)):
        raise InputError(
            f"backed=True is for a path, from which rows are read while they are needed; the data are a "
            f"{type(source).__name__}, in memory already. Give the path of its file."
        )
    path = Path(source)
    buffer = BUFFER if cells.memory is None else number("memory", cells.memory, open_=True)
    if path.exists() and is_file(path):
        made = _read_cells(path, cells, modalities, labels, buffer)
    elif path.is_dir():
        cells.refuse(f"in {path.name}") if cells.memory is None else None
        made = read_folder(path, modalities, labels, buffer)
    else:
        raise InputError(
            f"backed=True reads .h5ad, .h5mu, .zarr or a folder with one .npy per modality; {path.name!r} is "
            f"{'of another kind' if path.exists() else 'not there'}."
        )
    for name, there in made.present().items():
        if unobserved == "refuse" and not there.any():
            raise InputError(
                f"modality {name!r} is never observed: every value is missing or masked. Leave it out."
            )
    return made


def _read_cells(path: Path, wanted: SingleCell, modalities: Any, labels: Any, buffer: float) -> Backed:
    """Open an AnnData or a MuData."""
    if wanted.obsm is not None:
        raise InputError("obsm is read into memory; with backed=True it cannot be a modality. Leave it out.")
    with readable(path):
        found = open_cells(path)
        parts = found.mod or {name_of(found): found}
        for name, one in found.mod.items():
            check_cells(check_name(name), one, found)
        wanted.check(parts)
        names = check_names("modalities", parts if modalities is None else modalities, parts)
        made = {name: _modality(name, parts[name], wanted) for name in names}
        kept = labels_of(found, found.mod)
    position = {}
    for name, (_, seen, _) in made.items():
        rows = parts[name].obs_names.get_indexer(found.obs_names) if found.mod else np.arange(len(found.obs))
        gone = np.append(seen.empty, False)[rows]  # -1, a cell that lacks it, takes the last
        position[name] = np.where(gone, -1, rows)
    return Backed(
        tables={name: table for name, (table, _, _) in made.items()},
        position=position,
        partial=frozenset(name for name, (_, seen, _) in made.items() if seen.holes),
        features={name: matrix.taken() for name, (_, _, matrix) in made.items()},
        rows=tuple(str(row) for row in found.obs_names),
        labels=chosen_labels(kept, labels, len(found.obs), list(parts)),
        notes={name: matrix.note for name, (_, _, matrix) in made.items()},
        origin={name: matrix.origin for name, (_, _, matrix) in made.items()},
        buffer=buffer,
    )


def open_cells(path: Path) -> Cells:
    """Open the file; what it holds decides whether it is an AnnData or a MuData.

    Raises:
        InputError: neither, or a MuData that shares features.
    """
    read = package("anndata").io.read_elem
    if path.suffix.lower() == ".zarr":
        group = package("zarr").open_group(path, mode="r")
    else:
        group = package("h5py").File(path, "r")
        check_hdf5(path, group, float("inf"))
    if not holds_cells(path, group):
        return Cells(group, read(group["obs"]), read(group["var"]))
    if int(group.attrs.get("axis", 0)) == 1:
        raise InputError(
            "The MuData shares features, not cells (axis=1), so its rows are not the same things; make one "
            "whose modalities share the cells (axis=0)."
        )
    order = [str(name) for name in group["mod"].attrs.get("mod-order", group["mod"])]
    mods = {name: group["mod"][name] for name in order}
    if not mods:
        raise InputError("The MuData has no modality; give one with at least one AnnData.")
    inner = {name: Cells(one, read(one["obs"]), read(one["var"])) for name, one in mods.items()}
    return Cells(group, read(group["obs"]), mod=inner)


def _modality(name: str, cells: Cells, wanted: SingleCell) -> tuple[Table, Scan, Matrix]:
    """Return where the rows of a modality are, what was found in them, and what was taken."""
    key, whole, stored, columns = _find(name, cells, (wanted.layers or {}).get(name))
    features = tuple(str(feature) for feature in cells.var_names)
    table = Table(stored, stored.dtype, columns)
    seen = scan(name, table, features)
    where = {"X": ".X", "raw": ".raw.X"}.get(key, f"layers[{key!r}]")
    note = f"{'raw counts' if whole else 'real values'} ({where}), left in the file"
    if not whole and (wanted.layers or {}).get(name) is None:
        note += ", no raw counts were found"
    matrix = Matrix(table.stored, features, None, note, {"layer": key})
    asked, most = (wanted.features or {}).get(name), wanted.features_most or FEATURES_MOST
    if asked is not None:
        matrix = replace(matrix, columns=by_name(name, matrix, tuple(asked)))
    elif len(features) > most:
        order = np.argsort(-seen.variance, kind="stable")[:most]
        note += f"; {len(features)} features, the {most} of largest variance are used"
        matrix = replace(matrix, columns=np.sort(order), note=note)
    if matrix.columns is not None:
        columns = matrix.columns if columns is None else columns[matrix.columns]
    large = seen.high > np.iinfo(np.int32).max
    exact = np.int64 if large else np.int32
    taken = Table(stored, np.dtype(exact if whole and not seen.missing else np.float32), columns)
    return taken, seen if matrix.columns is None else seen.of(taken), matrix


def _find(name: str, cells: Cells, layer: str | None) -> tuple[str, bool, Any, np.ndarray | None]:
    """Return the table of counts, or the one that is named: its name, whether counts, its rows and columns.

    As `omics_matrices.find`: `.X` if it holds counts, else `layers['counts']`, else `.raw.X`, else `.X`.
    """
    layers = list(cells.group["layers"]) if "layers" in cells.group else []
    if layer is not None:
        raw = ("raw",) if "raw" in cells.group else ()
        key = choose(f"layers[{name!r}]", layer, ("X", *layers, *raw))
        found = _table(name, cells, key)
        if found is None:
            raise InputError(
                f"modality {name!r} has nothing in {key!r} for its own features; name another layer."
            )
        return key, counts(_whole(found)), *found
    tables = {key: partial(_table, name, cells, key) for key in ("X", "counts", "raw")}
    for key, open_ in tables.items():
        found = open_()
        if found is not None and counts(_whole(found)):
            return key, True, *found
    found = tables["X"]()
    if found is None:
        raise InputError(
            f"modality {name!r} has no .X, and no counts in layers['counts'] or .raw; its layers are "
            f"{', '.join(layers) or 'none'}. Name one: layers={{{name!r}: LAYER}}."
        )
    return "X", False, *found


def _whole(found: tuple[Any, np.ndarray | None]) -> Table:
    return Table(found[0], found[0].dtype, found[1])


def _table(name: str, cells: Cells, key: str) -> tuple[Any, np.ndarray | None] | None:
    """Return the rows of `.X`, `.raw.X` or a layer and which columns are its own, or None if not there."""
    group, columns = cells.group, None
    if key == "raw":
        group = group.get("raw", {})
        if "X" in group:
            names, own = package("anndata").io.read_elem(group["var"]).index, cells.var_names
            if not names.equals(own):
                columns = names.get_indexer(own) if names.is_unique and own.is_unique else np.array([-1])
                if (columns < 0).any():
                    return None
        key = "X"
    elif key != "X":
        group = group.get("layers", {})
    stored = group.get(key)
    if stored is None or stored.attrs.get("encoding-type") == "null":
        return None
    if not hasattr(stored, "keys"):  # dense
        return stored, columns
    if stored.attrs.get("encoding-type", stored.attrs.get("h5sparse_format")) not in ("csr_matrix", "csr"):
        raise InputError(
            f"modality {name!r} is stored by column (CSC) in {key!r}, so its rows cannot be read one by one; "
            "write it by row (adata.X = adata.X.tocsr()), or read it without backed=True."
        )
    shape = stored.attrs.get("shape", stored.attrs.get("h5sparse_shape"))
    shape = (int(shape[0]), int(shape[1]))
    return Csr(stored["data"], stored["indices"], np.asarray(stored["indptr"][:]), shape), columns
