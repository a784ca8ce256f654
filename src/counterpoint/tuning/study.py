"""A search on disk: a log that only one process writes, and that is taken up where it stopped."""

import fcntl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterpoint import atomic, runs
from counterpoint.errors import InputError
from counterpoint.seeds import derive
from counterpoint.tuning.space import parsed

LOG, LOCK = "study.log", ".lock"


def open_study(out: Path, asked: Mapping[str, Any], more: bool) -> Any:
    """Return the search that a folder holds, or a new one; what a killed process left running has failed.

    Raises:
        InputError: If the folder holds another search, or a damaged log.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    log, name = out / LOG, "counterpoint"
    log.with_name(f"{LOG}.lock").unlink(missing_ok=True)  # Optuna's own; the folder is ours alone
    if log.exists() and not (content := log.read_bytes()).endswith(b"\n"):
        atomic.write(log, content[: content.rfind(b"\n") + 1])  # half a line, of a process that was killed
    with quiet():
        try:
            storage = JournalStorage(JournalFileBackend(str(log)))
            known = {s.study_name: s for s in optuna.get_all_study_summaries(storage)}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{log} is damaged ({error}); restore it, or give another folder.") from error
        if name in known and not known[name].n_trials:  # nothing was tried: whatever was asked then
            optuna.delete_study(study_name=name, storage=storage)
            del known[name]
        if name in known:
            before = known[name].user_attrs.get("asked", {})
            other = [k for k, v in asked.items() if before.get(k) != v]
            if other:
                raise InputError(
                    f"{out} holds a search with another {' and another '.join(other)}, whose trials do not "
                    "compare with these; give another folder, or ask for the same."
                )
            study = optuna.load_study(study_name=name, storage=storage)
        else:
            direction = "maximize" if more else "minimize"
            study = optuna.create_study(study_name=name, storage=storage, direction=direction)
            study.set_user_attr("asked", dict(asked))
        for trial in study.get_trials():
            if not trial.state.is_finished():
                close(study, trial.number, None)
    return study


def ask(study: Any, axes: Mapping[str, Any], seed: int, place: int) -> Any:
    """Return the trial to be made at a place of the search.

    A fresh sampler each time, seeded by the place: what is proposed follows from the finished trials alone,
    so a search that was interrupted goes on as if it had not been.
    """
    from optuna.samplers import TPESampler

    with quiet():
        study.sampler = TPESampler(seed=derive(seed, "trial", place) % 2**32, constant_liar=True)
        return study.ask(dict(axes))


def close(study: Any, number: int, value: float | None) -> None:
    """Say what became of a trial; None if it failed."""
    from optuna.trial import TrialState

    study.tell(number, value, state=TrialState.FAIL if value is None else TrialState.COMPLETE)


def counts(trial: Any) -> bool:
    """Return whether a trial came to its end, by itself."""
    return trial.value is not None or "reason" in trial.user_attrs


def options_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's options."""
    return dict(zip(params, parsed(params.values()), strict=True))


def row_of(trial: Any) -> dict[str, Any]:
    """Return a trial as a row of the table."""
    row = {"number": trial.number, "params": options_of(trial.params), "value": trial.value}
    row |= {"state": "failed" if trial.value is None else "finished"}
    row |= {"seconds": trial.user_attrs.get("seconds")}
    stopped = "" if trial.value is not None else "it was stopped before its end."
    return {**row, "reason": trial.user_attrs.get("reason", stopped)}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's log and its warnings of what is experimental from the user, here only."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second search; the lock goes with the process, however it ends.

    Raises:
        InputError: If it is another's: of a running search, or of other files.
    """
    strange = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    if strange and not {LOCK, LOG} & {*strange}:
        raise InputError(f"{folder} holds other files ({strange[0]}, ...) and no {LOG}; give another folder.")
    runs.check_folder(folder / "best", overwrite=True)
    if not (folder / LOCK).exists():
        atomic.write(folder / LOCK, "")
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"another search is at work in {folder}; wait, or give another.") from error
        yield
