"""Evaluated runs for the tests of the report: small real ones, and copies with other settings or scores."""

import json
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import yaml

import counterpoint as cp
from counterpoint.manifest import EXHIBITS, FILES, as_json, digest, write

SMALL = {"latent_dim": 3, "hidden": (8,), "epochs": 12, "batch_size": 16, "learning_rate": 1e-2}


def data(rows: int = 150) -> cp.MultimodalData:
    """Tables, pictures and words of three classes; some rows lack a modality, one name is hostile."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % 3
    table = 2 * np.eye(3)[y] @ rng.normal(size=(3, 5)) + 0.3 * rng.normal(size=(rows, 5))
    table[:12] = np.nan
    pictures = np.clip(np.eye(3)[y] @ rng.random((3, 64)) + 0.05 * rng.normal(size=(rows, 64)), 0, 1)
    letters = np.array(list("abcd"))[(y[:, None] + np.arange(6)) % 4]
    parts = {"table": table, "<img>": pictures.reshape(rows, 1, 8, 8), "word": letters}
    return cp.read(parts, labels={"kind": np.array(["low", "mid", "<b>top"])[y]})


@cache
def runs() -> Path:
    """A folder with runs of mmvm and poe, two seeds each, and the controls; made once."""
    out = Path(mkdtemp())
    cp.compare(data(), ["mmvm", "poe"], test=48, seeds=2, out=out, measures="all", **SMALL)
    return out


def copied(
    run: Path, to: Path, *, beta: float = 1.0, seed: int = 0, shift: float = 0.0, method: str | None = None
) -> Path:
    """Copy a run with another configuration and its headline numbers shifted; weights are linked."""
    to.mkdir(parents=True)
    for name in (*FILES, EXHIBITS):
        if (run / name).exists():
            (os.link if name == "model.safetensors" else shutil.copy)(run / name, to / name)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config |= {"beta": beta, "seed": seed, "method": method or config["method"]}
    (to / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    scores = json.loads((run / "scores.json").read_text())
    scores["summary"] = {k: v + shift for k, v in scores["summary"].items()}
    (to / "scores.json").write_bytes(as_json(scores))
    sealed(to)
    return to


def sealed(run: Path) -> None:
    """Write the manifest of what is there."""
    write(run, {p.name: digest(p.read_bytes()) for p in run.iterdir() if p.name != "manifest.json"})


def edited(run: Path, to: Path, change) -> Path:
    """Copy a run with its scores changed by a function of them."""
    copied(run, to)
    scores = json.loads((to / "scores.json").read_text())
    change(scores)
    (to / "scores.json").write_bytes(as_json(scores))
    sealed(to)
    return to
