"""Sessions on the command line: what is shown, fitted, decoded and refused; decoding across sessions."""

import contextlib
import io
import json
import re

import numpy as np
import pytest

import counterpoint as cp
from counterpoint import cli
from counterpoint.evaluation.decoding import block_means, decoding
from counterpoint.measures.asked import Asked
from counterpoint.measures.sessions import sessions
from counterpoint.protocol import hold_out, task
from counterpoint.report.details import detail_tables
from counterpoint.report.records import read_records
from test_cli import screen
from test_real_data import example

ANIMALS = {"A": (48, 9), "B": (40, 7), "C": (33, 8)}
HOW = ["--pair-on", "odor", "--window", "250:490ms", "--bin", "80ms"]
QUICK = ["--epochs", "15", "--latent_dim", "3", "--hidden", "16", "--verbose", "0", "--learning_rate", "0.02"]


def animal(name):
    """Spikes that tell the odour between 250 and 500 ms after onset."""
    rng = np.random.default_rng([5, *name.encode()])
    trials, neurons = ANIMALS[name]
    code = np.arange(trials) % 3
    t = np.arange(-20, 60) / 100
    tuned = rng.gamma(0.5, 1.5, size=(3, neurons))
    rate = 0.05 + ((t > 0.2) & (t < 0.5))[None, :, None] * tuned[code][:, None]
    return {"spikes": rng.poisson(rate), "times": t, "odor": np.array(["amyl", "anise", "lemon"])[code]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sessions")
    for name in ANIMALS:
        np.savez(folder / f"{name}.npz", **animal(name))
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return [f"{name}.npz" for name in ANIMALS]


@pytest.fixture(scope="module")
def fitted(folder):
    """A run of the three animals with its control, and what was printed."""
    files = [str(folder / f"{name}.npz") for name in ANIMALS]
    argv = ["fit", *files, *HOW, "--test", "0.3", "--run", str(folder / "run"), "--control", *QUICK]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert cli.main(argv) == 0
    return folder / "run", said.getvalue().splitlines()


def test_inspect_shows_animals_and_their_trials(here, capsys):
    assert cli.main(["inspect", *here, *HOW]) == 0
    lines = screen(capsys)
    assert lines[0].startswith("3 sessions as 3 modalities · 121 trials · 3 conditions of odor")
    assert re.split(r"\s{2,}", lines[2]) == [
        *("A", "48", "80", "9", "16/16/16", "whole numbers: counts", "poisson"),
    ]
    assert re.split(r"\s{2,}", lines[3])[:5] == ["B", "40", "80", "7", "14/13/13"]
    said = "\n".join(lines)
    assert "144, a bin of 80ms, 3 a trial in 250:490ms, paired at the same time" in said
    assert "parted by whole trials (no window leaks)" in said
    assert re.search(r"^a fit      about [\d.]+ GiB of memory, about ", said, re.MULTILINE)
    assert lines[-1].endswith(
        "fit A.npz B.npz C.npz --pair_on odor --window 250:490ms --bin 80ms --test 0.25"
    )


def test_inspect_without_bins_and_of_a_folder(here, folder, tmp_path, capsys):
    assert cli.main(["inspect", *here, "--pair_on", "odor", "--modalities", "A,C"]) == 0
    lines = screen(capsys)
    assert "2 sessions" in lines[0]
    assert "rows       48, a trial" in "\n".join(lines)


def test_a_run_of_sessions_is_decoded_and_evaluated(fitted, here, capsys):
    fitted, _ = fitted
    split = json.loads((fitted / "scores.json").read_text())["split"]
    assert split["label"] == "odor"
    assert split["sessions"] == {"pair_on": "odor", "window": "250:490ms", "bin": "80ms"}
    card = json.loads((fitted / "data_card.json").read_text())
    assert {one["likelihood"] for one in card["preparation"]["modalities"]} == {"poisson"}
    control = json.loads((fitted.parent / "run-shuffled" / "scores.json").read_text())
    assert control["control"] == "pairing shuffled"
    capsys.readouterr()
    assert cli.main(["evaluate", str(fitted), *here, "--measures", "probe,sessions,consistency"]) == 0
    lines = screen(capsys)
    assert lines[0].split() == ["decoding", "odor", "own", "other", "labels", "shuffled", "chance"]
    found = json.loads((fitted / "scores.json").read_text())
    assert found["split"] == split
    told = found["sections"]["sessions"]
    assert set(told["row"]["own"]) == set(ANIMALS)
    assert told["trial"]["own"]["A"] > 0.6
    assert found["summary"]["other_trial"] > 0.55, "what two animals taught is read from the third"
    assert abs(found["nulls"]["labels shuffled"]["other_trial"] - 1 / 3) < 0.15
    rows = detail_tables(read_records(fitted))["Decoding across sessions"]
    assert [(row["session"], row["of a"]) for row in rows] == [
        (name, of) for of in ("row", "whole trial") for name in ANIMALS
    ]
    assert rows[0]["own probe"] == f"{told['row']['own']['A']:.3f}"


def test_fit_prints_decoding_beside_shuffled_pairs_and_labels(fitted):
    lines = fitted[1]
    assert len(lines) <= 25
    assert lines[-1].startswith("next:  counterpoint evaluate")
    table = [line for line in lines if line.startswith(("decoding odor", "of a row", "of a whole trial"))]
    assert len(table) == 3
    assert re.split(r"\s{2,}", table[0])[1:] == [
        "own",
        "other",
        "pairing shuffled",
        "labels shuffled",
        "chance",
    ]
    own, other, pairing, _, chance = (float(cell.split(" ")[0]) for cell in re.split(r"\s{2,}", table[2])[1:])
    assert own > 0.6
    assert other > pairing
    assert 0.25 < chance < 0.45


@pytest.mark.slow
def test_a_report_shows_the_control(here, tmp_path, capsys):
    argv = ["fit", *here, *HOW, "--test", "0.3", "--run", str(tmp_path / "run"), "--report", *QUICK]
    assert cli.main(argv) == 0
    assert screen(capsys)[-1].startswith("next:  counterpoint export")
    page = (tmp_path / "run.html").read_text()
    for said in ("Decoding across sessions", "whole trial", "pairing shuffled"):
        assert said in page, said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pair-on", "odour"], "pair_on: label is 'odour'; allowed are odor. Did you mean 'odor'?"),
        ([], "3 files were named, which are read as sessions: say what these share with --pair_on"),
        (["--pair-on", "odor", "--window", "0.25:0.5"], "give a number with its unit"),
        (["--pair-on", "odor", "--window", "1:2s"], "window 1 to 2 s is not within the times"),
        (["--pair-on", "odor", "--window", "0:40ms", "--bin", "50ms"], "at most the window"),
        (["--window", "0:40ms"], "say what these share: --pair_on LABEL"),
    ],
)  # fmt: skip
def test_what_is_refused_on_the_command_line(here, words, message, capsys):
    assert cli.main(["inspect", *here, *words]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said), said
    assert len(said.splitlines()) == 1


