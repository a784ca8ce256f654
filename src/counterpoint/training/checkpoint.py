"""Checkpoints: all that an exact resume needs, in one safetensors file, written atomically."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from counterpoint import atomic
from counterpoint.errors import InputError
from counterpoint.training.bookkeeping import Progress
from counterpoint.training.population import Population

NAME = "checkpoint.safetensors"


class Checkpoint:
    """Keeps the state of a trainer's only model in a directory.

    The file holds the last and best weights, the optimiser's moments, the position, the history and the seed;
    row order and noise follow from seed and position, so training continues as if it had never stopped.

    Args:
        folder: Where to keep it.
        fingerprint: Names configuration and data; a checkpoint of another is refused.
        seconds: At most so often; 0 after every epoch.

    Example:
        >>> Checkpoint("runs/a", "1f0c").path.name
        'checkpoint.safetensors'
    """

    def __init__(self, folder: str | Path, fingerprint: str, seconds: float = 20.0) -> None:
        self.path = Path(folder) / NAME
        self.fingerprint, self.seconds = fingerprint, seconds
        self._last = time.monotonic()
        self._held: tuple[dict[str, torch.Tensor], Progress] | None = None

    def after_epoch(self, population: Population) -> None:
        """Hold the state, and write it if it is time to."""
        self._held = population.snapshot()
        if time.monotonic() - self._last >= self.seconds:
            self._write(population)

    def interrupted(self, population: Population, stop: BaseException) -> None:
        """Write the state after the last finished epoch; say in a note of the exception how to go on."""
        if self._held is None:
            return
        epoch = self._held[1].epoch
        self._write(population)
        stop.add_note(f"stopped; {self.path.parent} keeps epoch {epoch}: fit again with resume=True to go on")

    def _write(self, population: Population) -> None:
        assert self._held is not None
        tensors, progress = self._held
        about = {
            "position": population.position(progress),
            "fingerprint": self.fingerprint,
            "digest": _digest(tensors),
        }
        atomic.write(self.path, save(tensors, metadata={"checkpoint": json.dumps(about)}))
        self._last = time.monotonic()

    def restore(self, population: Population) -> None:
        """Continue a trainer from the file.

        Raises:
            InputError: If there is none, it is damaged, or it belongs to another configuration or other data.
        """
        if not self.path.exists():
            raise InputError(
                f"{self.path} does not exist, so there is nothing to resume; fit without resume."
            )
        try:
            with safe_open(self.path, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
            about = json.loads(header["checkpoint"])
            if about["digest"] != _digest(tensors):
                raise ValueError("its weights are not those that were written")
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            raise InputError(
                f"{self.path} is truncated or damaged ({error}); delete it and fit again."
            ) from error
        if about["fingerprint"] != self.fingerprint:
            raise InputError(
                f"{self.path} belongs to another configuration or other data; resume with the same ones, or "
                "fit without resume."
            )
        population.restore(tensors, about["position"])
        self._held = population.snapshot()

    def remove(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a hash of every tensor, so that not one flipped bit is resumed from."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
