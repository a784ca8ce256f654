"""Runs go to the Hub and come back, without rows; against a stub of its API on loopback, no network."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

import counterpoint as cp
import hub_stub
from counterpoint import hub, manifest, runs
from counterpoint.cli import main
from counterpoint.hub_card import Said
from counterpoint.manifest import EXHIBITS, as_json, digest, verify
from made_runs import copied, data, edited
from made_runs import runs as made

pytest.importorskip("huggingface_hub")
REPO = "lab/model"


@pytest.fixture
def stub(monkeypatch, tmp_path):
    with hub_stub.hub(monkeypatch, tmp_path / "cache") as stub:
        yield stub


@pytest.fixture(scope="module")
def run():
    """A run with scores and exhibits."""
    return made() / "mmvm-0"


@pytest.fixture(scope="module")
def model(run):
    return runs.load(run)


def front(text):
    """The YAML of a card."""
    return yaml.safe_load(text.split("---\n")[1])


def test_a_model_comes_back_the_same(model, stub):
    address = model.push_to_hub(REPO)
    assert address.startswith(stub.address)
    again = cp.Counterpoint.from_pretrained(REPO)
    rows = data()
    assert np.array_equal(again.transform(rows), model.transform(rows))
    assert again.get_params() == model.get_params()
    assert again.data_summary_ == model.data_summary_


def test_a_repository_is_private_unless_asked(model, stub):
    model.push_to_hub(REPO)
    model.push_to_hub("lab/open", private=False)
    assert stub.private == {REPO: "private", "lab/open": "public"}


def test_a_directory_will_do(run, model):
    again = cp.Counterpoint.from_pretrained(run)
    assert np.array_equal(again.transform(data()), model.transform(data()))
    with pytest.raises(cp.InputError, match="is a directory; leave it out"):
        cp.Counterpoint.from_pretrained(run, revision="v1")


def test_nothing_of_single_rows_goes_up(run, model, stub):
    assert (run / EXHIBITS).exists()
    model.push_to_hub(REPO, run=run)
    files = stub.repos[REPO]
    assert EXHIBITS not in files
    assert "exhibits.safetensors: it holds embeddings" in files["README.md"].decode()
    assert set(json.loads(files["manifest.json"])["files"]) == set(files) - {"manifest.json"}


def test_rows_go_up_if_they_are_asked_for_and_go_again(run, model, stub):
    model.push_to_hub(REPO, run=run, include_rows=True)
    assert stub.repos[REPO][EXHIBITS] == (run / EXHIBITS).read_bytes()
    assert "holds embeddings of single rows" in stub.repos[REPO]["README.md"].decode()
    model.push_to_hub(REPO, run=run)
    assert EXHIBITS not in stub.repos[REPO]


def test_no_measure_keeps_a_list_as_long_as_there_are_rows(run):
    scores = json.loads((run / "scores.json").read_text())
    task = scores["task"]
    lengths = {task["train_rows"], task["test_rows"]}
    assert lengths == {102, 48}, "numbers that no list of a measure has by itself"

    def walk(value):
        if isinstance(value, list):
            assert len(value) not in lengths, str(value)[:100]
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    walk(scores)


def test_scores_that_no_measure_made_stay_at_home(run, tmp_path):
    def add(scores):
        scores["names"] = ["Ada", "Grace"]
        scores["sections"]["mine"] = {"rows": [1, 2]}

    noted = edited(run, tmp_path / "run", add)
    withheld = hub.bundle(noted, tmp_path / "out", Said(REPO))
    text = (tmp_path / "out" / "scores.json").read_text()
    assert "Ada" not in text
    assert "mine" not in json.loads(text)["sections"]
    assert {"scores.json: names", "scores.json: mine"} <= withheld.keys()
    assert verify(tmp_path / "out")


def test_a_list_of_rows_among_the_scores_is_refused(run, tmp_path):
    rows = json.loads((run / "scores.json").read_text())["task"]["train_rows"]
    noted = edited(run, tmp_path / "run", lambda s: s["sections"]["probe"].update(each=[0.5] * rows))
    with pytest.raises(
        cp.InputError, match=r"a list as long as there are rows \(102, at scores/sections/probe"
    ):
        hub.bundle(noted, tmp_path / "out", Said(REPO))
    assert hub.bundle(noted, tmp_path / "out", Said(REPO, rows=True)) == {}


def test_names_of_rows_among_the_categories_are_refused(tmp_path, stub):
    rng = np.random.default_rng(0)
    names = np.array([f"patient {i % 30}" for i in range(40)])[:, None]
    m = cp.Counterpoint(latent_dim=2, epochs=1, hidden=(4,))
    m.fit({"x": rng.normal(size=(40, 3)), "who": names})
    with pytest.raises(cp.InputError, match=r"'who' has 30 categories in 40 rows"):
        m.push_to_hub(REPO)
    assert not stub.repos
    m.push_to_hub(REPO, include_rows=True)


def test_densities_whose_components_are_rows_stay_at_home(model, tmp_path):
    m = runs.load(made() / "poe-0")
    m.fit_density(data(), "gmm", components=2)
    m.fit_density(data(), "vamp")
    m.save(tmp_path / "run")
    withheld = hub.bundle(tmp_path / "run", tmp_path / "out", Said(REPO))
    assert list(withheld) == ["density-vamp.safetensors"]
    assert (tmp_path / "out" / "density-gmm.safetensors").exists()
    again = runs.load(tmp_path / "out")
    assert list(again.densities_) == ["gmm"]


def test_the_card_has_what_the_hub_reads(run, model, stub):
    from huggingface_hub import ModelCardData
    from huggingface_hub.repocard_data import model_index_to_eval_results

    model.push_to_hub(REPO, run=run, license="cc-by-4.0", dataset="tables and pictures")
    text = stub.repos[REPO]["README.md"].decode()
    told = front(text)
    assert (told["license"], told["library_name"]) == ("cc-by-4.0", "counterpoint")
    assert {"mmvm", "multimodal"} <= set(told["tags"])
    name, results = model_index_to_eval_results(told["model-index"])
    assert name == "model"
    summary = json.loads((run / "scores.json").read_text())["summary"]
    assert {r.metric_type: r.metric_value for r in results} == {k: v for k, v in summary.items() if v == v}
    assert ModelCardData(**{**told, "model_name": name}).eval_results
    for part in ("Intended use", "Training data", "Evaluation", "Limits", "How to load", "How to cite"):
        assert f"\n## {part}\n" in text
    assert "| accuracy |" in text
    assert "chance" in text
    assert "sutter2024" in text


def test_the_card_omits_a_license_that_nobody_named(model, stub):
    model.push_to_hub(REPO)
    assert "license" not in front(stub.repos[REPO]["README.md"].decode())


def test_names_in_a_card_make_no_markup(run, tmp_path):
    hub.bundle(run, tmp_path, Said(REPO, about="<script>x</script>\n---\nlicense: mit", dataset="a | b"))
    text = (tmp_path / "README.md").read_text()
    assert "<img>" not in text.split("---", 2)[2]  # a modality of these runs is called so
    assert "&lt;img&gt;" in text
    assert "<script>" not in text
    assert "license" not in front(text)


def test_a_card_may_be_edited_on_the_hub_and_nothing_else(model, stub):
    model.push_to_hub(REPO)
    stub.repos[REPO]["README.md"] += b"\nEdited.\n"
    assert cp.Counterpoint.from_pretrained(REPO).data_summary_ == model.data_summary_
    weights = bytearray(stub.repos[REPO]["model.safetensors"])
    weights[-1] ^= 1
    stub.repos[REPO]["model.safetensors"] = bytes(weights)
    with pytest.raises(cp.InputError, match=r"model.safetensors is not as it was written"):
        cp.Counterpoint.from_pretrained(REPO)


def test_only_files_of_a_run_are_fetched(model, stub, tmp_path):
    model.push_to_hub(REPO)
    for name in ("evil.pkl", "../../outside", "density-../x.safetensors", "setup.py"):
        stub.repos[REPO][name] = b"x"
    hub.pull(REPO, tmp_path / "run")
    got = {path.rpartition("/")[2] for verb, path in stub.asked if verb == "GET" and "/resolve/" in path}
    assert got == {*manifest.FILES, "manifest.json"}
    assert {p.name for p in (tmp_path / "run").iterdir()} == {*manifest.FILES, "manifest.json"}


def test_a_manifest_that_leads_elsewhere_is_refused(model, stub, tmp_path):
    model.push_to_hub(REPO)
    told = json.loads(stub.repos[REPO]["manifest.json"])
    told["files"]["density-../../../x.safetensors"] = digest(b"x")
    stub.repos[REPO]["manifest.json"] = as_json(told)
    with pytest.raises(cp.InputError, match="no file of the run itself"):
        hub.pull(REPO, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_revision_that_is_pinned(model, stub):
    model.push_to_hub(REPO)
    first = stub.commit(REPO)
    assert cp.Counterpoint.from_pretrained(REPO, revision=first).best_epoch_ == model.best_epoch_
    with pytest.raises(cp.InputError, match=r"the Hub did not do it for lab/model \(RevisionNotFoundError"):
        cp.Counterpoint.from_pretrained(REPO, revision="v7")


@pytest.mark.parametrize("name", ["model", "../..", "lab/../x", "a/b/c", "lab/mo del", "", "/etc", "-x/y"])
def test_a_name_that_is_none(name, model, stub):
    with pytest.raises(cp.InputError, match="neither a directory nor OWNER/NAME"):
        model.push_to_hub(name)
    if name not in ("../..", "", "/etc"):  # these are directories
        with pytest.raises(cp.InputError, match="neither a directory nor OWNER/NAME"):
            cp.Counterpoint.from_pretrained(name)
    assert not stub.asked


def test_what_the_hub_refuses(model, stub):
    with pytest.raises(cp.InputError, match=r"RepositoryNotFoundError"):
        cp.Counterpoint.from_pretrained("lab/other")
    stub.refuse = 403
    with pytest.raises(cp.InputError, match=r"the Hub did not do it for lab/model .*hf auth login"):
        model.push_to_hub(REPO)


def test_a_repository_that_is_no_run(stub):
    stub.repos["lab/text"] = {"README.md": b"x", "pytorch_model.bin": b"x"}
    with pytest.raises(cp.InputError, match=r"holds no run of counterpoint: it has no manifest.json"):
        cp.Counterpoint.from_pretrained("lab/text")


def test_without_the_package_one_clear_error(model, monkeypatch, capsys, run):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'counterpoint\[hub\]'"):
        model.push_to_hub(REPO)
    assert main(["push", str(run), REPO]) == 2
    assert "pip install 'counterpoint[hub]'" in capsys.readouterr().err


def test_the_estimator_and_the_run_belong_together(model, stub):
    with pytest.raises(cp.InputError, match="is the run of another fit"):
        model.push_to_hub(REPO, run=made() / "mmvm-1")
    with pytest.raises(cp.InputError, match="not fitted"):
        cp.Counterpoint().push_to_hub(REPO)


def test_pull_writes_a_run_and_replaces_one_if_asked(run, model, stub, tmp_path):
    model.push_to_hub(REPO, run=run)
    target = copied(made() / "poe-0", tmp_path / "run")
    with pytest.raises(cp.InputError, match="holds a finished run"):
        hub.pull(REPO, target)
    hub.pull(REPO, target, overwrite=True)
    assert runs.load(target).method == "mmvm"
    assert not (target / EXHIBITS).exists(), "it was of the run that stood here"


def test_the_verbs(run, stub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, "mine")
    assert main(["push", "mine", REPO, "--license", "mit", "--dataset", "rows"]) == 0
    assert main(["pull", REPO]) == 0
    out = capsys.readouterr().out
    assert "saved runs/model" in out
    assert runs.load("runs/model").method == "mmvm"
    assert main(["push", "mine", "nope"]) == 2


def test_the_endpoint_is_that_of_the_environment(run, stub, tmp_path):
    told = {"HF_ENDPOINT": stub.address, "HF_HOME": str(tmp_path), "HF_TOKEN": "x", "NO_PROXY": "127.0.0.1"}
    env = {**os.environ, **told, "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", f"from counterpoint.cli import main; main(['push', {str(run)!r}, {REPO!r}])"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f"uploaded  {stub.address}/{REPO}/commit/" in done.stdout, done.stderr
