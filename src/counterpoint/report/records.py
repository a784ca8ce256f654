"""Run directories as a report reads them: everything but the weights, without torch."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoint import bounded
from counterpoint.errors import InputError
from counterpoint.manifest import EXHIBITS, MANIFEST, SCORES, verify

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Record:
    """One finished run.

    Attributes:
        path: Its directory.
        config: What was asked for.
        card: What it was trained on.
        environment: What it was made with.
        scores: What an evaluation kept; empty if there was none.

    Example:
        >>> config = {"method": "mmvm", "beta": 1.0, "seed": 0, "options": None}
        >>> record = Record(Path("runs/a"), config, card={}, environment={}, scores={})
        >>> record.label, record.name, record.control
        ('mmvm', 'a', None)
    """

    path: Path
    config: dict[str, Any]
    card: dict[str, Any]
    environment: dict[str, Any]
    scores: dict[str, Any]

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self.path.name

    @property
    def method(self) -> str:
        """The method."""
        return str(self.config["method"])

    @property
    def label(self) -> str:
        """The method with its own options, as a reader tells runs apart; controls by what was shuffled."""
        options = self.config.get("options") or {}
        said = ", ".join([self.method, *(f"{k} {v}" for k, v in sorted(options.items()))])
        return f"{said}, {self.control}" if self.control else said

    @property
    def control(self) -> str | None:
        """What was shuffled, if the run is a control."""
        return self.scores.get("control")

    @property
    def beta(self) -> float:
        """The weight of the rate, at the end of its schedule."""
        beta = self.config["beta"]
        return float(beta.split(":")[2]) if isinstance(beta, str) and ":" in beta else float(beta)

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.config["seed"])

    @property
    def names(self) -> list[str]:
        """The modalities that measures ask for: all but a label that is to be told, which comes last."""
        target = self.config.get("target")
        listed = [one["name"] for one in self.card["preparation"]["modalities"]]
        return [name for name in listed if name != target]

    @cached_property
    def summary(self) -> dict[str, float]:
        """Headline numbers, the time of training among them."""
        found = self.scores.get("summary", {})
        if not found or not (self.path / "metrics.csv").exists():
            return dict(found)
        return {**found, "seconds": sum(row.get("seconds", 0.0) for row in self.history)}

    @property
    def sections(self) -> dict[str, Any]:
        """Measure -> all that it found."""
        return self.scores.get("sections", {})

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """Every epoch's numbers."""
        try:
            with (self.path / "metrics.csv").open(newline="") as file:
                return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        except (ValueError, TypeError, csv.Error) as error:
            raise InputError(f"{self.path / 'metrics.csv'} is damaged ({error}); restore it.") from error

    def exhibits(self) -> dict[str, np.ndarray]:
        """Return what an evaluation kept of single rows; empty if there was none."""
        if not (self.path / EXHIBITS).exists():
            return {}
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            bounded.ordinary(self.path / EXHIBITS, "evaluate the run again.")
            return load_file(self.path / EXHIBITS)
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{self.path / EXHIBITS} is damaged ({error}); evaluate the run again."
            ) from error


def read_records(paths: Sequence[str | Path] | str | Path) -> list[Record]:
    """Read runs: directories of runs, or folders that hold them.

    Args:
        paths: One or several; a run that is named twice is read once.

    Raises:
        InputError: If there is no run, or one is damaged.

    Example:
        >>> read_records("no/such/folder")
        Traceback (most recent call last):
        counterpoint.errors.InputError: no/such/folder does not exist; give a run directory or a folder of \
runs.
    """
    folders: dict[Path, None] = {}
    for given in [paths] if isinstance(paths, (str, Path)) else paths:
        folder = Path(given)
        if not folder.is_dir():
            what = "is a file" if folder.exists() else "does not exist"
            raise InputError(f"{folder} {what}; give a run directory or a folder of runs.")
        here = (
            [folder]
            if (folder / MANIFEST).exists()
            else sorted(p.parent for p in folder.glob(f"*/{MANIFEST}"))
        )
        if not here:
            raise InputError(f"{folder} holds no finished run (none has a {MANIFEST}); fit one first.")
        folders |= dict.fromkeys(here)
    if not folders:
        raise InputError("no run was named; give run directories, or folders that hold them.")
    return [read_record(folder) for folder in folders]


def read_record(folder: Path) -> Record:
    """Read one run, its small files checked against the manifest; the weights are not looked at."""
    verify(folder, skip=(WEIGHTS,))
    try:
        config = bounded.plain_yaml(bounded.yaml_text(folder / "config.yaml", "restore the run."))
        read = [
            bounded.json_of(folder / f, "restore it.") for f in ("data_card.json", "environment.json", SCORES)
        ]
        record = Record(folder, config, *read)
        _ = record.label, record.beta, record.seed, record.names, read[0]["training"]["rows"]
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{folder} cannot be read ({error!r}); it is no run of this version.") from error
    return record
