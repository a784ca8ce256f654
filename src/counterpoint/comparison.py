"""Several methods on the same rows with the same networks: one table, seeds as mean and spread."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoint import atomic, configuration, runs
from counterpoint.data import MultimodalData, read
from counterpoint.data.multimodal import check_names
from counterpoint.errors import InputError, choose, whole
from counterpoint.estimator import Counterpoint
from counterpoint.evaluate import Evaluation, Task, evaluate, label_of, task
from counterpoint.evaluation import checks
from counterpoint.evaluation.fitting import stratified
from counterpoint.evaluation.tables import Column, Row, collect, table_cells, to_markdown
from counterpoint.methods import METHODS

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
    """

    task: Task
    evaluations: Mapping[str, Sequence[Evaluation]]
    seeds: Sequence[int]
    estimators: Mapping[str, Counterpoint]

    @property
    def rows(self) -> list[Row]:
        """One row a method with mean and spread over seeds, then the raw features and chance."""
        scores: dict[str, list[dict[str, float]]] = {
            k: [e.summary for e in v] for k, v in self.evaluations.items()
        }
        first = next(iter(self.evaluations.values()))[0]
        oracle = float(np.nanmean([o.accuracy for o in self.task.oracles.values()]))
        scores["raw features"] = [{"accuracy": first.summary["raw"], "coherence": oracle}]
        scores["chance"] = [{"accuracy": first.summary["chance"]}]
        return collect(scores)

    def cells(self) -> list[list[str]]:
        """The table as text, the header first."""
        return table_cells(self.rows, COLUMNS)

    def to_markdown(self) -> str:
        """The table in markdown."""
        return to_markdown(self.rows, COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """Every evaluation as JSON holds it."""
        return {
            "seeds": list(self.seeds),
            "train_rows": len(self.task.train),
            "test_rows": len(self.task.test),
            "methods": {k: [e.to_dict() for e in v] for k, v in self.evaluations.items()},
        }


def hold_out(
    data: MultimodalData, test: int | float, label: str, seed: int = 0
) -> tuple[MultimodalData, MultimodalData]:
    """Split rows into training and test rows, stratified by a label.

    Args:
        data: The rows.
        test: Number of test rows, or their share.
        label: Name of the label.
        seed: Of the split.

    Raises:
        InputError: If that leaves no training or no test row.
    """
    share = isinstance(test, float) and not test.is_integer()
    count = (
        (round(len(data) * test) if 0 < test < 1 else -1)
        if share
        else whole("test", int(test) if isinstance(test, float) else test)
    )
    if not 0 < count < len(data):
        raise InputError(
            f"test is {test} of {len(data)} rows; give a number of rows below that, or a share between 0 and "
            "1."
        )
    y = checks.labels(f"label {label!r}", data.labels[choose("label", label, data.labels)])
    if count < len(checks.classes(f"label {label!r}", y)):
        raise InputError(
            f"test is {test}, which makes {count} rows for the {len(np.unique(y))} classes of {label!r}; "
            "give one row a class."
        )
    held = np.zeros(len(data), dtype=bool)
    held[stratified(y, count, seed)] = True
    return data[~held], data[held]


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
        each: Called after every evaluation with method, seed and evaluation.
        **params: Arguments of `Counterpoint`, the same for all.

    Raises:
        InputError: If a method or an argument is unknown, or the data have no label.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = np.repeat([0, 1], 40)
        >>> x = y[:, None] + rng.normal(size=(80, 3))
        >>> source = read({"a": x, "b": -x}, labels={"kind": y})
        >>> found = compare(source, ["mmvm", "independent"], seeds=2, epochs=2, latent_dim=2)
        >>> [row[0] for row in found.cells()][1:]
        ['mmvm', 'independent', 'raw features', 'chance']
    """
    methods = check_names("methods", (methods,) if isinstance(methods, str) else methods, METHODS)
    for name in options or {}:
        choose("options: method", name, methods)
    chosen = _seeds(seeds)
    if whole("workers", workers) > 1 and out is None:
        raise InputError(
            f"workers is {workers} without a folder for their runs; give out=FOLDER, or workers=1."
        )
    source = read(data)
    for name in methods:  # refuse what cannot be, before anything is trained
        estimator_for(name, 0, options, params)._options(len(source))
    key = label_of(source, label)
    train, held = (
        (source, read(test_data)) if test_data is not None else hold_out(source, test, key, split_seed)
    )
    for name in methods:  # and what cannot be built
        estimator = estimator_for(name, 0, options, params)
        estimator._model(estimator._prepare(train))
    on = task(train, held, key, seed=split_seed, probe_size=probe_size)
    wanted = [(name, seed) for name in methods for seed in chosen]
    if workers > 1:
        _fit_beside(workers, [estimator_for(n, s, options, params) for n, s in wanted], train, out)
    evaluations: dict[str, list[Evaluation]] = {}
    estimators: dict[str, Counterpoint] = {}
    for name, seed in wanted:
        fitted, seconds = _fitted(estimator_for(name, seed, options, params), train, out)
        result = evaluate(fitted, on, seed=seed, seconds=seconds)
        if out is not None:
            runs.add_scores(_folder(out, name, seed), result.to_dict())
        evaluations.setdefault(name, []).append(result)
        estimators.setdefault(name, fitted)
        if each is not None:
            each(name, seed, result)
    found = Comparison(on, evaluations, chosen, estimators)
    if out is not None:
        atomic.write(Path(out) / "comparison.md", found.to_markdown() + "\n")
        atomic.write(Path(out) / "comparison.json", runs.as_json(found.to_dict()))
    return found


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
            raise InputError(
                f"{key!r} came as an argument for all; give {key}s=... instead: here it differs from fit to "
                "fit."
            )
    return Counterpoint(**{**params, "method": name, "seed": seed, "options": (options or {}).get(name)})


def _folder(out: str | Path, name: str, seed: int) -> Path:
    return Path(out) / f"{name}-{seed}"


def _fitted(
    estimator: Counterpoint, train: MultimodalData, out: str | Path | None
) -> tuple[Counterpoint, float]:
    """Fit, or load the finished run of the same configuration; return the training seconds too."""
    if out is None:
        estimator.fit(train)
    else:
        folder = _folder(out, estimator.method, estimator.seed)
        config = folder / "config.yaml"
        same = config.exists() and config.read_text() == configuration.config_text(estimator)
        if same and (folder / runs.MANIFEST).exists():
            loaded = runs.load(folder)
            if loaded.data_summary_["fingerprint"] == estimator.fingerprint(train):
                estimator = loaded
                return estimator, sum(row["seconds"] for row in estimator.history_)
        estimator.fit(train, run=folder, overwrite=True)
    return estimator, sum(row["seconds"] for row in estimator.history_)


def _fit_beside(
    workers: int, estimators: Sequence[Counterpoint], train: MultimodalData, out: str | Path | None
) -> None:
    """Fit in processes of one thread each; every run goes into its own directory."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for done in [pool.submit(_fitted, e, train, out) for e in estimators]:
            done.result()


def _one_thread() -> None:
    torch.set_num_threads(1)
