"""Several methods on the same rows with the same networks: one table, seeds as mean and spread."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from counterpoint import atomic, runs
from counterpoint.building import new_model, prepare, train_options
from counterpoint.data import MultimodalData, read
from counterpoint.data.multimodal import check_names
from counterpoint.errors import InputError, choose, whole
from counterpoint.estimator import Counterpoint
from counterpoint.evaluate import Evaluation, evaluate
from counterpoint.evaluation.shuffles import shuffled_pairs
from counterpoint.evaluation.tables import Column, Row, collect, table_cells, to_markdown
from counterpoint.manifest import as_json
from counterpoint.many import Rows, finished
from counterpoint.measures.listed import PAPER
from counterpoint.methods import METHODS
from counterpoint.protocol import Task, hold_out, label_of, task

CONTROL = "pairing shuffled"
COLUMNS = (
    Column("accuracy", "probe accuracy"),
    Column("coherence", "coherence"),
    Column("reconstruction", "reconstruction", 1),
    Column("self_reconstruction", "self-reconstr.", 1),
    Column("rate", "rate", 1),
    Column("seconds", "fit s", 1),
)


@dataclass(frozen=True)
class Comparison:
    """The results of `compare`.

    Args:
        task: Rows, labels, oracles and raw probes.
        evaluations: method -> one evaluation a seed.
        seeds: The seeds, in the order of the evaluations.
        estimators: method -> the estimator of the first seed.
        control: One evaluation a seed of the control: a method fitted on shuffled pairs.
        controlled: The method of the control.
    """

    task: Task
    evaluations: Mapping[str, Sequence[Evaluation]]
    seeds: Sequence[int]
    estimators: Mapping[str, Counterpoint]
    control: Sequence[Evaluation] = ()
    controlled: str = ""

    @property
    def rows(self) -> list[Row]:
        """One row a method with mean and spread over seeds, then what knows nothing, or one thing only."""
        scores = {k: [dict(e.summary) for e in v] for k, v in self.evaluations.items()}
        if self.control:
            scores[f"{self.controlled}, {CONTROL}"] = [e.summary for e in self.control]
        shown = self.evaluations.get(self.controlled) or next(iter(self.evaluations.values()))
        for null in dict.fromkeys(name for e in shown for name in e.nulls):
            scores[null] = [e.nulls[null] for e in shown if null in e.nulls]
        return collect(scores)

    def cells(self) -> list[list[str]]:
        """The table as text, the header first."""
        return table_cells(self.rows, _shown(self.rows))

    def to_markdown(self) -> str:
        """The table in markdown."""
        return to_markdown(self.rows, _shown(self.rows))

    def to_dict(self) -> dict[str, Any]:
        """Every evaluation as JSON holds it."""
        return {
            "seeds": list(self.seeds),
            "train_rows": len(self.task.train),
            "test_rows": len(self.task.test),
            "methods": {k: [e.to_dict() for e in v] for k, v in self.evaluations.items()},
            "control": [e.to_dict() for e in self.control],
            "fit_seconds": {k: [e.seconds for e in v] for k, v in self.evaluations.items()},
        }


def _shown(rows: Sequence[Row]) -> list[Column]:
    """Return the columns that the measures asked for can fill."""
    return [column for column in COLUMNS if any(column.key in row.cells for row in rows)]


def compare(
    data: Any,
    methods: Sequence[str] = tuple(METHODS),
    *,
    label: str | None = None,
    test: int | float = 0.25,
    test_data: Any = None,
    seeds: int | Sequence[int] = 3,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    out: str | Path | None = None,
    split_seed: int = 0,
    workers: int = 1,
    probe_size: int | None = None,
    measures: Sequence[str] | str = PAPER,
    control: bool = True,
    each: Callable[[str, int, Evaluation], None] | None = None,
    **params: Any,
) -> Comparison:
    """Fit several methods on the same training rows and evaluate them on the same test rows.

    Args:
        data: Rows with labels.
        methods: Names in `METHODS`.
        label: Which label; needed if the data have several.
        test: Number or share of test rows, stratified by the label.
        test_data: Test rows of their own, instead of `test`.
        seeds: How many, counted from 0, or which.
        options: method -> its options.
        out: A folder: one run directory per method and seed goes in; finished runs are loaded, not fitted
            again.
        split_seed: Of the split into training and test rows, the same for every seed.
        workers: Processes that fit side by side, one thread each; more than one needs `out`.
        probe_size: Training rows of every probe, at most; all unless given.
        measures: See `evaluate`.
        control: Fit one method on shuffled pairs too (mmvm, or the first): what it reaches, the pairing did
            not teach.
        each: Called after every evaluation with method, seed and evaluation.
        **params: Arguments of `Counterpoint`, the same for all.

    Raises:
        InputError: If a method or an argument is unknown, or the data have no label.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = np.repeat([0, 1], 40)
        >>> x = y[:, None] + rng.normal(size=(80, 3))
        >>> source = read({"a": x, "b": -x}, labels={"kind": y})
        >>> found = compare(source, ["mmvm", "independent"], seeds=2, epochs=2, latent_dim=2)
        >>> [row[0] for row in found.cells()][1:5]
        ['mmvm', 'independent', 'mmvm, pairing shuffled', 'chance']
    """
    methods = check_names("methods", (methods,) if isinstance(methods, str) else methods, METHODS)
    for name in options or {}:
        choose("options: method", name, methods)
    chosen, source = _seeds(seeds), read(data)
    if whole("workers", workers) > 1 and out is None:
        raise InputError(
            f"workers is {workers} without a folder for their runs; give out=FOLDER, or workers=1."
        )
    for name in methods:  # refuse what cannot be, before anything is trained
        train_options(estimator_for(name, 0, options, params), len(source))
    key = label_of(source, label)
    train, held = (
        (source, read(test_data)) if test_data is not None else hold_out(source, test, key, split_seed)
    )
    for name in methods:  # and what cannot be built
        estimator = estimator_for(name, 0, options, params)
        new_model(estimator, prepare(estimator, train))
    controlled = "mmvm" if "mmvm" in methods else methods[0]
    plan = _plan(methods, chosen, controlled if control and len(train.names) > 1 else None, out)
    on = task(train, held, key, seed=split_seed, probe_size=probe_size, cache=out and Path(out) / "oracles")
    made = [(p, estimator_for(p.method, p.seed, options, params)) for p in plan]
    if workers > 1:
        _fit_beside(workers, made, train, out)
    evaluations: dict[str, list[Evaluation]] = {}
    estimators: dict[str, Counterpoint] = {}
    for planned, estimator in made:
        fitted, seconds = _fitted(planned, estimator, train, out)
        show = out is not None and planned.seed == chosen[0]
        result = evaluate(fitted, on, measures=measures, seed=planned.seed, seconds=seconds, show=show)
        _keep(planned, result, out)
        evaluations.setdefault(planned.title, []).append(result)
        estimators.setdefault(planned.title, fitted)
        if each is not None:
            each(planned.title, planned.seed, result)
    controls = evaluations.pop(f"{controlled}, {CONTROL}", [])
    estimators.pop(f"{controlled}, {CONTROL}", None)
    found = Comparison(on, evaluations, chosen, estimators, controls, controlled)
    if out is not None:
        atomic.write(Path(out) / "comparison.md", found.to_markdown() + "\n")
        atomic.write(Path(out) / "comparison.json", as_json(found.to_dict()))
    return found


@dataclass(frozen=True)
class _Planned:
    """One fit: of a method with a seed, on the rows as they are or, as a control, on shuffled pairs."""

    method: str
    seed: int
    control: bool = False

    @property
    def title(self) -> str:
        return f"{self.method}, {CONTROL}" if self.control else self.method

    def folder(self, out: str | Path) -> Path:
        return Path(out) / f"{self.method}-{self.seed}{'-shuffled' if self.control else ''}"

    def rows(self, train: MultimodalData) -> MultimodalData:
        return shuffle_pairs(train, self.seed) if self.control else train


def _plan(
    methods: Sequence[str], seeds: Sequence[int], controlled: str | None, out: str | Path | None
) -> list[_Planned]:
    """Return what is fitted, the controls last; refuse folders that cannot be written to."""
    plan = [_Planned(name, seed) for name in methods for seed in seeds]
    if controlled is not None:
        plan += [_Planned(controlled, seed, True) for seed in seeds]
    if out is not None:
        for planned in plan:
            runs.check_folder(planned.folder(out), overwrite=True)
    return plan


def _keep(planned: _Planned, result: Evaluation, out: str | Path | None) -> None:
    """Write an evaluation into its run."""
    if out is not None:
        note = {"control": CONTROL} if planned.control else {}
        runs.add_scores(planned.folder(out), {**result.to_dict(), **note}, result.exhibits or None)


def shuffle_pairs(data: MultimodalData, seed: int) -> MultimodalData:
    """Return the same rows with every modality but the first in another order: nothing ties them any more.

    Labels stay with the first modality.

    Example:
        >>> import numpy as np
        >>> x = np.arange(5.0)[:, None]
        >>> shuffled = shuffle_pairs(read({"a": x, "b": x}), seed=0)
        >>> bool((shuffled.x["a"] == x).all()), bool((shuffled.x["b"] != x).all())
        (True, True)
    """
    order = shuffled_pairs(len(data), data.names, seed)
    x = {name: data.x[name][order[name]] for name in data.names}
    return replace(data, x=x, mask={name: data.mask[name][order[name]] for name in data.names})


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds, each once."""
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        return list(range(whole("seeds", seeds)))
    chosen = [whole("seed", s, least=0) for s in seeds]
    if not chosen:
        raise InputError("seeds is empty; give how many, such as seeds=3, or which, such as seeds=[0, 1, 2].")
    twice = [s for s in chosen if chosen.count(s) > 1]
    if twice:
        raise InputError(f"seeds names {twice[0]} twice; a spread needs different seeds.")
    return chosen


