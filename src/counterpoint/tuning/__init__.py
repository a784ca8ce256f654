"""Adaptive search over hyperparameters: chosen on validation rows, tested once on rows never tuned on."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint import atomic, configuration, runs
from counterpoint.building import new_model, prepare, train_options
from counterpoint.data import MultimodalData, read
from counterpoint.errors import InputError, TrainingDivergedError, whole
from counterpoint.estimator import Counterpoint
from counterpoint.evaluate import evaluate
from counterpoint.manifest import as_json
from counterpoint.many import Rows, finished
from counterpoint.measures.listed import PAPER
from counterpoint.protocol import Task, hold_out, label_of, task
from counterpoint.seeds import derive
from counterpoint.training.options import split
from counterpoint.training.pairs import codes_of
from counterpoint.tuning.space import GOALS, axes_of, parsed, told_of
from counterpoint.tuning.study import alone, ask, close, counts, open_study, options_of, quiet, row_of

__all__ = ["GOALS", "Tuning", "tune"]


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
        goal: `"validation"`, `"reconstruction"` (least); `"probe"`, `"coherence"`, `"prediction"` (most).
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
    axes = axes_of(space, method, goal, params)
    source = read(data)
    key = label_of(source, label)
    train, held = hold_out(source, test, key)
    search = _Search(Path(out).absolute(), train, key, goal, whole("seed", seed, 0), method, params)
    search.check(axes)
    asked = {"space": told_of(axes), "goal": goal, "method": method, "label": key, "test": test, "seed": seed}
    asked |= {"options": configuration.config_text(search.estimator({})), "data": _digest(source)}
    asked = configuration._plain(asked)
    with alone(search.out):
        study = open_study(search.out, asked, GOALS[goal][1])
        on = task(train, held, key, cache=search.out / "oracles")
        try:
            _run(search, study, axes, trials, workers, each)
        except KeyboardInterrupt as stop:  # the fit's own advice is of a single run
            stop.__notes__ = [f"stopped; {search.out} keeps the trials, and the same call goes on with them"]
            raise
        table = [row_of(t) for t in study.get_trials()]
        done = [row for row in table if row["value"] is not None]
        if not done:
            raise InputError(f"all trials failed, the last so: {table[-1]['reason']} Change the space.")
        best = min(done, key=lambda row: row["value"] * (-1 if GOALS[goal][1] else 1))
        scores = search.test(best, on, test)
        found = Tuning(goal, best["params"], best["value"], search.out / "best", table, scores)
        told = {**asdict(found), "best_run": "best", "best_trial": best["number"], "asked": asked}
        atomic.write(search.out / "tuning.json", as_json(told))
    return found


def _digest(data: MultimodalData) -> str:
    """Return a hash of the rows, their labels and what ties them to one another among them."""
    parts = (data.x, data.mask)
    x, mask = ({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in p.items()} for p in parts)
    told = repr([(k, v.tolist()) for k, v in data.labels.items()])
    told += configuration.data_digest(x, mask, codes_of(data.pairs), codes_of(data.blocks))
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
        if self.goal == "prediction" and not self.params.get("target"):
            raise InputError("goal is 'prediction', and no target is given; fix one: target='label'.")
        ends = {k: [v.low, v.high] if hasattr(v, "low") else parsed(v.choices) for k, v in axes.items()}
        first = {k: v[0] for k, v in ends.items()}
        for chosen in [{**first, k: value} for k, values in ends.items() for value in values]:
            estimator, fitted = self.estimator(chosen), self.rows[0]
            options = train_options(estimator, len(fitted))
            if self.goal == "validation" and not options.validation:
                raise InputError("goal is 'validation', and validation=0 keeps no rows for it; give a share.")
            split(len(fitted), options.validation, self.seed, codes_of(fitted.blocks))
            new_model(estimator, prepare(estimator, fitted))

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
        measures = (*PAPER, "prediction") if self.goal == "prediction" else PAPER
        found = evaluate(estimator, on, measures=measures, seed=self.seed, show=True)
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
        with quiet():
            trial.set_user_attr("seconds", seconds)
            if value is None:
                trial.set_user_attr("reason", reason)
            close(study, trial.number, value)
        if each is not None:
            each(row_of(study.get_trials()[trial.number]))

    count = sum(map(counts, study.get_trials()))
    if workers == 1:
        for place in range(count, trials):
            trial = ask(study, axes, search.seed, place)
            tell(trial, search.trial(trial.number, options_of(trial.params)))
        return
    alike = replace(search)  # without what is cached: it would be sent along
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread, (alike,)) as pool:
        running: dict[Future[Any], Any] = {}
        try:
            while count < trials or running:
                while count < trials and len(running) < workers:
                    trial = ask(study, axes, search.seed, count)
                    running[pool.submit(_trial, trial.number, options_of(trial.params))] = trial
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
