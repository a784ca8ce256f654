"""What a run tells about itself: what it was made with, and a model card for its reader."""

import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint


def environment(estimator: "Counterpoint") -> dict[str, Any]:
    """Return what the run was made with: versions, device, threads, seed, git commit.

    Beside it, of `counterpoint fit`, `source`: where the rows lay and how they were read, for `replay`.
    """
    packages = {}
    for name in ("counterpoint", "torch", "numpy", "scipy", "scikit-learn", "safetensors"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "device": str(estimator.device),
        "threads": torch.get_num_threads(),
        "seed": estimator.seed,
        "git_commit": _commit(),
        **({"source": estimator.source_} if hasattr(estimator, "source_") else {}),
    }


def _commit() -> str | None:
    """Return the commit of the working directory, or None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def model_card(estimator: "Counterpoint", scores: Mapping[str, Any]) -> str:
    """Return the README of a run."""
    summary, prepared = estimator.data_summary_, estimator.preparation_
    lines = [
        "---",
        "library_name: counterpoint",
        f"tags: [multimodal, vae, {estimator.method}]",
        "---",
        f"# {estimator.method}, {len(prepared.names)} modalities, {estimator.latent_dim} latent dimensions",
        "",
        f"Trained on {summary['rows']} rows, seed {estimator.seed}; best epoch {estimator.best_epoch_} of "
        f"{len(estimator.history_)}.",
        "",
        "| modality | shape | likelihood | rows that have it |",
        "| --- | --- | --- | --- |",
    ]
    for name in prepared.names:
        one = prepared[name]
        shape = " x ".join(str(s) for s in one.event)
        lines.append(f"| {name} | {shape} | {one.likelihood} | {summary['present'][name]} |")
    if "adapted" in summary:
        adapted = summary["adapted"]
        lines += [
            "",
            f"{', '.join(adapted['added'])} joined a trained model (fingerprint {adapted['from'][:12]}), of "
            "which nothing was changed: rows and epochs above are those of the joining.",
        ]
    lines += ["", "Load with `counterpoint.load(directory)`. `manifest.json` holds the hash of every file."]
    lines += [
        "",
        "Scores: see `scores.json`." if scores else "No scores were computed yet: `counterpoint evaluate`.",
    ]
    return "\n".join(lines) + "\n"
