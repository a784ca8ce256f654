"""Reading rows for a model: its modalities, its features by name, from where the training rows had them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from counterpoint.data.arrays import read
from counterpoint.data.backed import Backed, refuse
from counterpoint.data.categories import labels_with
from counterpoint.data.loading import entries_of, load_entries
from counterpoint.data.matching import MISSING, check_hash, matched
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.omics_files import is_file, is_object
from counterpoint.data.omics_query import How, read_cells
from counterpoint.data.preparation import Preparation
from counterpoint.data.session_query import read_apart, sessions_in
from counterpoint.errors import InputError, choose


def read_for(
    source: Any,
    prepared: Preparation,
    modalities: Iterable[str],
    *,
    missing_features: str = "refuse",
    mask: Mapping[str, Any] | None = None,
    layers: Mapping[str, str] | None = None,
    obsm: Mapping[str, str] | None = None,
    window: Any = None,
    bin: Any = None,
    backed: bool = False,
    feature_hash: Mapping[str, str] | None = None,
    said: Callable[[str], None] | None = None,
) -> MultimodalData | Backed:
    """Read what a fitted model can use of some rows.

    Of cells, a file or a folder, the modalities that were fitted are taken, from the layer or `obsm` that the
    training rows had them in; a file of one session gives all its trials, in the window and bins of the fit.
    Modalities of a dict or a table are taken as they come. Columns are matched by name, see `matching`.

    Args:
        source: As `counterpoint.read` takes it.
        prepared: What the model was fitted on.
        modalities: Those that the model may read.
        missing_features: `"refuse"` features that the rows lack, or `"impute"` them.
        mask: As `read` takes it, of the rows' own columns.
        layers: Of AnnData and MuData, modality -> layer, in place of that of the fit.
        obsm: Likewise, modality -> key of `obsm`.
        window: Of sessions, in place of that of the fit.
        bin: Likewise.
        backed: Leave the values in the file.
        feature_hash: name -> `prepared.hash_of` the names of its columns, if these come without: refused
            unless it is the fit's.
        said: Told of columns that are left out.

    Raises:
        InputError: Nothing of the model is there, a feature is lacking, or what `read` refuses.

    Example:
        >>> import pandas as pd
        >>> rna = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3.0, 5.0, 0.5]})
        >>> new = {"rna": rna[["b", "a"]].iloc[:2]}
        >>> read_for(new, Preparation.fit({"rna": rna}), ["rna"]).x["rna"].tolist()
        [[1.0, 3.0], [2.0, 5.0]]
    """
    choose("missing_features", missing_features, MISSING)
    names, claimed = tuple(modalities), dict(feature_hash or {})
    bring = partial(matched, prepared=prepared, missing_features=missing_features, said=said)
    cells = is_object(source) or is_file(source)
    if not cells and (layers is not None or obsm is not None):
        raise InputError("layers and obsm are for AnnData and MuData; the data are neither. Leave them out.")
    if cells and (is_object(source) or Path(source).exists()):
        how = How(missing_features, mask, layers, obsm, backed)
        found: Any = read_cells(source, prepared, names, how, said)
    elif (apart := sessions_in(source, prepared, names)) is not None:
        if mask is not None or backed:
            raise InputError("mask and backed are for rows; the data are sessions. Leave them out.")
        return bring(read_apart(apart, prepared.origin, window, bin))
    elif isinstance(source, (str, PathLike)):
        path, told = Path(source), None if prepared.covariates is None else prepared.covariates.names
        there = entries_of(path)
        aside = labels_with(path, None, told)
        found = read(
            path,
            modalities=_there(path, names, there),
            labels=aside,
            mask=mask,
            backed=backed,
            unobserved="keep",
        )
        claimed = _claimed(path, there, found.names) | claimed
    else:
        if not backed:
            refuse(source, "this")
        found = source if isinstance(source, Backed) else read(source, mask=mask, unobserved="keep")
        found = found.select([n for n in found.names if n in names or n not in prepared.names])
    if window is not None or bin is not None:
        raise InputError("window and bin are for a file of one session; the data are none. Leave them out.")
    check_hash(found, prepared, claimed)
    if not isinstance(found, Backed):
        return bring(found)
    return replace(found, brought=lambda part: replace(bring(part), notes=part.notes))  # which say it already


def _there(path: Path, names: Sequence[str], entries: Sequence[str] | None) -> list[str] | None:
    """Return which modalities a file or folder has, by the names of its arrays; None without names."""
    if entries is None:
        return None
    found = [name for name in names if name in entries]
    if not found:
        raise InputError(
            f"{path} has none of the run's modalities ({', '.join(names)}); it has {', '.join(entries)}."
        )
    return found


def _claimed(path: Path, entries: Sequence[str] | None, names: Iterable[str]) -> dict[str, str]:
    """Return the hashes of names of columns that an `.npz` holds beside its modalities."""
    kept = {name: f"{name}_feature_hash" for name in names}
    wanted = {name: entry for name, entry in kept.items() if entry in (entries or ())}
    if not wanted or path.suffix.lower() != ".npz":
        return {}
    found = load_entries(path, list(wanted.values()))
    return {name: str(found[entry]) for name, entry in wanted.items()}