def estimator_for(
    name: str, seed: int, options: Mapping[str, Mapping[str, Any]] | None, params: Mapping[str, Any]
) -> Counterpoint:
    """Return an unfitted estimator of one method, its arguments checked by name."""
    allowed = Counterpoint().get_params(deep=False)
    for key in params:
        choose("argument", key, allowed)
        if key in ("method", "seed"):
            raise InputError(f"{key!r} came as an argument for all; give {key}s=...: it differs by fit.")
    return Counterpoint(**{**params, "method": name, "seed": seed, "options": (options or {}).get(name)})


def _fitted(
    planned: _Planned, estimator: Counterpoint, train: MultimodalData, out: str | Path | None
) -> tuple[Counterpoint, float]:
    """Fit, or load the finished run of the same configuration; return the training seconds too."""
    rows = planned.rows(train)
    if out is None:
        estimator.fit(rows)
    else:
        folder = planned.folder(out)
        if finished(folder, estimator, Rows(rows)):
            loaded = runs.load(folder)
            return loaded, sum(row["seconds"] for row in loaded.history_)
        estimator.fit(rows, run=folder, overwrite=True)
    return estimator, sum(row["seconds"] for row in estimator.history_)


def _fit_beside(
    workers: int,
    made: Sequence[tuple[_Planned, Counterpoint]],
    train: MultimodalData,
    out: str | Path | None,
) -> None:
    """Fit in processes of one thread each; every run goes into its own directory."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for done in [pool.submit(_fitted, p, e, train, out) for p, e in made]:
            done.result()


def _one_thread() -> None:
    torch.set_num_threads(1)
