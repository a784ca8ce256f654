"""A run is a directory: configuration, weights, data card, metrics, scores, environment. No pickle."""

import csv
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from counterpoint import atomic, bounded, configuration, manifest, provenance
from counterpoint.data import Preparation
from counterpoint.densities import KINDS, Density, pack, unpack
from counterpoint.errors import InputError
from counterpoint.locks import alone
from counterpoint.manifest import DENSITY, EXHIBITS, FORMAT, MANIFEST, SCORES, as_json, digest, later, verify
from counterpoint.rebuilding import rebuilt
from counterpoint.training.checkpoint import NAME as CHECKPOINT
from counterpoint.training.options import check_device

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint


def save(estimator: "Counterpoint", run: str | Path, scores: Mapping[str, Any] | None = None) -> Path:
    """Write a fitted estimator as a run directory: every file atomically, their hashes last.

    Args:
        estimator: A fitted estimator.
        run: The directory.
        scores: Results of an evaluation, to be kept with it.

    Raises:
        InputError: If the estimator is not fitted, or the directory holds something that is not a run.
    """
    estimator._fitted_model()
    folder = check_folder(run, overwrite=True)
    card = {
        "format": FORMAT,
        "preparation": estimator.preparation_.to_dict(),
        "training": estimator.data_summary_,
    }
    contents: dict[str, bytes] = {
        "config.yaml": configuration.config_text(estimator).encode(),
        "model.safetensors": weights_of(estimator),
        "data_card.json": as_json(card),
        "metrics.csv": _metrics(estimator.history_),
        "scores.json": as_json(dict(scores or {})),
        "environment.json": as_json(provenance.environment(estimator)),
        "README.md": provenance.model_card(estimator, scores or {}).encode(),
    }
    for kind, density in estimator.densities_.items():
        contents[DENSITY.format(kind)] = pack(density)
    for name, content in contents.items():
        atomic.write(folder / name, content)
    atomic.tidy(folder, {*contents, MANIFEST, CHECKPOINT})
    manifest.write(folder, {k: digest(v) for k, v in contents.items()})
    for name in later(p.name for p in folder.iterdir()):
        if name not in contents:
            (folder / name).unlink()  # it was of the run that stood here before
    return folder


def weights_of(estimator: "Counterpoint") -> bytes:
    """Return the weights of a fitted estimator as a run's file holds them: equal weights, equal bytes."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in estimator.model_.state_dict().items()}
    # One entry: safetensors writes several in any order.
    header = {"card": digest(as_json(estimator.preparation_.to_dict()))}
    return to_bytes(tensors, metadata=header)


def add_scores(
    run: str | Path, scores: Mapping[str, Any], exhibits: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Keep the results of an evaluation in a finished run.

    Args:
        run: The directory.
        scores: As JSON holds them.
        exhibits: What a report shows of single rows, name -> tensor; those that are there stay unless given.

    Raises:
        InputError: If the directory is not an intact run.
    """
    contents = {SCORES: as_json(dict(scores))}
    if exhibits is not None:
        contents[EXHIBITS] = to_bytes({k: v.contiguous() for k, v in exhibits.items()})
    manifest.replace(_path(run), contents)


def add_density(run: str | Path, kind: str, density: Density) -> Path:
    """Keep a density over the latents in a finished run; one of the same kind is replaced.

    Args:
        run: The directory.
        kind: Its kind.
        density: As `Counterpoint.densities_` holds it.

    Returns:
        The file.

    Raises:
        InputError: If the directory is not an intact run.
    """
    name = DENSITY.format(kind)
    manifest.replace(_path(run), {name: pack(density)})
    return _path(run) / name


