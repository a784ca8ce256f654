"""Checkpoints: all that an exact resume needs, in one safetensors file, written atomically."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from counterpoint import atomic, bounded
from counterpoint.errors import InputError, TrainingDivergedError
from counterpoint.training.bookkeeping import Progress
from counterpoint.training.population import Population

NAME = "checkpoint.safetensors"
_SHARE = 0.05  # of the time, at most, goes into writing


class Checkpoint:
    """Keeps the states of the models that a trainer has running.

    The file holds the last and best weights, the optimiser's moments, the position, the history and the seed
    of every model; row order and noise follow from seed and position, so training continues as if it had
    never stopped.

    Args:
        path: The file.
        fingerprints: One a model, naming configuration and data; by them a model finds its state again.
        seconds: Written at most so often; 0 after every epoch.

    Example:
        >>> Checkpoint("runs/a/checkpoint.safetensors", ["1f0c"]).path.name
        'checkpoint.safetensors'
    """

    def __init__(self, path: str | Path, fingerprints: Sequence[str], seconds: float = 20.0) -> None:
        self.path = Path(path)
        self.fingerprints, self.seconds = list(fingerprints), seconds
        self._last, self._cost = time.monotonic(), 0.0
        self._held: dict[int, tuple[dict[str, torch.Tensor], Progress]] = {}

    def after_epoch(self, population: Population) -> None:
        """Hold the states, and write them if it is time to."""
        self._held = {e: population.snapshot(e) for e in population.running}
        pause = max(self.seconds, self._cost / _SHARE) if self.seconds else 0.0
        if time.monotonic() - self._last >= pause:
            self._write(population)

    def interrupted(self, population: Population, stop: BaseException) -> None:
        """Write the states after the last finished epoch; say in a note of the exception how to go on."""
        if not self._held:
            return
        self._write(population)
        epochs = sorted({progress.epoch for _, progress in self._held.values()})
        said = f"epoch {epochs[-1]}" if len(self.fingerprints) == 1 else f"{len(self._held)} models"
        how = "resume=True and retries=3" if isinstance(stop, TrainingDivergedError) else "resume=True"
        stop.add_note(f"stopped; {self.path.parent} keeps {said}: fit again with {how} to go on")

    def _write(self, population: Population) -> None:
        started = time.monotonic()
        tensors = {f"{e}/{k}": v for e, (state, _) in self._held.items() for k, v in state.items()}
        models = [
            {"place": e, "fingerprint": self.fingerprints[e], **population.position(progress, e)}
            for e, (_, progress) in self._held.items()
        ]
        about = {"models": models, "digest": _digest(tensors)}
        atomic.write(self.path, save(tensors, metadata={"checkpoint": json.dumps(about)}))
        self._last = time.monotonic()
        self._cost = self._last - started

    def restore(self, population: Population) -> None:
        """Continue the models from the file, which must hold each of them.

        Raises:
            InputError: If there is no file, it is damaged, or belongs to other models.
        """
        if not self.path.exists():
            raise InputError(
                f"{self.path} does not exist, so there is nothing to resume; fit without resume."
            )
        tensors, about = _read(self.path)
        known = {entry["fingerprint"]: entry for entry in about}
        states = {}
        for e, fingerprint in enumerate(self.fingerprints):
            if fingerprint not in known:
                raise InputError(
                    f"{self.path} belongs to another configuration or other data; resume with the same ones, "
                    "or fit without resume."
                )
            entry = known[fingerprint]
            start = f"{entry['place']}/"
            own = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            states[e] = own, {"progress": entry["progress"], "seed": entry["seed"]}
        population.restore(states)
        self._held = {e: population.snapshot(e) for e in population.running}

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)


def held(path: Path) -> list[str]:
    """Return the fingerprints of the models that a checkpoint holds, in their order.

    Raises:
        InputError: If it is damaged.
    """
    return [str(entry["fingerprint"]) for entry in _read(path)[1]]


def _read(path: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Return the tensors of a checkpoint and what it says of its models."""
    try:
        bounded.ordinary(path, "delete it and fit again.")
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
        about = json.loads(header["checkpoint"])
        if about["digest"] != _digest(tensors):
            raise ValueError("its weights are not those that were written")
        for entry in about["models"]:
            _ = entry["fingerprint"], entry["place"], entry["progress"], entry["seed"]
    except (SafetensorError, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); delete it and fit again.") from error
    return tensors, about["models"]


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a hash of every tensor, so that not one flipped bit is resumed from."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
