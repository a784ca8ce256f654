"""Adaptive search over hyperparameters: chosen on validation rows, tested once on rows never tuned on."""

import fcntl
import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import torch

from counterpoint import atomic, configuration, runs
from counterpoint.data import MultimodalData, read
from counterpoint.errors import InputError, TrainingDivergedError, choose, whole
from counterpoint.estimator import Counterpoint
from counterpoint.evaluate import evaluate
from counterpoint.manifest import as_json
from counterpoint.many import Rows, finished
from counterpoint.methods import METHODS, takes
from counterpoint.protocol import Task, hold_out, label_of, task
from counterpoint.seeds import derive
from counterpoint.training.options import split

# Goal -> its headline, in the measure of that name or in the history; and whether more of it is better.
GOALS = {
    "validation": ("validation/total", False),
    "probe": ("accuracy", True),
    "coherence": ("coherence", True),
    "reconstruction": ("reconstruction", False),
}
LOG, LOCK = "study.log", ".lock"
_NEVER = ("method", "options", "seed", "device", "verbose")  # a search has one method; a seed is no setting
_SCALES = {"likelihood", "standardise"}  # other units of the same distortion
_WEIGHTS = {"beta", "weights", "validation", *(f"options.{k}" for k in ("alpha", "rate", "preset"))}
_WEIGHTS |= {"constant", *(f"options.{k}" for k in ("kl_count", "beta_power", "random_subsets"))}
INCOMPARABLE = {"validation": _SCALES | _WEIGHTS, "reconstruction": _SCALES}


@dataclass(frozen=True)
class Tuning:
    """The result of `tune`.

    Args:
        goal: What was looked for.
        best_params: Option -> value of the best trial, named as in the space.
        best_value: Its goal on validation rows; as the best of many, better than it is on new rows.
        best_run: The run of these options, fitted on all training rows.
        table: A dict a trial, by `number`: `params`, `value` (None if it failed), `state` (`"finished"`,
            `"failed"`), `seconds` of fit and evaluation (None if it was stopped), `reason` of a failure.
        test: Headline numbers of the best run on the test rows.
    """

    goal: str
    best_params: dict[str, Any]
    best_value: float
    best_run: Path
    table: list[dict[str, Any]]
    test: dict[str, float]


def tune(
    data: Any,
    space: Mapping[str, Any],
    *,
    out: str | Path,
    method: str = "mmvm",
    label: str | None = None,
    goal: str = "validation",
    trials: int = 50,
    seed: int = 0,
    test: int | float = 0.25,
    workers: int = 1,
    each: Callable[[dict[str, Any]], None] | None = None,
    **params: Any,
) -> Tuning:
    """Search for the options that serve a goal best; test the best once, on rows that chose nothing.

    Test rows are held out first, the same for every seed. Goal `"validation"` is the validation loss of the
    best epoch, in nats a row; for the others the training rows are split again, 3:1 by the label, and a trial
    is fitted on the first part and evaluated on the second. The same call goes on where it was stopped; with
    one worker, what is tried follows from the seed, interrupted or not.

    Args:
        data: Rows with labels.
        space: Option -> a list of choices, or a range `{"low": 1e-4, "high": 1e-2, "log": True}`, with `step`
            and `int` (as the option is, unless given). Options are arguments of `Counterpoint`, or
            `options.NAME` of the method.
        out: The folder: `trial-N` and `best` are runs, `study.log` and `tuning.json` the search.
        method: A name in `METHODS`.
        label: Which label; needed if the data have several.
        goal: `"validation"` or `"reconstruction"` (least), `"probe"` or `"coherence"` (most).
        trials: How many in all, those of earlier calls among them.
        seed: Of proposals and fits.
        test: Number or share of test rows.
        workers: Processes that fit side by side, one thread each.
        each: Called with a trial's row of the table after it.
        **params: Arguments of `Counterpoint`, the same for all trials.

    Raises:
        InputError: If something cannot be used (before any training), the folder holds another search, or all
            trials fail.
        ImportError: If Optuna is not installed.

    Source: Bergstra et al. 2011 (tree-structured Parzen estimators), as Optuna has them.

    Example:
        >>> import tempfile
        >>> x = np.random.default_rng(0).normal(size=(60, 3))
        >>> rows = read({"a": x, "b": -x}, labels={"kind": np.arange(60) % 2})
        >>> with tempfile.TemporaryDirectory() as out:
        ...     found = tune(rows, {"latent_dim": [1, 2]}, out=out, trials=2, epochs=2)
        >>> len(found.table), sorted(found.best_params)
        (2, ['latent_dim'])
    """
    for what, given in (("trials", trials), ("workers", workers)):
        whole(what, given)
    axes = _axes(space, method, goal, params)
    source = read(data)
    key = label_of(source, label)
    train, held = hold_out(source, test, key)
    search = _Search(Path(out).absolute(), train, key, goal, whole("seed", seed, 0), method, params)
    search.check(axes)
    asked = {"space": _told(axes), "goal": goal, "method": method, "label": key, "test": test, "seed": seed}
    asked |= {"options": configuration.config_text(search.estimator({})), "data": _digest(source)}
    asked = configuration._plain(asked)
    with _alone(search.out):
        study = _study(search.out, asked, GOALS[goal][1])
        on = task(train, held, key, cache=search.out / "oracles")
        try:
            _run(search, study, axes, trials, workers, each)
        except KeyboardInterrupt as stop:  # the fit's own advice is of a single run
            stop.__notes__ = [f"stopped; {search.out} keeps the trials, and the same call goes on with them"]
            raise
        table = [_row(t) for t in study.get_trials()]
        done = [row for row in table if row["value"] is not None]
        if not done:
            raise InputError(f"all trials failed, the last so: {table[-1]['reason']} Change the space.")
        best = min(done, key=lambda row: row["value"] * (-1 if GOALS[goal][1] else 1))
        scores = search.test(best, on, test)
        found = Tuning(goal, best["params"], best["value"], search.out / "best", table, scores)
        told = {**asdict(found), "best_run": "best", "best_trial": best["number"], "asked": asked}
        atomic.write(search.out / "tuning.json", as_json(told))
    return found


