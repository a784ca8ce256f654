"""Run directories as a report reads them."""

import subprocess
import sys

import pytest

from counterpoint.errors import InputError
from counterpoint.report.records import read_records
from made_runs import copied, runs


def test_a_folder_of_runs_is_read_in_order():
    found = read_records(runs())
    assert [r.name for r in found] == [
        "mmvm-0",
        "mmvm-0-shuffled",
        "mmvm-1",
        "mmvm-1-shuffled",
        "poe-0",
        "poe-1",
    ]
    one = found[0]
    assert (one.method, one.label, one.beta, one.seed, one.control) == ("mmvm", "mmvm", 1.0, 0, None)
    assert found[1].label == "mmvm, pairing shuffled"
    assert one.names == ["table", "<img>", "word"]
    assert len(one.history) == 12
    assert one.summary["accuracy"] > 0.4
    assert set(one.exhibits()) >= {"row", "label", "agreement", "pca/0", "real/2", "made/2/0"}
    assert (
        read_records([runs() / "poe-1", runs() / "poe-1"])[0].exhibits() == {}
    )  # kept of the first seed only


def test_a_schedule_is_told_by_its_end(tmp_path):
    assert read_records(copied(runs() / "mmvm-0", tmp_path / "a", beta="linear:0:2.5:100"))[0].beta == 2.5


def test_reading_needs_neither_torch_nor_weights(tmp_path):
    run = copied(runs() / "mmvm-0", tmp_path / "a")
    (run / "model.safetensors").unlink()
    code = f"""
import sys
from counterpoint.report.records import read_records
record, = read_records({str(run)!r})
assert record.history and record.exhibits()
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: t / "nothing", "does not exist; give a run directory"),
        (lambda t: t, "holds no finished run"),
        (lambda t: (t / "file").write_text("x") and t / "file", "is a file"),
        (lambda t: [], "no run was named"),
    ],
)
def test_what_is_no_run_is_refused(make, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_records(make(tmp_path))


@pytest.mark.parametrize("name", ["scores.json", "config.yaml", "exhibits.safetensors", "metrics.csv"])
def test_a_changed_file_is_refused(name, tmp_path):
    run = copied(runs() / "mmvm-0", tmp_path / "a")
    with (run / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match=f"{name} is not as it was written"):
        read_records(run)
