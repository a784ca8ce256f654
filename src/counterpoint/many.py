"""Many fits on the same rows: those of one build train in stacks, and each becomes an ordinary run."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from counterpoint import configuration, runs
from counterpoint.asking import prepared_batch
from counterpoint.batch import Batch
from counterpoint.building import chosen_method, new_model, prepare, train_options, training_rows
from counterpoint.data import MultimodalData, Preparation
from counterpoint.data.categories import names_of
from counterpoint.errors import InputError, whole
from counterpoint.estimator import Counterpoint
from counterpoint.manifest import MANIFEST
from counterpoint.training.checkpoint import Checkpoint, held
from counterpoint.training.executor import Measured, measure
from counterpoint.training.options import OWN
from counterpoint.training.pairs import codes_of
from counterpoint.training.population import Population

# Arguments that do not decide with whom a model can share a stack; beta and the like are in the method.
_NOT_BUILD = {*OWN, "seed", "beta", "options", "verbose"}


def build_key(estimator: Counterpoint, rows: int) -> str:
    """Return a text that is equal for estimators whose models can train in one stack.

    Example:
        >>> a, b = Counterpoint("mmvm", beta=0.5, seed=1), Counterpoint("mmvm", beta=2.0, learning_rate=0.01)
        >>> build_key(a, 100) == build_key(b, 100), build_key(a, 100) == build_key(Counterpoint("poe"), 100)
        (True, False)
    """
    given = estimator.get_params(deep=False)
    rest = {k: repr(v) for k, v in given.items() if k not in _NOT_BUILD}
    rest["batch_size"] = str(train_options(estimator, rows).batch_size)
    return json.dumps({**rest, "method": repr(chosen_method(estimator).build)}, sort_keys=True)


@dataclass
class Rows:
    """Training rows, prepared once for all estimators that want them alike.

    Args:
        data: The rows.
    """

    data: MultimodalData
    _known: dict[str, tuple[Preparation, Batch, str]] = field(default_factory=dict, repr=False)

    def prepared(self, estimator: Counterpoint) -> tuple[Preparation, Batch, str]:
        """Return preparation, batch and digest of the rows as an estimator reads them."""
        dtype = train_options(estimator, len(self.data)).dtype
        how = (estimator.likelihood, estimator.standardise, estimator.constant, dtype, estimator.device)
        key = repr((*how, estimator.target, names_of(estimator.batch)))
        if key not in self._known:
            data = training_rows(estimator, self.data)
            fitted = prepare(estimator, data)
            batch = prepared_batch(data, fitted, dtype, estimator.device, keep_bytes=True)
            ties = codes_of(data.pairs), codes_of(data.blocks), batch.covariates
            self._known[key] = fitted, batch, configuration.data_digest(batch.x, batch.mask, *ties)
        return self._known[key]

    def fingerprint(self, estimator: Counterpoint) -> str:
        """Return a hash of an estimator's configuration and of the rows as its model reads them."""
        return configuration.fingerprint(estimator, self.prepared(estimator)[2])


def finished(run: Path, estimator: Counterpoint, rows: Rows) -> bool:
    """Return whether a directory holds the finished run of this configuration on these rows."""
    config = run / "config.yaml"
    if not (run / MANIFEST).exists() or config.read_text() != configuration.config_text(estimator):
        return False
    card = runs.read_card(run / "data_card.json")
    return card["training"].get("fingerprint") == rows.fingerprint(estimator)


def measure_stack(estimator: Counterpoint, rows: Rows, most: int, *, only: int | None = None) -> Measured:
    """Measure how many models like this one train best together: see `training.executor`.

    Args:
        estimator: One of them.
        rows: What they are trained on.
        most: How many there are.
        only: Measure this size alone.
    """
    prepared, batch, _ = rows.prepared(estimator)
    options = train_options(estimator, len(rows.data))

    def build(size: int) -> Population:
        models = [new_model(estimator, prepared) for _ in range(size)]
        return Population(models, batch.x, batch.mask, options, range(size), **_beside(rows.data, batch))

    return measure(build, most, only=only)


def _beside(data: MultimodalData, batch: Batch) -> dict[str, Any]:
    """Return what a trainer is told of rows beside their values."""
    codes, blocks = codes_of(data.pairs), codes_of(data.blocks)
    return {"codes": codes, "blocks": blocks, "covariates": batch.covariates}


