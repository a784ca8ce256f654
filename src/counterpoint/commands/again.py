"""The verb that does a run again."""

from pathlib import Path
from typing import Any

from counterpoint.errors import InputError


def replay(run: str, data: str | None = None) -> None:
    """Fit again what a run holds, on the same rows, and compare the weights to the byte; 1 if they differ.

    Args:
        run: A run directory of `counterpoint fit`; it stays as it is.
        data: Its files, if they lie elsewhere now, with commas.
    """
    from counterpoint.replaying import replay as again
    from counterpoint.report.screen import note

    found = again(run, _rows(run, data))
    for name, (then, now) in found.changed.items():
        note(f"{name}: {then} then, {now} now")
    terms = "the same" if found.history else "not the same"
    epochs = " and ".join(str(count) for count in dict.fromkeys(found.epochs))
    if found.same:
        print(f"{run}: the weights are the same, to the byte; loss terms of {epochs} epochs {terms}")
    else:
        print(
            f"{run}: weights differ, by at most {found.difference:.3g}; loss terms ({epochs} epochs) {terms}"
        )
        raise SystemExit(1)


def _rows(run: str, data: str | None) -> Any:
    """Return the training rows of a run, read as they were."""
    from counterpoint import bounded
    from counterpoint.commands.parts import names as file_names
    from counterpoint.commands.sources import rows_of
    from counterpoint.manifest import verify
    from counterpoint.protocol import hold_out

    verify(Path(run))
    source = bounded.json_of(Path(run) / "environment.json", "fit again.").get("source")
    if source is None:
        raise InputError(
            f"{run} does not say how its rows were read: it was not fitted by `counterpoint fit`. In Python: "
            "counterpoint.replaying.replay(run, data)."
        )
    names = ("how", "modalities", "labels", "backed", "layers", "obsm")
    found = rows_of(file_names(data) or source["data"], *(source[name] for name in names))
    return found if source["test"] is None else hold_out(found, source["test"], source["label"])[0]