def test_a_report_or_control_needs_test_rows(here, capsys):
    assert cli.main(["fit", *here, *HOW, "--report"]) == 2
    assert "hold some out: --test 0.25" in capsys.readouterr().err


def test_decoding_against_loops():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(2)
    y, truth = rng.integers(0, 3, 90), rng.integers(0, 3, 60)
    z = {n: np.eye(3)[y] + 0.6 * rng.normal(size=(90, 3)) for n in "abc"}
    held = {n: np.eye(3)[truth] + 0.6 * rng.normal(size=(60, 3)) for n in "abc"}
    here = {"a": rng.random(90) < 0.7}
    z["a"][~here["a"]] = np.nan
    found = decoding(z, y, held, truth, train_present=here)
    seen = {n: here.get(n, np.ones(90, bool)) for n in z}
    for name in "abc":
        for part, names in (("own", [name]), ("other", [n for n in "abc" if n != name])):
            x = np.concatenate([z[n][seen[n]] for n in names])
            labels = np.concatenate([y[seen[n]] for n in names])
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)).fit(x, labels)
            assert getattr(found, part)[name] == pytest.approx(model.score(held[name], truth), abs=1e-9)
    alone = decoding({"a": z["b"]}, y, {"a": held["b"]}, truth)
    assert alone.own["a"] > 0.5
    assert np.isnan(alone.other["a"])


def test_means_of_blocks_leave_out_what_is_absent():
    z = {"a": np.array([[1.0], [np.nan], [5.0], [np.nan]])}
    means, there = block_means(z, [4, 4, 2, 7], {"a": [True, False, True, False]})
    assert means["a"][:2].tolist() == [[5.0], [1.0]]
    assert np.isnan(means["a"][2]).all()
    assert there["a"].tolist() == [True, True, False]


def test_rows_that_are_no_sessions_say_why_not():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    data = cp.read({n: y[:, None] + rng.normal(size=(60, 2)) for n in "ab"}, labels={"kind": y})
    train, test = hold_out(data, 20, "kind")
    m = cp.Counterpoint(latent_dim=2, hidden=(4,), epochs=1, validation=0.0).fit(train)
    section = sessions(Asked(m, task(train, test, "kind")))
    assert not section.summary
    assert "not sessions" in section.detail["why_not"]


@pytest.mark.slow
def test_the_example_on_few_epochs(real_data, tmp_path, capsys):
    """It runs, its nulls are near chance, its picture and its matrix are there."""
    found = example("paired_mice").main(
        real_data, methods=("mmvm", "independent"), fitted_folds=1, epochs=4, pictures=tmp_path
    )
    said = capsys.readouterr().out
    assert "direction of left-out trials from one of 7 mice, chance 0.125" in said
    for name in ("mmvm", "independent"):
        for null in ("pairing shuffled", "labels shuffled"):
            assert abs(np.mean(found[name][null]) - 0.125) < 0.1, (name, null)
        assert (tmp_path / f"paired-mice-{name}.png").stat().st_size > 10_000
    matrix = found["consistency"]
    assert matrix.shape == (7, 7)
    assert np.isnan(np.diag(matrix)).all()
    assert np.isfinite(matrix[~np.eye(7, dtype=bool)]).all()
