"""Fitting from a source that stays in its file: estimate, preparation, loaders, Lightning, run directory."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from counterpoint import atomic, configuration, forecast, runs
from counterpoint.building import check_ties, chosen_method, new_model, train_options
from counterpoint.data import Preparation
from counterpoint.data.backed import Backed
from counterpoint.data.backed_preparation import prepare_backed
from counterpoint.data.omics_matrices import GIB, half_of_memory
from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE
from counterpoint.training.blocks import Blocks, Chunks, as_batch
from counterpoint.training.bookkeeping import Progress
from counterpoint.training.footprint import SIZES, step_bytes
from counterpoint.training.lightning import fit_stream
from counterpoint.training.options import TrainOptions, split
from counterpoint.training.progress import ProgressLine
from counterpoint.training.shifts import start_shifts

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint

VALIDATION = 4096  # rows at a time, as in memory
VALUES = 2**23  # or fewer, so that a chunk has no more values than these
COPIES = 5  # of the weights: themselves, gradients, Adam's two moments, the best
DENSE = 4  # copies of a step's rows, on their way from the file to the model
LIGHTNING = 0.1 * GIB  # what it takes where it is not loaded yet
INSTEAD = (
    "take a smaller batch_size, fewer features (features_most=...), a smaller network, or a smaller buffer "
    "(memory=GiB)"
)


def fit_backed(
    estimator: "Counterpoint",
    source: Backed,
    *,
    run: str | Path | None = None,
    overwrite: bool = False,
    refused: Mapping[str, Any],
) -> "Counterpoint":
    """Fit an estimator from rows that stay in their file; split, order, noise and options are those of `fit`.

    Args:
        estimator: What to fit.
        source: The data.
        run: A directory to save the run in.
        overwrite: Replace a finished run in that directory.
        refused: Further arguments of `fit`, of which none may be given.

    Raises:
        InputError: If data or options cannot be used, or the memory does not suffice; before any training.
        TrainingDivergedError: If a loss term stops being finite.
    """
    _refuse(estimator, refused)
    options = train_options(estimator, len(source))
    if overwrite and run is None:
        raise InputError("resume or overwrite came without run=DIRECTORY; name the run.")
    folder = None if run is None else runs.check_folder(run, overwrite)
    with runs.held(run):
        return _fit(estimator, source, folder, options)


def _fit(
    estimator: "Counterpoint", source: Backed, folder: Path | None, options: TrainOptions
) -> "Counterpoint":
    """Prepare, train and save, the run directory held."""
    check_ties(source.present(), chosen_method(estimator))
    prepared, digest = prepare_backed(
        source, estimator.likelihood, estimator.standardise, estimator.constant, estimator.batch
    )
    train, held = split(len(source), options.validation, estimator.seed)
    model = new_model(estimator, prepared).to(estimator.device)
    _check_memory(estimator, source, model, prepared, options)
    estimator._summarise(source, digest)
    if folder is not None:
        (folder / runs.MANIFEST).unlink(missing_ok=True)
        atomic.write(folder / "config.yaml", configuration.config_text(estimator))
    chunk, buffer = _chunk(source), source.buffer * GIB
    batches = Blocks(source, prepared, train, options.batch_size, seed=estimator.seed, buffer=buffer)
    validation = Chunks(source, prepared, held, chunk) if len(held) else None
    if prepared.covariates is not None:
        start_shifts([model], Chunks(source, prepared, torch.arange(len(source)), chunk))
    with ProgressLine(estimator.epochs, estimator.verbose) as line:
        progress = fit_stream(
            model, batches, validation, options=options, seed=estimator.seed, each_epoch=line.show
        )
    estimator._fitted(Finished([model], [progress]), 0, prepared)
    if folder is not None:
        estimator.save(folder)
    return estimator


@dataclass(frozen=True)
class Finished:
    """What an estimator takes over from a trainer."""

    models: list[MultimodalVAE]
    progress: list[Progress]


def _chunk(source: Backed) -> int:
    """Return how many rows are validated together."""
    return max(1, min(VALIDATION, VALUES // source.shape[1]))


def _refuse(estimator: "Counterpoint", given: Mapping[str, Any]) -> None:
    """Refuse what needs the rows in memory."""
    asked = {**given, "target": estimator.target, "ema": estimator.ema}
    asked["retries"] = estimator.retries or None
    for name, value in asked.items():
        if value is None or value is False:
            continue
        said = f"is {value!r}" if isinstance(value, (str, int, float)) else "was given"
        raise InputError(
            f"{name} {said}, which a fit from a file (backed=True) does not do; leave it out, or read the "
            "data into memory."
        )


def _check_memory(
    estimator: "Counterpoint",
    source: Backed,
    model: MultimodalVAE,
    prepared: Preparation,
    options: TrainOptions,
) -> None:
    """Say what a fit will take, and refuse one that would not fit."""
    need = memory(source, model, prepared, options)
    forecast.refuse(need, 2 * half_of_memory() if estimator.device == "cpu" else float("inf"), INSTEAD)
    if estimator.verbose:
        said = f"{forecast.in_gib(sum(need.values()))} ({forecast.listed(need)})"
        print(f"{len(source)} rows of {source.shape[1]} values from the file: {said}", file=sys.stderr)


def memory(
    source: Backed, model: MultimodalVAE, prepared: Preparation, options: TrainOptions
) -> dict[str, float]:
    """Return the bytes that a fit from a file takes at most, name of a part -> an estimate.

    The buffer counts twice, since its blocks are put together in it; a step is measured on a few rows, see
    `training.footprint`.
    """
    held = min(round(len(source) * options.validation), _chunk(source))
    few = as_batch(source[: SIZES[-1]], prepared)
    step = step_bytes(model, few, options.dtype, options.batch_size, held)
    dense = DENSE * options.dtype.itemsize * source.shape[1] * max(options.batch_size, held)
    return {
        "the process now": forecast.resident(),
        "Lightning": 0.0 if "lightning" in sys.modules else LIGHTNING,
        "buffer": 2 * min(source.buffer * GIB, source.row_bytes * len(source)),
        "steps": step + dense,
        "weights": float(COPIES * sum(p.nbytes for p in model.parameters())),
    }
