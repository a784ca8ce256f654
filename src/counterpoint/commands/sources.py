"""Rows of one file or folder, or of several sessions that share a condition: what the verbs read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from counterpoint.commands.parts import names, said
from counterpoint.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from counterpoint.data import MultimodalData
    from counterpoint.estimator import Counterpoint


@dataclass(frozen=True)
class Told:
    """How the rows are read that a run is asked about, where that is not as the run's own were.

    Args:
        missing_features: refuse rows that lack a feature of the run, or impute it.
        layers: {modality: layer} of an .h5ad or .h5mu; those of the run unless given.
        obsm: {modality: key of obsm} of an .h5ad; those of the run unless given.
        window: Of sessions' trials, such as 250:500ms; that of the run unless given.
        bin: Width of the bins that become rows, such as 10ms; that of the run unless given.
        backed: Leave the values in the file; ask a block of rows at a time.

    Example:
        >>> Told(window="0:200ms").backed
        False
    """

    missing_features: str = "refuse"
    layers: dict[str, str] | None = None
    obsm: dict[str, str] | None = None
    window: str | None = None
    bin: str | None = None
    backed: bool = False

    def typed(self) -> dict[str, str | None]:
        """Return what was said as it is typed, None where nothing was.

        Example:
            >>> {k: v for k, v in Told("impute", layers={"rna": "tpm"}).typed().items() if v is not None}
            {'missing_features': 'impute', 'layers': '{rna: tpm}'}
        """
        return {
            "missing_features": None if self.missing_features == "refuse" else self.missing_features,
            "layers": said(self.layers),
            "obsm": said(self.obsm),
            "window": self.window,
            "bin": self.bin,
            "backed": "true" if self.backed else None,
        }


AS_FITTED = Told()


def asked(run: str, data: Any, told: Told = AS_FITTED) -> "tuple[Counterpoint, Any]":
    """Load a run, and read what of its modalities the data have: a path, an AnnData or a MuData."""
    from counterpoint import runs
    from counterpoint.data.query import read_for

    estimator = runs.load(run)
    return estimator, read_for(data, estimator.preparation_, estimator.modalities_, **asdict(told))


def remark(estimator: "Counterpoint", found: Any) -> None:
    """Say beside the results what was taken of the rows, and what of the run they do not have."""
    from counterpoint.report.screen import note

    notes = [f"{name} {told}" for name, told in found.notes.items() if told is not None]
    lacks = [name for name in estimator.modalities_ if name not in found.names]
    if notes:
        note(f"read as    {' · '.join(notes)}")
    if lacks:
        note(f"absent     {', '.join(lacks)}")


def asked_cells(run: str, data: str, out: str, told: Told = AS_FITTED) -> "tuple[Any, Counterpoint, Any]":
    """Return the AnnData or MuData of a file, with the run and its rows, if `out` may be written from it.

    Raises:
        InputError: It may not, or the cells are to stay in their file.
    """
    from pathlib import Path

    from counterpoint.data.omics_files import check_suffix_of, is_file, open_file

    if told.backed:
        raise InputError(
            f"{out} is a copy of the data, which is made in memory; leave --backed out, or name an .npz."
        )
    there = is_file(data) and Path(data).exists()
    cells = open_file(Path(data)) if there else None
    check_suffix_of(out, cells, data)
    return cells, *asked(run, cells, told)


def by_parts(found: Any, ask: "Callable[[MultimodalData], dict[str, np.ndarray]]") -> "dict[str, np.ndarray]":
    """Ask about rows, all at once or, of rows that stay in their file, a block at a time.

    Args:
        found: The rows.
        ask: From rows in memory to name -> (n, ...).

    Example:
        >>> from counterpoint.data import read
        >>> by_parts(read({"a": [[1.0], [2.0]]}), lambda part: part.x)["a"].tolist()
        [[1.0], [2.0]]
    """
    from counterpoint.data.backed import Backed

    if not isinstance(found, Backed):
        return ask(found)
    return found.each(ask)


def as_fitted(estimator: "Counterpoint", split: Mapping[str, Any] | None, data: str) -> dict[str, Any]:
    """Return how a run's rows were read, as options of `rows_of`.

    Args:
        estimator: What the run holds.
        split: How its test rows were cut off, if they were.
        data: The first of the files; layers and `obsm` are for those of cells.
    """
    from counterpoint.data.omics_files import is_file

    origin = estimator.preparation_.origin
    sessions: dict[str, str] = next((dict(kept) for kept in origin.values() if "pair_on" in kept), {})
    cells = origin.items() if is_file(data) else ()
    layers, obsm = ({n: kept[k] for n, kept in cells if k in kept} for k in ("layer", "obsm"))
    how = (split or {}).get("sessions", sessions)
    return {"how": how, "layers": layers or None, "obsm": obsm or None}


def pairing(pair_on: str | None, window: str | None, bin: str | None, aligned: bool) -> dict[str, Any]:
    """Return how sessions are read, as a run keeps it; nothing where rows are rows already.

    Example:
        >>> pairing("odor", None, "10ms", True), pairing(None, None, None, True)
        ({'pair_on': 'odor', 'bin': '10ms'}, {})
    """
    given = {"pair_on": pair_on, "window": window, "bin": bin, "aligned": None if aligned else "false"}
    return {k: v for k, v in given.items() if v is not None}


def absolute(data: Sequence[str]) -> list[str]:
    """Return the paths from the root, for whoever reads them from elsewhere.

    Example:
        >>> absolute(["/data/a.npz"])
        ['/data/a.npz']
    """
    from pathlib import Path

    return [str(Path(path).absolute()) for path in data]


def rows_of(
    data: Sequence[str],
    how: Mapping[str, Any],
    modalities: str | Sequence[str] | None = None,
    labels: str | Sequence[str] | None = None,
    backed: bool = False,
    layers: Mapping[str, str] | None = None,
    obsm: Mapping[str, str] | None = None,
) -> "MultimodalData":
    """Read what was named on the command line.

    Args:
        data: One file or folder; several are sessions.
        how: What `pairing` returns.
        modalities: Only these, a list or words with commas.
        labels: Entries that are labels, a list or words with commas.
        backed: Leave the values in the file.
        layers: Modality -> layer of an AnnData or MuData.
        obsm: Modality -> key of an AnnData's `obsm`.

    Raises:
        InputError: If it cannot be read, or there are several files and nothing that pairs them.
    """
    from counterpoint.data import read

    only = names(modalities) if isinstance(modalities, str) else modalities
    aside = names(labels) if isinstance(labels, str) else labels
    if how:
        given: Any = list(data) if len(data) > 1 else data[0]
        kind = {**how, "aligned": how.get("aligned") != "false"}
        return read(given, modalities=only, labels=aside, backed=backed, layers=layers, obsm=obsm, **kind)
    if len(data) > 1:
        raise InputError(
            f"{len(data)} files were named, which are read as sessions: say what these share with --pair_on "
            "LABEL, or name one file or folder."
        )
    return read(data[0], modalities=only, labels=aside, backed=backed, layers=layers, obsm=obsm)