def _axes(space: Any, method: str, goal: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return option -> distribution, by name: the order in which they came must not matter."""
    choose("goal", goal, GOALS)
    recipe = get_type_hints(METHODS[choose("method", method, METHODS)])
    hints = get_type_hints(Counterpoint.__init__)
    hints = {k: v for k, v in hints.items() if k != "return"}
    for key in params:
        choose("argument", key, [k for k in hints if k not in ("method", "seed")])
    fixed = {*params, *(f"options.{k}" for k in params.get("options") or {})}
    allowed = {k: v for k, v in hints.items() if k not in _NEVER and (k != "beta" or takes(method, "beta"))}
    allowed |= {f"options.{k}": v for k, v in recipe.items() if k not in ("beta", "return")}
    if not isinstance(space, Mapping) or not space:
        raise InputError(f"space is {space!r}; give option -> choices, such as {{'latent_dim': [8, 32]}}.")
    for name in space:
        choose("space: option", name, allowed)
        if name in fixed:
            raise InputError(f"{name} is in the space and fixed as an argument; give it once.")
        if name in INCOMPARABLE.get(goal, ()):
            raise InputError(
                f"the space has {name}, which changes what goal {goal!r} measures: its values would not "
                f"compare. Fix {name}, or take goal='probe' or 'coherence'."
            )
    return {name: _axis(name, space[name], allowed[name]) for name in sorted(space)}


def _axis(name: str, given: Any, hint: Any) -> Any:
    """Return one option's distribution; choices are kept as JSON, so that they may be lists."""
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    except ImportError as error:
        raise ImportError("tuning needs Optuna; pip install 'counterpoint[tune]'.", name="optuna") from error
    given = configuration._plain(given)
    if isinstance(given, list) and given:
        choices = [json.dumps(v, sort_keys=True) for v in given]
        if len(set(choices)) < len(choices):
            raise InputError(f"space: {name} is {given!r}, which holds a choice twice; keep one.")
        return CategoricalDistribution(choices)
    if not isinstance(given, Mapping) or not {"low", "high"} <= given.keys():
        raise InputError(f"space: {name} is {given!r}; give a list of choices, or {{'low': A, 'high': B}}.")
    for part in given:
        choose(f"space: {name}", part, ("low", "high", "log", "int", "step"))
    kinds = get_args(hint) or (hint,)
    is_int = given.get("int", int in kinds and float not in kinds)
    ends = {k: v for k, v in given.items() if k in ("low", "high", "step") and v is not None}
    sound = all(
        type(v) is int or (type(v) is float and math.isfinite(v) and not is_int) for v in ends.values()
    )
    if not sound or not ends["low"] < ends["high"] or not {given.get("log", False), is_int} <= {True, False}:
        what = "whole numbers" if is_int else "numbers"
        raise InputError(f"space: {name} is {given!r}; low, high and step are {what}, low below high.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a step that does not divide the range, which it would shorten
            return (IntDistribution if is_int else FloatDistribution)(**ends, log=given.get("log", False))
    except (ValueError, UserWarning) as error:
        raise InputError(f"space: {name} is {given!r}: {' '.join(str(error).split())}") from error


def _told(axes: Mapping[str, Any]) -> dict[str, str]:
    from optuna.distributions import distribution_to_json

    return {name: distribution_to_json(axis) for name, axis in axes.items()}


def _digest(data: MultimodalData) -> str:
    """Return a hash of the rows, their labels among them."""
    tensors = [
        {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in part.items()}
        for part in (data.x, data.mask)
    ]
    told = repr([(k, v.tolist()) for k, v in data.labels.items()]) + configuration.data_digest(*tensors)
    return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class _Search:
    """What all trials have in common; test rows are not among it."""

    out: Path
    train: MultimodalData
    label: str
    goal: str
    seed: int
    method: str
    params: Mapping[str, Any]

    def estimator(self, chosen: Mapping[str, Any]) -> Counterpoint:
        """Return the unfitted estimator of some options."""
        inner = {k.partition(".")[2]: v for k, v in chosen.items() if "." in k}
        options = {**(self.params.get("options") or {}), **inner} or None
        own = {k: v for k, v in chosen.items() if "." not in k}
        return Counterpoint(
            **{**self.params, **own, "method": self.method, "seed": self.seed, "options": options}
        )

    @cached_property
    def rows(self) -> tuple[MultimodalData, MultimodalData]:
        """What trials are fitted on, and what they are evaluated on; a validation loss has its own rows."""
        if self.goal == "validation":
            return self.train, self.train
        return hold_out(self.train, 0.25, self.label, derive(self.seed, "tune"))

    @cached_property
    def inner(self) -> Task:
        """The task of a trial, on training rows alone."""
        return task(*self.rows, self.label, cache=self.out / "oracles")

    def check(self, axes: Mapping[str, Any]) -> None:
        """Refuse what cannot be fitted: every choice and both ends of a range, beside the first of others."""
        network = self.params.get("network", "")
        if isinstance(network, Mapping) and not all(isinstance(kind, str) for kind in network.values()):
            raise InputError("network holds modules, which one trial would hand to the next; give kinds.")
        if self.goal == "coherence" and len(self.train.names) < 2:
            raise InputError("goal is 'coherence', and there is one modality; take goal='probe'.")
        ends = {k: [v.low, v.high] if hasattr(v, "low") else _parsed(v.choices) for k, v in axes.items()}
        first = {k: v[0] for k, v in ends.items()}
        for chosen in [{**first, k: value} for k, values in ends.items() for value in values]:
            estimator, fitted = self.estimator(chosen), self.rows[0]
            options = estimator._options(len(fitted))
            if self.goal == "validation" and not options.validation:
                raise InputError("goal is 'validation', and validation=0 keeps no rows for it; give a share.")
            split(len(fitted), options.validation, self.seed)
            estimator._model(estimator._prepare(fitted))

    def trial(self, number: int, chosen: Mapping[str, Any]) -> tuple[float | None, str, float]:
        """Fit and evaluate one trial; return its value, or why it has none, and the seconds it took."""
        folder, started = self.out / f"trial-{number}", time.perf_counter()
        estimator = self.estimator(chosen)
        try:
            estimator.fit(self.rows[0], run=folder)
        except (TrainingDivergedError, InputError) as error:  # the latter of options that do not go together
            return None, str(error), time.perf_counter() - started
        headline, scores = GOALS[self.goal][0], {}
        if self.goal == "validation":
            history, best = estimator.history_, estimator.best_epoch_
            value = next(row[headline] for row in history if row["epoch"] == best)
        else:
            found = evaluate(estimator, self.inner, measures=self.goal, seed=self.seed)
            value, scores = found.summary[headline], found.to_dict()
        note = {"goal": self.goal, "value": value, "rows": "validation"}
        runs.add_scores(folder, {**scores, "tuning": note})
        took = time.perf_counter() - started
        return (value, "", took) if math.isfinite(value) else (None, f"{self.goal} is {value}.", took)

    def test(self, best: Mapping[str, Any], on: Task, test: int | float) -> dict[str, float]:
        """Fit a trial's options on all training rows and evaluate them on the test rows, into a run."""
        folder, estimator = self.out / "best", self.estimator(best["params"])
        if finished(folder, estimator, Rows(self.train)):
            estimator = runs.load(folder, device=estimator.device)
        else:
            estimator.fit(self.train, run=folder, overwrite=True)
        found = evaluate(estimator, on, seed=self.seed, show=True)
        cut = {"test": test, "label": self.label, "seed": 0}  # by which `evaluate` finds the same test rows
        note = {"goal": self.goal, "value": best["value"], "trial": best["number"], "rows": "test"}
        runs.add_scores(folder, {**found.to_dict(), "split": cut, "tuning": note}, found.exhibits)
        return found.summary


def _run(
    search: _Search,
    study: Any,
    axes: Mapping[str, Any],
    trials: int,
    workers: int,
    each: Callable[[dict[str, Any]], None] | None,
) -> None:
    """Ask for trials and tell what became of them, until there are enough; no other process writes."""
    _ = search.inner if search.goal != "validation" else None  # its oracles are made once, for all processes

    def tell(trial: Any, outcome: tuple[float | None, str, float]) -> None:
        value, reason, seconds = outcome
        with _quiet():
            trial.set_user_attr("seconds", seconds)
            if value is None:
                trial.set_user_attr("reason", reason)
            _close(study, trial.number, value)
        if each is not None:
            each(_row(study.get_trials()[trial.number]))

    count = sum(map(_counts, study.get_trials()))
    if workers == 1:
        for place in range(count, trials):
            trial = _ask(study, axes, search.seed, place)
            tell(trial, search.trial(trial.number, _chosen(trial.params)))
        return
    alike = replace(search)  # without what is cached: it would be sent along
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread, (alike,)) as pool:
        running: dict[Future[Any], Any] = {}
        try:
            while count < trials or running:
                while count < trials and len(running) < workers:
                    trial = _ask(study, axes, search.seed, count)
                    running[pool.submit(_trial, trial.number, _chosen(trial.params))] = trial
                    count += 1
                for future in sorted(
                    wait(running, return_when=FIRST_COMPLETED).done, key=lambda f: running[f].number
                ):
                    tell(running.pop(future), future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_here: list[_Search] = []  # of a worker process: what it works on


def _one_thread(search: _Search) -> None:
    torch.set_num_threads(1)
    _here[:] = [search]


def _trial(number: int, chosen: Mapping[str, Any]) -> tuple[float | None, str, float]:
    return _here[0].trial(number, chosen)


def _study(out: Path, asked: Mapping[str, Any], more: bool) -> Any:
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
    with _quiet():
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
                _close(study, trial.number, None)
    return study


def _ask(study: Any, axes: Mapping[str, Any], seed: int, place: int) -> Any:
    """Return the trial to be made at a place of the search.

    A fresh sampler each time, seeded by the place: what is proposed follows from the finished trials alone,
    so a search that was interrupted goes on as if it had not been.
    """
    from optuna.samplers import TPESampler

    with _quiet():
        study.sampler = TPESampler(seed=derive(seed, "trial", place) % 2**32, constant_liar=True)
        return study.ask(dict(axes))


def _close(study: Any, number: int, value: float | None) -> None:
    from optuna.trial import TrialState

    study.tell(number, value, state=TrialState.FAIL if value is None else TrialState.COMPLETE)


def _counts(trial: Any) -> bool:
    """Return whether a trial came to its end, by itself."""
    return trial.value is not None or "reason" in trial.user_attrs


def _parsed(choices: Iterable[Any]) -> list[Any]:
    return [json.loads(v) if isinstance(v, str) else v for v in choices]


def _chosen(params: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip(params, _parsed(params.values()), strict=True))


def _row(trial: Any) -> dict[str, Any]:
    """Return a trial as a row of the table."""
    row = {"number": trial.number, "params": _chosen(trial.params), "value": trial.value}
    row |= {"state": "failed" if trial.value is None else "finished"}
    row |= {"seconds": trial.user_attrs.get("seconds")}
    stopped = "" if trial.value is not None else "it was stopped before its end."
    return {**row, "reason": trial.user_attrs.get("reason", stopped)}


@contextmanager
def _quiet() -> Iterator[None]:
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
def _alone(folder: Path) -> Iterator[None]:
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
