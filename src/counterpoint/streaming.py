"""Fitting from a source that stays in its file: estimate, preparation, loaders, Lightning, run directory."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from counterpoint import atomic, configuration, runs
from counterpoint.building import check_ties, chosen_method, new_model, train_options
from counterpoint.data import Preparation
from counterpoint.data.backed import Backed
from counterpoint.data.backed_preparation import prepare_backed
from counterpoint.data.omics_matrices import GIB, half_of_memory
from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE
from counterpoint.seeds import generator
from counterpoint.training.blocks import Blocks, Chunks, as_batch
from counterpoint.training.lightning import fit_stream, moved
from counterpoint.training.options import TrainOptions, split
from counterpoint.training.progress import ProgressLine
from counterpoint.training.shifts import start_shifts

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint

VALIDATION = 4096  # rows at a time, as in memory
VALUES = 2**23  # or fewer, so that a chunk has no more values than these
ROWS = 4  # of which the memory of a step is measured
LIBRARIES = 0.6 * GIB  # what Python, torch and Lightning take themselves


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
    check_ties(source.present(), chosen_method(estimator))
    prepared, digest = prepare_backed(
        source, estimator.likelihood, estimator.standardise, estimator.constant, estimator.batch
    )
    train, held = split(len(source), options.validation, estimator.seed)
    model = new_model(estimator, prepared).to(estimator.device)
    _check_memory(estimator, source, model, prepared, options)
    estimator._summarise(cast(Any, source), digest)
    if folder is not None:
        (folder / runs.MANIFEST).unlink(missing_ok=True)
        atomic.write(folder / "config.yaml", configuration.config_text(estimator))
    chunk = max(1, min(VALIDATION, VALUES // source.shape[1]))
    buffer = source.buffer * GIB
    batches = Blocks(source, prepared, train, options.batch_size, seed=estimator.seed, buffer=buffer)
    validation = Chunks(source, prepared, held, chunk) if len(held) else None
    if prepared.covariates is not None:
        start_shifts([model], Chunks(source, prepared, torch.arange(len(source)), chunk))
    with ProgressLine(estimator.epochs, estimator.verbose) as line:
        progress = fit_stream(
            model, batches, validation, options=options, seed=estimator.seed, each_epoch=line.show
        )
    estimator._fitted(cast(Any, _Finished([model], [progress])), 0, prepared)
    if run is not None:
        estimator.save(run)
    return estimator


@dataclass(frozen=True)
class _Finished:
    """What an estimator takes over from a trainer."""

    models: list[MultimodalVAE]
    progress: list[Any]


def _refuse(estimator: "Counterpoint", given: Mapping[str, Any]) -> None:
    """Refuse what needs the rows in memory."""
    given = {**given, "target": estimator.target, "ema": estimator.ema}
    for name, value in given.items():
        if value is not None and value is not False:
            raise InputError(
                f"{name} is {value if isinstance(value, (str, int, float)) else 'given'!r}, which a fit "
                "from a file (backed=True) does not do; leave it out, or read the data into memory."
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
    total, there = sum(need.values()), 2 * half_of_memory()
    listed = ", ".join(f"{name} {size / GIB:.2f}" for name, size in need.items())
    said = f"about {total / GIB:.1f} GiB of memory ({listed})"
    if estimator.device == "cpu" and total > there:
        raise InputError(
            f"The fit needs {said}, and {there / GIB:.1f} GiB are free; take a smaller batch_size, fewer "
            "features (features_most=...), a smaller network, or a smaller buffer (memory=GiB)."
        )
    if estimator.verbose:
        print(f"{len(source)} rows of {source.shape[1]} values from the file: {said}", file=sys.stderr)


def memory(
    source: Backed, model: MultimodalVAE, prepared: Preparation, options: TrainOptions
) -> dict[str, float]:
    """Return the bytes that a fit from a file takes at most, name of a part -> an estimate.

    The buffer counts twice, since its blocks are put together in it; the weights five times: themselves,
    their gradients, Adam's two moments and the best ones. A step is measured on a few rows: what the backward
    pass keeps, half as much again for what it makes on its way, and the rows themselves.
    """
    held: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        kept.append(tensor)  # so that no later tensor gets its place
        return tensor

    kept: list[torch.Tensor] = []
    rows = min(ROWS, len(source))
    batch = as_batch(source[:rows], prepared)
    device = next(model.parameters()).device
    batch = moved(batch, model.names, device, options.dtype)
    model.to(dtype=options.dtype)
    noise = model.noise(rows, generator(0, "memory", device=device), options.dtype)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch, noise, model.method.final())
    each = 1.5 * sum(held.values()) / rows + 4 * options.dtype.itemsize * source.shape[1]
    weights = sum(p.nbytes for p in model.parameters())
    return {
        "buffer": 2 * min(source.buffer * GIB, source.row_bytes * len(source)),
        "steps": each * options.batch_size,
        "weights": 5.0 * weights,
        "libraries": LIBRARIES,
    }