def fit_many(
    estimators: Sequence[Counterpoint],
    rows: Rows,
    folders: Sequence[Path] | None = None,
    *,
    stack: int | str = "auto",
    keep: Path | None = None,
    checkpoint_seconds: float = 20.0,
    each_epoch: Callable[[Population], None] | None = None,
    each_done: Callable[[int, str | None], None] | None = None,
) -> list[str | None]:
    """Fit estimators on the same rows, in stacks of one build.

    What each becomes depends on its stack by no more than rounding (in float32 the last bit of a sum can
    depend on where in memory it is taken), and not at all on interruptions.

    Args:
        estimators: Unfitted; afterwards each is fitted, unless it diverged or its run was there already.
        rows: The training rows.
        folders: A run directory each; finished runs of the same configuration and rows are left alone.
        stack: Models in a stack at most, or `"auto"`: as many as is fastest here.
        keep: A folder for checkpoints; what it holds of these estimators is taken up. None keeps none.
        checkpoint_seconds: Least time between checkpoints.
        each_epoch: Called with the population after every epoch.
        each_done: Called with the place of an estimator, once fitted (and saved), and why it failed, or None.

    Returns:
        For every estimator why it failed, or None.

    Raises:
        InputError: If something cannot be fitted at all; before any training.
    """
    if stack != "auto":
        whole("stack", stack)
    if folders is not None and len(folders) != len(estimators):
        raise InputError(f"{len(estimators)} estimators came with {len(folders)} folders; give one each.")
    groups: dict[str, list[int]] = {}
    for i, estimator in enumerate(estimators):
        groups.setdefault(build_key(estimator, len(rows.data)), []).append(i)
    errors: list[str | None] = [None] * len(estimators)

    def done(i: int, error: str | None) -> None:
        errors[i] = error
        if error is None and folders is not None:
            runs.save(estimators[i], folders[i])
        if each_done is not None:
            each_done(i, error)

    for places in groups.values():
        size = stack
        if isinstance(size, str):
            size = measure_stack(estimators[places[0]], rows, len(places)).size
        for chunk in stacks_of(places, size):
            there = {i for i in chunk if folders is not None and finished(folders[i], estimators[i], rows)}
            if len(there) < len(chunk):
                members = {i: estimators[i] for i in chunk}
                _fit_stack(members, there, rows, keep, checkpoint_seconds, each_epoch, done)
    return errors


def stacks_of(places: Sequence[Any], size: int) -> list[list[Any]]:
    """Cut into as few parts as sizes of at most `size` allow, as even as can be.

    Example:
        >>> stacks_of("abcdefg", 3)
        [['a', 'b', 'c'], ['d', 'e'], ['f', 'g']]
    """
    parts = -(-len(places) // size)
    least, more = divmod(len(places), parts)
    ends = [0]
    for part in range(parts):
        ends.append(ends[-1] + least + (part < more))
    return [list(places[a:b]) for a, b in pairwise(ends)]


def _fit_stack(
    chosen: Mapping[int, Counterpoint],
    there: Collection[int],
    rows: Rows,
    keep: Path | None,
    seconds: float,
    each_epoch: Callable[[Population], None] | None,
    done: Callable[[int, str | None], None],
) -> None:
    """Fit one stack, from its checkpoint if there is one.

    Runs that are there already (the stack was killed after they had stopped) train along from the checkpoint
    on if it is older than they are, so that the others see the stack that they would have seen.
    """
    prepared, batch, digest = rows.prepared(next(iter(chosen.values())))
    prints = {i: configuration.fingerprint(e, digest) for i, e in chosen.items()}
    kept = None
    if keep is not None:
        name = hashlib.sha256("".join(prints.values()).encode()).hexdigest()[:16]
        kept = keep / f"stack-{name}.safetensors"
        if kept.exists():
            running = set(held(kept))
            chosen = {i: e for i, e in chosen.items() if prints[i] in running}
    places, members = list(chosen), list(chosen.values())
    models: list[Any] = [new_model(member, prepared) for member in members]
    options = [train_options(member, len(rows.data)) for member in members]
    together = len(prints) > 1
    seeds = [member.seed for member in members]
    beside = _beside(rows.data, batch)
    population = Population(models, batch.x, batch.mask, options, seeds, stacked=together, **beside)
    keeper = None
    if kept is not None:
        keeper = Checkpoint(kept, [prints[i] for i in places], seconds)
        if kept.exists():
            keeper.restore(population)

    def after(p: Population) -> None:
        if keeper is not None:
            keeper.after_epoch(p)
        if each_epoch is not None:
            each_epoch(p)

    def stopped(p: Population, e: int) -> None:
        if places[e] in there:
            return
        if p.progress[e].error is None:
            members[e]._summarise(rows.data, digest)
            members[e]._fitted(p, e, prepared)
        done(places[e], p.progress[e].error)

    try:
        population.run(after, stopped)
    except KeyboardInterrupt as stop:
        if keeper is not None:
            keeper.interrupted(population, stop)
        raise
    if keeper is not None:
        keeper.remove()
