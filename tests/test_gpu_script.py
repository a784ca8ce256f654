"""The GPU benchmark runs whole on a processor in its smallest form, without what needs CUDA."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"
PARTS = ("ceiling", "resnet", "plain", "tables", "train")
MEASURED = {"ms_per_step", "us_per_model_step", "samples_per_s", "tflops", "ratio", "share_of_bf16_ceiling"}
QUARTILES = ("quartile_low", "median", "quartile_high")


def run(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as of MNIST and photographs, of chance."""
    folder, rng = tmp_path_factory.mktemp("sources"), np.random.default_rng(0)
    for part in ("mnist", "photos"):
        (folder / part).mkdir()
    for split, rows in (("train", 320), ("test", 120)):
        images = rng.integers(0, 256, (rows, 28, 28), np.uint8)
        labels = np.arange(rows, dtype=np.uint8) % 10
        np.savez(folder / "mnist" / f"{split}.npz", images=images, labels=labels)
    photo = rng.integers(0, 256, (40, 50, 3), np.uint8)
    np.savez(folder / "photos" / "photos.npz", rocket=photo, flower=photo, coffee=photo)
    return folder


@pytest.fixture(scope="module")
def found(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("results") / "gpu.json"
    small = ("--tiny", "--device", "cpu", "--methods", "mmvm,avg", "--data", str(sources))
    done = run(*small, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def rows_of(part: dict) -> dict:
    """Every contender's row, however deep."""
    rows = {}
    for name, value in part.items():
        if isinstance(value, dict):
            rows |= {name: value} if "models" in value else rows_of(value)
    return rows


@pytest.mark.slow
def test_every_part_is_there_and_none_failed(found):
    assert set(found) == {"tiny", "machine", *PARTS}
    assert found["tiny"]
    for part in PARTS:
        assert "error" not in found[part], found[part]
        assert found[part]["part_seconds"] > 0


@pytest.mark.slow
def test_the_ceiling_is_known(found):
    assert {"bf16_tflops", "tf32_tflops", "fp32_tflops", "copy_GB_per_s"} < set(found["ceiling"])


@pytest.mark.slow
@pytest.mark.parametrize("part", ["resnet", "plain", "tables"])
def test_every_rung_is_measured_or_says_why_not(found, part):
    rows, measured = rows_of(found[part]), set()
    for name, row in rows.items():
        if "graph" in name or "compiled" in name:
            assert row["not measured"] == "no CUDA"
        elif "bf16" in name and "error" in row:
            assert "no matrix unit" in row["error"]
        elif "error" not in row:
            assert set(row) >= MEASURED
            low, median, high = (row["ratio"][q] for q in QUARTILES)
            assert 0 < low <= median <= high
            measured.add(name)
            assert row["first_loss"] > 0
    assert {"official-like", "one model" if part == "tables" else "ours, fp32"} <= measured
    assert rows["official-like"]["ratio"]["median"] == 1
    losses = [rows[name]["first_loss"] for name in measured - {"official-like"} if "stack" not in name]
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-2)  # the same weights, rows and noise


@pytest.mark.slow
def test_two_populations_of_one_seed_are_the_same(found):
    assert found["tables"]["check"]["weights_differ_by"] == 0
    assert found["tables"]["check"]["largest_weight"] > 0


@pytest.mark.slow
def test_a_fit_keeps_its_curve_and_its_scores(found):
    assert set(found["train"]["oracle_accuracy"]) == {"m0", "m1", "m2"}
    assert set(found["train"]["methods"]) == {"mmvm", "avg"}
    for row in found["train"]["methods"].values():
        assert [point["epoch"] for point in row["curve"]] == list(range(1, row["epochs"] + 1))
        assert row["steps"] == 2 * 38  # of 300 rows, eight at a time, twice
        assert row["options"]["decay"] == "cosine"
        assert np.shape(row["coherence_matrix"]) == (3, 3)
        for share in (row["coherence"], row["probe_mean"], *row["probe"].values()):
            assert 0 <= share <= 1
        assert set(row["absolute_error"]) == {"m0", "m1", "m2"}
        assert "total" in row["test_terms"]


def test_an_error_is_told_in_its_place_and_the_next_part_goes_on(tmp_path):
    """Each part in a process of its own, as on a GPU; the first lacks its data."""
    out = tmp_path / "gpu.json"
    small = ("--tiny", "--device", "cpu", "--data", str(tmp_path), "--out", str(out))
    done = run(*small, "--parts", "train,ceiling", "--apart")
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert "InputError" in found["train"]["error"]
    assert found["ceiling"]["bf16_tflops"] > 0


def test_words_that_mean_nothing_are_refused():
    for words, says in (
        (("--parts", "resnets"), "allowed are ceiling"),
        (("--methods", "vae"), "allowed are"),
    ):
        done = run(*words, "--device", "cpu")
        assert done.returncode
        assert says in done.stderr
