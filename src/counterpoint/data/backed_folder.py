"""A folder with one `.npy` per modality, mapped into memory instead of read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from counterpoint.data.backed import Backed
from counterpoint.data.backed_scan import scan
from counterpoint.data.backed_tables import Table
from counterpoint.data.loading import load_one
from counterpoint.data.multimodal import check_names, unequal
from counterpoint.data.rows import to_label
from counterpoint.data.values import check_name
from counterpoint.errors import InputError, nearest


def read_folder(path: Path, modalities: Any, labels: Any, buffer: float) -> Backed:
    """Map the `.npy` files of a folder, one per modality; `labels.*` and `NAME__mask.npy` are read.

    Raises:
        InputError: another file, no numbers, unequal numbers of rows, or a mask of single values.
    """
    files = {p.stem: p for p in sorted(path.iterdir()) if p.is_file() and not p.name.startswith(".")}
    files = {stem: p for stem, p in files.items() if p.suffix.lower() == ".npy" or stem == "labels"}
    masks = {n.removesuffix("__mask"): files.pop(n) for n in list(files) if n.endswith("__mask")}
    kept: dict[str, Any] = {}
    if "labels" in files and "labels" not in list(modalities or []):
        table = load_one(files.pop("labels"))
        columns = getattr(table, "columns", None)
        kept = (
            {"labels": table}
            if columns is None
            else {str(c): table.iloc[:, i] for i, c in enumerate(columns)}
        )
    if labels is not None and not isinstance(labels, Mapping):
        names = check_names("labels", labels, [*kept, *files])
        kept |= {name: load_one(files.pop(name)) for name in names if name in files}
    if not files:
        raise InputError(
            f"The folder {path.name!r} holds no .npy, and backed=True maps nothing else; save one per "
            "modality with numpy.save, or read the folder without it."
        )
    names = list(files) if modalities is None else check_names("modalities", modalities, files)
    for name in masks:
        if name not in files:
            hint = nearest(name, files)
            raise InputError(f"The folder {path.name!r} has a mask for {name!r} but no such modality.{hint}")
    tables = {check_name(name): _mapped(name, files[name]) for name in names}
    lengths = {name: table.stored.shape[0] for name, table in tables.items()}
    if len(set(lengths.values())) > 1:
        raise unequal(lengths)
    rows = next(iter(lengths.values()))
    seen = {name: scan(name, table) for name, table in tables.items()}
    there = {name: _mask(name, masks.get(name), rows) & ~seen[name].empty for name in tables}
    kept |= labels if isinstance(labels, Mapping) else {}
    return Backed(
        tables=tables,
        position={name: np.where(here, np.arange(rows), -1) for name, here in there.items()},
        partial=frozenset(name for name in tables if seen[name].holes),
        labels={check_name(name): to_label(name, label, rows) for name, label in kept.items()},
        notes={name: "mapped, left in the file" for name in tables},
        buffer=buffer,
    )


def _mapped(name: str, file: Path) -> Table:
    """Map the array of a file."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{file.name} cannot be mapped ({error}); it is damaged or holds objects. Save it again."
        ) from error
    if array.dtype.kind not in "iufb" or array.ndim == 0 or array.size == 0:
        raise InputError(
            f"modality {name!r} is {array.dtype} of shape {array.shape}; backed=True takes numbers, with at "
            "least one row and one feature."
        )
    dtype = np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype
    return Table(array, np.dtype(np.float64) if dtype.itemsize > 8 else dtype, flat=array.ndim == 1)


def _mask(name: str, file: Path | None, rows: int) -> np.ndarray:
    """Return which rows a modality has."""
    if file is None:
        return np.ones(rows, dtype=bool)
    mask = np.asarray(load_one(file))
    if mask.dtype != bool or mask.shape != (rows,):
        raise InputError(
            f"{file.name} is {mask.dtype} of shape {mask.shape}; with backed=True a mask of {name!r} is bool "
            f"of shape {(rows,)}: put NaN where single values are missing."
        )
    return mask
