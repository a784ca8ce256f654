"""Rows of one file or folder, or of several sessions that share a condition: what the verbs read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterpoint.commands.parts import names
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.data import MultimodalData


def pairing(pair_on: str | None, window: str | None, bin: str | None, aligned: bool) -> dict[str, Any]:
    """Return how sessions are read, as a run keeps it; nothing where rows are rows already.

    Example:
        >>> pairing("odor", None, "10ms", True), pairing(None, None, None, True)
        ({'pair_on': 'odor', 'bin': '10ms'}, {})
    """
    given = {"pair_on": pair_on, "window": window, "bin": bin, "aligned": None if aligned else "false"}
    return {k: v for k, v in given.items() if v is not None}


def rows_of(
    data: Sequence[str],
    how: Mapping[str, Any],
    modalities: str | Sequence[str] | None = None,
    labels: str | Sequence[str] | None = None,
    backed: bool = False,
) -> "MultimodalData":
    """Read what was named on the command line.

    Args:
        data: One file or folder; several are sessions.
        how: What `pairing` returns.
        modalities: Only these, a list or words with commas.
        labels: Entries that are labels, a list or words with commas.
        backed: Leave the values in the file.

    Raises:
        InputError: If it cannot be read, or there are several files and nothing that pairs them.
    """
    from counterpoint.data import read

    only = names(modalities) if isinstance(modalities, str) else modalities
    aside = names(labels) if isinstance(labels, str) else labels
    if how:
        given: Any = list(data) if len(data) > 1 else data[0]
        kind = {**how, "aligned": how.get("aligned") != "false"}
        return read(given, modalities=only, labels=aside, backed=backed, **kind)
    if len(data) > 1:
        raise InputError(
            f"{len(data)} files were named, which are read as sessions: say what these share with --pair_on "
            "LABEL, or name one file or folder."
        )
    return read(data[0], modalities=only, labels=aside, backed=backed)
