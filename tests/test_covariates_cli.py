"""Covariates on the command line: what names them, what asks for them, what is said where they lack."""

import json

import numpy as np
import pytest

from counterpoint import cli
from counterpoint.data.categories import candidates, labels_with, names_of, text
from counterpoint.errors import InputError

QUICK = ["--epochs", "2", "--latent_dim", "2", "--hidden", "8", "--verbose", "0"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    donor, kind = np.arange(60) % 2, np.arange(60) % 3
    x = rng.normal(size=(60, 4)) + 2.0 * donor[:, None] + kind[:, None]
    named = np.array(["A", "B"])[donor]
    np.savez("data.npz", rna=x, protein=x[:, :3] + 0.1, donor=named, kind=kind)
    return tmp_path


def test_a_run_is_told_and_asked(here, capsys):
    assert cli.main(["fit", "data.npz", "--batch", "donor", "--labels", "kind", "--run", "run", *QUICK]) == 0
    card = json.loads((here / "run" / "data_card.json").read_text())
    assert card["preparation"]["covariates"][0]["categories"] == ["A", "B"]
    assert "batch: donor" in (here / "run" / "config.yaml").read_text()
    ask = ["data.npz", "--out"]
    assert cli.main(["embed", "run", *ask, "z.npz"]) == 0
    assert cli.main(["embed", "run", *ask, "less.npz", "--remove_batch"]) == 0
    z, less = (np.load(f)["joint"] for f in ("z.npz", "less.npz"))
    gaps = [abs(v[::2].mean(0) - v[1::2].mean(0)).max() for v in (z, less)]
    assert gaps[1] < 1e-5 < gaps[0]
    words = ["--source", "rna", "--target", "protein"]
    assert cli.main(["translate", "run", *ask, "a.npz", *words, "--as_batch.donor", "A"]) == 0
    assert cli.main(["translate", "run", *ask, "b.npz", *words, "--as_batch.donor", "B"]) == 0
    assert not np.allclose(np.load("a.npz")["protein"], np.load("b.npz")["protein"])
    assert cli.main(["impute", "run", *ask, "i.npz", "--as_batch.donor", "B"]) == 0
    capsys.readouterr()
    assert cli.main(["impute", "run", *ask, "i.npz", "--as_batch.donor", "C"]) == 2
    assert "as_batch['donor'] is 'C'; allowed are A, B" in capsys.readouterr().err


def test_a_misspelt_one_gets_the_nearest_name(here, capsys):
    assert cli.main(["fit", "data.npz", "--batch", "donr", "--labels", "kind,donor", *QUICK]) == 2
    assert "Did you mean 'donor'" in capsys.readouterr().err


def test_rows_that_lack_it_are_refused(here, capsys):
    assert cli.main(["fit", "data.npz", "--batch", "donor", "--labels", "kind", "--run", "run", *QUICK]) == 0
    with np.load("data.npz") as found:
        np.savez("bare.npz", rna=found["rna"])
    capsys.readouterr()
    assert cli.main(["embed", "run", "bare.npz"]) == 2
    assert "labels is 'donor'" in capsys.readouterr().err


def test_inspect_proposes_it(here, capsys):
    assert cli.main(["inspect", "data.npz", "--labels", "donor,kind"]) == 0
    said = capsys.readouterr().out
    assert "batch candidates: donor (2)" in said
    assert said.rstrip().endswith("next:  counterpoint fit data.npz --labels donor,kind --batch donor")


def test_a_run_with_test_rows_is_evaluated(here):
    fit = ["fit", "data.npz", "--batch", "donor", "--labels", "kind", "--test", "0.3", "--label", "kind"]
    assert cli.main([*fit, "--run", "run", *QUICK]) == 0
    measured = ["--label", "kind", "--labels", "kind", "--measures", "probe"]
    assert cli.main(["evaluate", "run", "data.npz", *measured]) == 0


def test_names_and_categories_as_text():
    assert names_of("donor") == names_of(["donor"]) == names_of(("donor",)) == ("donor",)
    with pytest.raises(InputError, match="give the name of a label"):
        names_of("donor,,lane")
    assert [text(v) for v in (3, 3.0, "3", True, None, float("nan"), "")] == [
        *("3", "3", "3", "True", None, None, None)
    ]
    assert labels_with("rows.npz", None, None) is None
    assert labels_with("rows.npz", None, "donor") == ["donor"]
    assert labels_with("cells.h5mu", ["kind"], "donor") == ["kind", "donor"]
    rows = {"lane": np.arange(40) % 4, "sample_id": np.arange(40), "batch": np.zeros(40)}
    assert candidates(rows) == {"lane": 4}