def load(
    run: str | Path, *, networks: Mapping[str, Any] | None = None, device: str = "cpu"
) -> "Counterpoint":
    """Return the estimator of a finished run, as it was when it was saved.

    Args:
        run: The directory.
        networks: name -> (encoder, decoder), for modalities that were trained with own modules.
        device: Where to put the model.

    Raises:
        InputError: If the directory is missing, incomplete, truncated or changed, or its weights belong to
            other data.

    Example:
        >>> load("no/such/run")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: no/such/run does not exist; give the directory of a run, ...
    """
    from counterpoint.estimator import Counterpoint

    folder = _path(run)
    check_device(device)
    files = verify(folder)["files"]
    card = read_card(folder / "data_card.json")
    estimator = Counterpoint(**configuration.read_config(folder / "config.yaml"))
    if networks:
        kinds = estimator.network if isinstance(estimator.network, Mapping) else {}
        estimator.network = {**kinds, **networks}
    if isinstance(estimator.network, Mapping) and configuration.OWN in estimator.network.values():
        own = [k for k, v in estimator.network.items() if v == configuration.OWN]
        raise InputError(
            f"{folder} was trained with own modules for {', '.join(own)}; pass "
            f"networks={{name: (encoder, decoder)}}."
        )
    estimator.device = device
    estimator.preparation_ = Preparation.from_dict(card["preparation"])
    tensors, header = read_tensors(folder / "model.safetensors")
    if header.get("card") != digest(as_json(card["preparation"])):
        raise InputError(
            f"the weights in {folder} were trained on other data than its data card describes; take both "
            "from one run."
        )
    model = rebuilt(estimator, estimator.preparation_, tensors, folder)
    estimator.model_ = model.to(device).eval()
    estimator.data_summary_ = card["training"]
    estimator.history_ = _history(folder / "metrics.csv")
    estimator.best_epoch_ = card["training"]["best_epoch"]
    kept = {k: folder / DENSITY.format(k) for k in KINDS if DENSITY.format(k) in files}
    estimator.densities_ = {
        k: unpack(path.read_bytes(), str(path), model.latent_dim) for k, path in kept.items()
    }
    return estimator


def _path(run: Any) -> Path:
    """Return the path of a run directory."""
    if not isinstance(run, (str, os.PathLike)) or not str(run):
        raise InputError(
            f"run is {run!r} ({type(run).__name__}); give the path of a directory, such as 'runs/NAME'."
        )
    return Path(run)


def read_card(path: Path) -> dict[str, Any]:
    """Return a data card, with all its parts.

    Raises:
        InputError: If it is damaged.
    """
    card = bounded.json_of(path, "restore it, or fit again.")
    try:
        _ = card["training"]["best_epoch"], card["preparation"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged; restore it, or fit again.") from error
    return card


def scores_of(run: str | Path) -> dict[str, Any]:
    """Return what evaluations kept in a run.

    Raises:
        InputError: If the file is damaged.
    """
    path = _path(run) / SCORES
    scores = bounded.json_of(path, "restore it, or fit again.")
    if not isinstance(scores, dict) or not isinstance(scores.get("split") or {}, dict):
        raise InputError(f"{path} is damaged; restore it, or fit again.")
    return scores


def check_folder(run: str | Path, overwrite: bool = False) -> Path:
    """Return the directory, if a run may be written there.

    Raises:
        InputError: If it is a file, holds something that is not a run, or (without `overwrite`) a finished
            run.
    """
    folder = _path(run)
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            where = "" if place == folder else f" lies in {str(place)!r}, which"
            raise InputError(f"run {str(folder)!r}{where} is a file; give a directory.")
    if folder.is_dir():
        there = {p.name for p in folder.iterdir()}
        if there and not there & {MANIFEST, "config.yaml"}:
            raise InputError(
                f"run {str(folder)!r} holds other files ({sorted(there)[0]}, ...); give an empty or new "
                "directory."
            )
        if MANIFEST in there and not overwrite:
            raise InputError(
                f"run {str(folder)!r} holds a finished run; give another directory, or overwrite=True."
            )
    return folder


@contextmanager
def held(run: str | Path | None) -> Iterator[None]:
    """Hold the directory that a fit writes, if there is one, against other fits.

    Raises:
        InputError: If another fit holds it, or no run may be written there.
    """
    if run is None:
        yield
    else:
        with alone(check_folder(run, overwrite=True), "fit"):
            yield


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the header of a safetensors file.

    Raises:
        InputError: If it is damaged.
    """
    try:
        bounded.ordinary(path, "restore it, or fit again.")
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); restore it, or fit again.") from error


def _metrics(history: list[dict[str, float]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(history[0]) if history else ["epoch"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return out.getvalue().encode()


def _history(path: Path) -> list[dict[str, float]]:
    try:
        with path.open(newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return [{k: int(v) if k in ("epoch", "step") else v for k, v in row.items()} for row in rows]
    except (ValueError, TypeError, csv.Error, OverflowError) as error:
        raise InputError(f"{path} is damaged ({error}); restore it, or fit again.") from error
