"""The benchmarks run in their smallest form and leave what the page needs; how fast is not asked here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from counterpoint.errors import InputError

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RIVALS = {"bare loop", "official-like loop", "Lightning"}


def run(program: str, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(BENCHMARKS / program), *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def made(program: str, *words: str) -> str:
    done = run(program, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a small workload with a peer, and of one series."""
    folder = tmp_path_factory.mktemp("results")
    peer = str(BENCHMARKS / "peer_example.py")
    side = ("--only", "tables-small", "--peer", peer, "--out", str(folder / "side_by_side.json"))
    made("side_by_side.py", "--quick", *side)
    made("growth.py", "--quick", "--only", "modalities", "--out", str(folder / "growth.json"))
    return folder


@pytest.mark.slow
def test_every_contender_has_its_row(folder):
    found = json.loads((folder / "side_by_side.json").read_text())["tables-small"]
    rivals = {*RIVALS, "bare loop, default Adam"}
    ours = {"ours, one", "ours, stack of 8"}
    assert set(found["ms_per_model_step"]) == ours | rivals
    assert {k: set(v) for k, v in found["ratio"].items()} == dict.fromkeys(ours, rivals)
    assert found["quick"]
    assert found["machine"]["threads"] == 1
    assert set(found["versions"]) == rivals


@pytest.mark.slow
def test_ratios_are_ordered_and_losses_the_same(folder):
    found = json.loads((folder / "side_by_side.json").read_text())["tables-small"]
    for row in found["ratio"].values():
        for r in row.values():
            assert 0 < r["quartile_low"] <= r["median"] <= r["quartile_high"]
    assert set(found["loss_differs_by"]) == RIVALS
    assert max(found["loss_differs_by"].values()) <= 1e-4


@pytest.mark.slow
def test_growth_has_points_and_exponents(folder):
    found = json.loads((folder / "growth.json").read_text())
    assert [p["size"] for p in found["modalities"]["points"]] == [2, 4, 8]
    assert found["modalities"]["points"][0]["against_first"]["median"] == 1
    assert set(found["modalities"]["exponent"]) == {"all", "upper_half"}


@pytest.mark.slow
def test_memory_joins_the_file_and_the_page(folder, tmp_path):
    copy, page = tmp_path / "growth.json", tmp_path / "BENCHMARKS.md"
    copy.write_bytes((folder / "growth.json").read_bytes())
    made("growth.py", "--quick", "--only", "memory", "--out", str(copy))
    found = json.loads(copy.read_text())
    assert set(found) == {"modalities", "memory"}
    last = found["memory"]["points"][-1]
    assert last["more_MB"] > 0.9 * last["data_MB"]  # it holds the data
    made("write_md.py", "--results", str(tmp_path), "--out", str(page))
    assert "### memory" in page.read_text()


@pytest.mark.slow
def test_rows_in_a_file_join_the_page(tmp_path):
    made("backed.py", "--quick", "--folder", str(tmp_path), "--out", str(tmp_path / "backed.json"))
    found = json.loads((tmp_path / "backed.json").read_text())
    assert found["large"]["rows"] == 400
    assert 0 < found["large"]["peak resident GiB"] < 4
    assert set(found["ratio"]["time over in memory"]) == {"backed, all in the buffer", "backed, a sixteenth"}
    page = tmp_path / "BENCHMARKS.md"
    made("write_md.py", "--results", str(tmp_path), "--out", str(page))
    assert "| peak resident memory, GiB |" in page.read_text()


@pytest.mark.slow
def test_what_a_fit_is_said_to_take_joins_the_page(tmp_path):
    made("forecast.py", "--quick", "--only", "table", "--out", str(tmp_path / "forecast.json"))
    found = json.loads((tmp_path / "forecast.json").read_text())["cases"]["table"]
    assert 0.5 < found["estimated over true"]["memory"]["median"] < 2
    assert found["estimated s"] > 0 < found["true s"]
    page = tmp_path / "BENCHMARKS.md"
    made("write_md.py", "--results", str(tmp_path), "--out", str(page))
    assert "| table: 2,000 rows of six tables" in page.read_text()


@pytest.fixture
def programs(monkeypatch):
    """The benchmarks can be imported, as they import one another."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.usefixtures("programs")
def test_an_exponent_is_that_of_a_power_law():
    import growth

    sizes = [1, 2, 4, 8, 16]
    assert growth.exponents(sizes, [3 * n**1.5 for n in sizes]) == {"all": 1.5, "upper_half": 1.5}
    assert growth.exponents(sizes, [1, 1, 2, 4, 8])["upper_half"] == 1.0
    assert growth.exponent([1], [2]) is None


@pytest.mark.slow
def test_the_page_has_every_table_and_says_what_is_missing(folder, tmp_path):
    page = tmp_path / "BENCHMARKS.md"
    made("write_md.py", "--results", str(folder), "--out", str(page))
    text = page.read_text()
    for word in ("### tables-small", "| ours, stack of 8 |", "| Lightning |", "### modalities"):
        assert word in text
    assert "A quick run" in text
    assert "Missing: `step.json`" in text
    made("write_md.py", "--out", str(page))  # of the results that are kept
    assert "scikit-learn" in page.read_text()


@pytest.mark.usefixtures("programs")
def test_another_loss_is_found_out(monkeypatch):
    import loops
    import side_by_side

    workload = side_by_side.WORKLOADS["tables-small"].quick()
    assert set(side_by_side.same_loss(workload)) == RIVALS
    right = loops.BareLoop.rate
    monkeypatch.setattr(loops.BareLoop, "rate", lambda *a: 2 * right(*a))
    with pytest.raises(AssertionError, match="tables-small: losses"):
        side_by_side.same_loss(workload)


@pytest.mark.usefixtures("programs")
def test_a_run_moves_one_epoch_at_a_call_and_hands_its_error_over():
    import peers

    seen = []

    def training(pause):
        for epoch in range(3):
            seen.append(epoch)
            pause()
        raise ValueError("too far")

    run = peers.Paused(training)
    for epochs in (1, 2, 3):
        run.epoch()
        assert len(seen) == epochs
    with pytest.raises(RuntimeError, match="failed") as error:
        run.epoch()
    assert isinstance(error.value.__cause__, ValueError)
    run.close()


@pytest.mark.usefixtures("programs")
def test_an_unusable_peer_is_refused(tmp_path):
    import peers

    file = tmp_path / "peer.py"
    file.write_text("class Peer:\n    name = 'half'\n")
    with pytest.raises(InputError, match="prepare, epoch and version"):
        peers.load(file)
    with pytest.raises(InputError, match="is no file"):
        peers.load(tmp_path / "none.py")
    assert peers.load(BENCHMARKS / "peer_example.py").name == "bare loop, default Adam"
