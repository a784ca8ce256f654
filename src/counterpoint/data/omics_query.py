"""Cells for a model: what it can use of an AnnData or a MuData, from where the training cells had it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from counterpoint.data.arrays import read
from counterpoint.data.backed import Backed
from counterpoint.data.backed_files import open_cells
from counterpoint.data.checks import REAL
from counterpoint.data.matching import columns_of, differences
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.omics import name_of
from counterpoint.data.omics_files import is_file, open_file, readable
from counterpoint.data.preparation import Preparation
from counterpoint.errors import InputError, choose

SEARCHED = ("X", "counts", "raw")  # layers in which `read` looks for counts by itself


@dataclass(frozen=True)
class How:
    """How cells are read for a model; `query.read_for` describes each.

    Example:
        >>> How(layers={"rna": "tpm"}).backed
        False
    """

    missing_features: str = "refuse"
    mask: Mapping[str, Any] | None = None
    layers: Mapping[str, str] | None = None
    obsm: Mapping[str, str] | None = None
    backed: bool = False


def read_cells(
    source: Any,
    prepared: Preparation,
    names: tuple[str, ...],
    how: How,
    said: Callable[[str], None] | None = None,
) -> MultimodalData | Backed:
    """Read the modalities of a fit from an AnnData, a MuData or the file of one: its features, by name.

    Args:
        source: The object, or the path of its file.
        prepared: Of the fit.
        names: The modalities that may be read.
        how: Layers, `obsm` and the like.
        said: Told of a modality of which no feature is there.

    Raises:
        InputError: none of the modalities, a feature that is lacking and refused, or no such layer.

    Example:
        >>> import anndata, numpy as np, pandas as pd
        >>> cells = anndata.AnnData(np.array([[0.0, 3.0], [1.0, 0.0]]), var=pd.DataFrame(index=["g1", "g2"]))
        >>> prepared = Preparation.fit(read(cells), constant="keep")
        >>> data = read_cells(cells[:, ["g2", "g1"]], prepared, ("rna",), How())
        >>> data.features["rna"], data.x["rna"].tolist()
        (('g1', 'g2'), [[0, 3], [1, 0]])
    """
    for what in ("layers", "obsm"):
        given = getattr(how, what)
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"{what} is {given!r}; give a dict, such as {{{names[0]!r}: ...}}.")
        for name in given or {}:
            choose(f"{what}: modality", name, names)
    if how.backed and not is_file(source):
        raise InputError("backed=True is for the path of a file; the data are in memory. Leave it out.")
    found = _opened(source, how.backed)
    mods = getattr(found, "mod", None)
    parts = dict(mods) if mods else {name_of(found): found}
    keys = {} if mods else _obsm(found, prepared, [n for n in names if n not in parts], how)
    if how.obsm and (mods or how.backed):
        keys = dict(how.obsm)  # refused on reading
    features = {
        n: f for n in names if n in parts and (f := _features(n, parts[n], prepared, how)) is not None
    }
    wanted = [n for n in names if n in keys or (n in parts and features.get(n) != ())]
    if not wanted:
        told = [*parts, *(f"obsm[{key!r}]" for key in getattr(found, "obsm", ()))]
        raise InputError(
            f"The data have none of the modalities that were fitted ({', '.join(names)}); they have "
            f"{', '.join(told)}."
        )
    for name, kept in features.items():
        if not kept and said is not None:
            said(f"modality {name!r} has none of its features here; it is absent.")
    options: dict[str, Any] = {
        "modalities": wanted,
        "features": {n: f for n, f in features.items() if n in wanted} or None,
        "layers": _layers(parts, prepared, wanted, how) or None,
        "obsm": keys or None,
        "unobserved": "keep",
    }
    rows = read(source, backed=True, **options) if how.backed else read(found, mask=how.mask, **options)
    left = {n: len(parts[n].var_names) - len(f) for n, f in features.items() if n in wanted}
    if how.backed:  # of rows in memory it is said when they are matched
        lacks = {n: differences(f, prepared[n].features or f)[1] for n, f in features.items() if n in wanted}
        rows = replace(
            rows, notes={n: f"{note}; {lacks[n]}" if lacks.get(n) else note for n, note in rows.notes.items()}
        )
    said_left = {
        n: f"{c} feature{'s' * (c > 1)} left out that the fit did not have" for n, c in left.items() if c
    }
    notes = {n: f"{note}; {said_left[n]}" if n in said_left else note for n, note in rows.notes.items()}
    return replace(rows, notes=notes)


def _opened(source: Any, backed: bool) -> Any:
    """Return an AnnData or a MuData, or of one that stays in its file its names."""
    if not is_file(source):
        return source
    if not backed:
        return open_file(Path(source))
    with readable(Path(source)):
        return open_cells(Path(source))


def _features(name: str, part: Any, prepared: Preparation, how: How) -> tuple[str, ...] | None:
    """Return the fitted features that are there, in the fitted order; None where the fit had no names."""
    own, fitted = tuple(map(str, part.var_names)), prepared[name].features
    if fitted is None or own == fitted:
        return fitted
    columns = columns_of(name, own, fitted, how.missing_features)
    if how.mask is not None and name in how.mask:
        return own  # the mask is of all of them
    return tuple(feature for feature, column in zip(fitted, columns, strict=True) if column >= 0)


def _obsm(adata: Any, prepared: Preparation, names: list[str], how: How) -> dict[str, str]:
    """Return the modalities that lie in `obsm`: those that are named, and those that lay there at the fit."""
    held = adata.group.get("obsm", ()) if how.backed else adata.obsm
    fitted = {n: prepared.origin[n]["obsm"] for n in names if "obsm" in prepared.origin.get(n, {})}
    there = {name: key for name, key in fitted.items() if key in held and name not in (how.obsm or {})}
    if there and how.backed:
        name, key = next(iter(there.items()))
        raise InputError(
            f"modality {name!r} lies in obsm[{key!r}], which is read into memory; read the cells without "
            "backed=True."
        )
    return {**there, **(how.obsm or {})}


def _layers(parts: Mapping[str, Any], prepared: Preparation, wanted: list[str], how: How) -> dict[str, str]:
    """Return the layers that are read: those that are named, else those of the fit.

    Counts that `read` found by itself are looked for again: another file may keep them in another place.
    """
    layers = dict(how.layers or {})
    for name in (n for n in wanted if n in parts and n not in layers):
        key = prepared.origin.get(name, {}).get("layer")
        if key is None or (key in SEARCHED and prepared[name].likelihood not in REAL):
            continue
        part = parts[name]
        own = part.layers if hasattr(part, "layers") else part.group.get("layers", ())
        if key not in ("X", "raw", *own):
            raise InputError(
                f"modality {name!r} was fitted on layers[{key!r}], which these cells lack; they have X"
                f"{''.join(f', {layer}' for layer in own)}. Name one in the same units: "
                f"layers={{{name!r}: LAYER}}."
            )
        layers[name] = key
    return layers
