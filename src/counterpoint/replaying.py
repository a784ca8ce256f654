"""A finished run done again: do the same configuration, rows and seed give the same bytes?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from counterpoint import bounded, configuration, provenance, runs
from counterpoint.data import read
from counterpoint.data.backed import Backed
from counterpoint.errors import InputError
from counterpoint.estimator import Counterpoint
from counterpoint.many import Rows

_ELSEWHERE = "git_commit"  # of the user's working directory: it decides nothing


@dataclass(frozen=True)
class Replayed:
    """A run beside itself, done again.

    Args:
        same: Whether the weights are the same, to the byte of their file.
        difference: Largest absolute difference of any weight.
        history: Whether every loss term of every epoch is the same.
        epochs: Epochs of the run, and of the replay.
        changed: What is not as it was: versions, threads, device; name -> (then, now).
    """

    same: bool
    difference: float
    history: bool
    epochs: tuple[int, int]
    changed: Mapping[str, tuple[Any, Any]]


def replay(
    run: str | Path,
    data: Any,
    *,
    networks: Mapping[str, Any] | None = None,
    device: str = "cpu",
    verbose: int = 0,
) -> Replayed:
    """Fit again what a finished run holds, on the same rows, and compare.

    On one machine with the same versions and number of threads the weights come out the same, to the byte. A
    run that was trained in a stack may differ in the last bits: which stack it is in is part of what it was.

    Args:
        run: The directory; it stays as it is.
        data: The rows that it was fitted on, as `fit` takes them.
        networks: Own networks, as for `counterpoint.load`; untrained, as they were given to the fit.
        device: Where to train.
        verbose: As of the estimator.

    Raises:
        InputError: If the directory is not an intact run, one that was adapted, or the rows are others.

    Example:
        >>> import tempfile, numpy as np
        >>> data = {"a": np.random.default_rng(0).normal(size=(40, 3))}
        >>> with tempfile.TemporaryDirectory() as place:
        ...     _ = Counterpoint("mmvm", latent_dim=2, epochs=2).fit(data, run=f"{place}/run")
        ...     again = replay(f"{place}/run", data)
        >>> again.same, again.difference, again.epochs
        (True, 0.0, (2, 2))
    """
    folder = Path(run)
    old = runs.load(folder, networks=networks, device=device)
    if "adapted" in old.data_summary_:
        raise InputError(
            f"{folder} was adapted from another run, and replay fits from nothing; replay the run that it "
            "came from."
        )
    new = Counterpoint(**{**configuration.read_config(folder / "config.yaml"), "verbose": verbose})
    new.network, new.device = old.network, device
    rows = data if isinstance(data, Backed) else read(data)
    fingerprint = None if isinstance(rows, Backed) else Rows(rows).fingerprint(new)
    if fingerprint is not None:
        _check(folder, old, fingerprint)
    new.fit(rows)
    _check(folder, old, new.data_summary_["fingerprint"])
    before, after = runs.weights_of(old), runs.weights_of(new)
    was = bounded.json_of(folder / "environment.json", "fit again.")
    return Replayed(
        same=before == after,
        difference=_difference(old.model_, new.model_),
        history=_terms(old.history_) == _terms(new.history_),
        epochs=(len(old.history_), len(new.history_)),
        changed=_changed(was, provenance.environment(new)),
    )


def _check(folder: Path, old: Counterpoint, fingerprint: str) -> None:
    """Refuse rows that are not those of the run."""
    if fingerprint != old.data_summary_["fingerprint"]:
        raise InputError(
            f"the rows are not those that {folder} was trained on, or were read in another way; give its own "
            "data, its test rows held out as they were."
        )


def _difference(a: torch.nn.Module, b: torch.nn.Module) -> float:
    """Return the largest difference of any weight."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max(float((x.double() - y.double()).abs().max()) for x, y in pairs if x.numel())


def _terms(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two environments, packages one by one."""
    flat = [{**{k: v for k, v in e.items() if k != "packages"}, **e.get("packages", {})} for e in (then, now)]
    names = [k for k in {**flat[0], **flat[1]} if k not in (_ELSEWHERE, "source")]
    return {k: (flat[0].get(k), flat[1].get(k)) for k in names if flat[0].get(k) != flat[1].get(k)}
