"""A modality that joins a trained model: the old ones stay to the bit, and the new one gets to know them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import counterpoint as cp
from counterpoint import cli, runs
from counterpoint.data import read
from counterpoint.data.sessions import pair_sessions
from counterpoint.errors import InputError
from counterpoint.methods import METHODS, method
from counterpoint.training.graphs import Graph
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population
from training.test_graphs import Again

ROWS = 40
SMALL = {"latent_dim": 2, "epochs": 2, "hidden": (8,), "patience": None}
READS_ALL = [name for name in METHODS if method(name).joint or method(name).conditional]
ALONE = [name for name in METHODS if name not in READS_ALL]


def values(rows: int = ROWS, seed: int = 0, noise: float = 0.1) -> dict[str, np.ndarray]:
    """Three tables of two factors; the third is the one that comes later."""
    made = np.random.default_rng(99)  # the loadings are always the same
    loadings = {
        "rna": made.normal(size=(2, 4)),
        "protein": made.normal(size=(2, 3)),
        "atac": made.normal(size=(2, 5)),
    }
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, 2))
    return {k: z @ w + noise * rng.normal(size=(rows, w.shape[1])) for k, w in loadings.items()}


def only(x: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    return {name: x[name] for name in names}


def small(name: str = "mmvm", **more: Any) -> cp.Counterpoint:
    """A model of the first two tables."""
    return cp.Counterpoint(name, **{**SMALL, **more}).fit(only(values(), "rna", "protein"))


def tensors(m: cp.Counterpoint) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in m.model_.state_dict().items()}


def same_bits(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    for name in a:
        assert a[name].numpy(force=True).tobytes() == b[name].numpy(force=True).tobytes(), name


@pytest.fixture(scope="module")
def fitted() -> cp.Counterpoint:
    return small()


# What stays


@pytest.mark.parametrize("name", ALONE)
def test_what_was_there_stays_to_the_bit(name):
    m = small(name)
    before, x = tensors(m), values(seed=1)
    new = m.adapt(only(x, "atac", "rna"))  # whatever the order
    assert new.modalities_ == ("rna", "protein", "atac")
    after = tensors(new)
    same_bits(before, after)
    same_bits(before, tensors(m))
    assert set(after) > set(before)
    for old in ("rna", "protein"):
        alone = only(x, old)
        assert np.array_equal(m.embed_each(alone)[old], new.embed_each(alone)[old])
        assert np.allclose(m.embed(alone), new.embed(alone), atol=1e-6)
    assert all(p.requires_grad for p in new.model_.parameters())


@pytest.mark.parametrize(
    "more",
    [
        {"clip": 0.1},
        {"ema": 0.9},
        {"precision": "float64"},
        {"clip": 1.0, "ema": 0.5, "warmup": 1.0, "decay": "cosine"},
        {"validation": 0.0},
        {"options": {"impartial": "pcgrad"}, "name": "poe"},
        {"options": {"learn_prior": True}, "name": "mmvae"},
        {"options": {"private_dim": 2}, "name": "mopoe"},
        {"options": {"draws": 3}, "name": "mmvae"},
        {"likelihood": "normal_learned"},
    ],
    ids=lambda more: ",".join(more),
)  # fmt: skip
def test_it_stays_however_it_is_trained(more):
    m = small(**more)
    before, new = tensors(m), m.adapt(only(values(seed=1), "rna", "atac"))
    after = tensors(new)
    same_bits(before, after)
    start = tensors(m.adapt(only(values(seed=1), "rna", "atac"), learning_rate=1e-30, epochs=1))
    same_bits(before, start)
    moved = [k for k in after if k not in before and not torch.equal(after[k], start[k])]
    assert moved, "nothing was trained"


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_parameters_without_a_gradient_stay_in_every_kind_of_step(stacked, graph, clip):
    x = {k: torch.tensor(v, dtype=torch.float32) for k, v in values().items()}
    mask = {k: torch.ones(ROWS, dtype=torch.bool) for k in x}
    models = [small(seed=s).adapt(values(), epochs=1).model_ for s in ((0, 1) if stacked else (0,))]
    for model in models:
        model.requires_grad_(False)
        model["atac"].requires_grad_(True)
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in models]
    how = TrainOptions(epochs=2, batch_size=8, clip=clip, ema=0.9)
    Population(models, x, mask, how, range(len(models)), graph=Graph(capture=Again) if graph else False).run()
    for model, was in zip(models, before, strict=True):
        for k, v in model.state_dict().items():
            assert torch.equal(v, was[k]) == (not k.startswith("modalities.2.")), k


def test_the_gradient_of_the_new_networks_is_that_of_the_whole_model():
    """What is held does not change what the others are told: the same step as with all of it free."""
    x = {k: torch.tensor(v, dtype=torch.float64) for k, v in values().items()}
    mask = {k: torch.ones(ROWS, dtype=torch.bool) for k in x}
    found = []
    for held in (False, True):
        model = small(precision="float64").adapt(values(), epochs=1).model_
        if held:
            model.requires_grad_(False)
            model["atac"].requires_grad_(True)
        how = TrainOptions(epochs=1, batch_size=ROWS, validation=0.0, precision="float64")
        Population([model], x, mask, how, [0]).run()  # one step
        found.append({k: v for k, v in model.state_dict().items() if k.startswith("modalities.2.")})
    for k in found[0]:
        assert torch.allclose(found[0][k], found[1][k], rtol=1e-9, atol=1e-12), k


def test_a_model_that_may_not_move_at_all_is_refused():
    model = small().model_.requires_grad_(False)
    x = {k: torch.zeros(8, n) for k, n in (("rna", 4), ("protein", 3))}
    with pytest.raises(InputError, match="no parameter requires a gradient"):
        Population([model], x, {k: torch.ones(8, dtype=torch.bool) for k in x}, TrainOptions(epochs=1), [0])


def test_units_of_old_modalities_are_not_fitted_again(fitted):
    x = values(seed=3)
    x["rna"] = 10 * x["rna"] + 5
    new = fitted.adapt(only(x, "rna", "atac"))
    for old in ("rna", "protein"):
        assert np.array_equal(new.preparation_[old].shift, fitted.preparation_[old].shift)
        assert np.array_equal(new.preparation_[old].scale, fitted.preparation_[old].scale)
    assert np.allclose(new.preparation_["atac"].shift, x["atac"].mean(0), atol=1e-6)
    assert fitted.preparation_.names == ("rna", "protein")


def test_own_networks_of_the_old_model_are_not_touched():
    pair = (nn.Linear(4, 4), nn.Linear(2, 4))
    m = small(network={"rna": pair})
    before = tensors(m)
    new = m.adapt(only(values(), "rna", "atac"), network={"atac": (nn.Linear(5, 4), nn.Linear(2, 5))})
    same_bits(before, tensors(m))
    same_bits(before, tensors(new))
    assert new.model_["rna"].encoder is not m.model_["rna"].encoder
    assert all(p.requires_grad for p in m.model_.parameters())
    assert isinstance(new.model_["atac"].decoder, nn.Linear)


# What is new


@pytest.mark.parametrize(
    "name",
    [
        *("mmvm", "poe"),
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("mvae", "mopoe", "moe", "mmvae", "mvtcae", "mmvae_plus")
        ),
    ],
)
def test_the_new_modality_gets_to_know_the_old_ones(name):
    settings = {"latent_dim": 2, "hidden": (32,), "beta": 0.1, "batch_size": 32, "validation": 0.0}
    settings |= {
        "epochs": 30,
        "learning_rate": 1e-2,
        "options": {"draws": 1} if name == "mmvae_plus" else None,
    }
    x, test = values(300, noise=0.05), values(200, seed=7, noise=0.05)
    m = cp.Counterpoint(name, **settings).fit(only(x, "rna", "protein"))
    data = read(only(x, "rna", "atac"))
    if name == "poe":  # it leans on the old encoders where it has them
        data = data.without("rna", np.arange(0, 300, 2))
    new = m.adapt(data)
    for source, target in (("atac", "rna"), ("atac", "protein"), ("rna", "atac")):
        made = new.translate(only(test, source), source, target)
        left = ((made - test[target]) ** 2).sum() / ((test[target] - x[target].mean(0)) ** 2).sum()
        assert left < 0.4, (source, target, left)
    if name == "mmvm":  # and what it reads matters: the rows of another order tell nothing
        made = new.translate({"atac": test["atac"][::-1]}, "atac", "rna")
        assert ((made - test["rna"]) ** 2).mean() > ((test["rna"] - x["rna"].mean(0)) ** 2).mean()


def test_new_networks_start_from_the_seed_whatever_was_there(fitted):
    still = {"learning_rate": 1e-30, "epochs": 1}
    one = cp.Counterpoint("mmvm", **SMALL).fit(only(values(), "protein"))
    found = [
        m.adapt(only(values(), "protein", "atac"), **still).model_["atac"].state_dict() for m in (fitted, one)
    ]
    same_bits(*found)
    other = fitted.adapt(only(values(), "protein", "atac"), seed=1, **still).model_["atac"].state_dict()
    assert any(not torch.equal(other[k], found[0][k]) for k in other)


def test_the_same_again_and_hidden_values_do_not_matter(fitted):
    x = only(values(seed=1), "rna", "atac")
    hidden = {"rna": np.arange(ROWS) % 3 > 0, "atac": np.ones((ROWS, 5), bool)}
    hidden["atac"][::4, 1] = False
    garbage = {k: v.copy() for k, v in x.items()}
    garbage["rna"][::3] = 1e6
    garbage["atac"][::4, 1] = -1e6
    found = [tensors(fitted.adapt(given, mask=hidden)) for given in (x, x, garbage)]
    same_bits(found[0], found[1])
    same_bits(found[0], found[2])


def test_rows_without_the_new_modality_are_left_out(fitted):
    x = values(seed=1)
    x["atac"][10:] = np.nan
    new = fitted.adapt(x)
    assert new.data_summary_["rows"] == 10
    same_bits(tensors(new), tensors(fitted.adapt({k: v[:10] for k, v in x.items()})))
    assert new.data_summary_["present"] == {"rna": 10, "protein": 10, "atac": 10}


def test_an_old_modality_may_be_absent_from_the_data(fitted):
    new = fitted.adapt(only(values(), "protein", "atac"))
    assert new.data_summary_["present"] == {"rna": 0, "protein": ROWS, "atac": ROWS}
    assert new.impute(only(values(), "atac"), to="rna")["rna"].filled.shape == (ROWS, 4)


def test_two_modalities_join_at_once_or_one_after_the_other(fitted):
    x = {**values(), "methyl": values()["atac"][:, ::-1].copy()}
    both = fitted.adapt(x)
    assert both.modalities_ == ("rna", "protein", "atac", "methyl")
    assert both.data_summary_["adapted"]["added"] == ["atac", "methyl"]
    first = fitted.adapt(x, ["rna", "atac"])
    second = first.adapt(x)
    same_bits(tensors(first), tensors(second))
    assert second.modalities_ == both.modalities_
    assert second.data_summary_["adapted"]["from"] == first.data_summary_["fingerprint"]


def test_likelihood_and_network_of_the_new_one():
    m = small(likelihood="laplace")
    x = {**only(values(), "rna"), "counts": np.random.default_rng(0).poisson(3.0, size=(ROWS, 4))}
    assert m.adapt(x).preparation_.likelihoods == {
        "rna": "laplace",
        "protein": "laplace",
        "counts": "laplace",
    }
    new = m.adapt(x, likelihood="poisson", network={"counts": "mlp"})
    assert new.preparation_.likelihoods["counts"] == "poisson"
    assert new.likelihood == {"rna": "laplace", "protein": "laplace", "counts": "poisson"}
    assert new.network == {"rna": "auto", "protein": "auto", "counts": "mlp"}
    assert m.likelihood == "laplace"


# Sessions


def sessions(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Three animals of unequal trials that saw the same four stimuli."""
    rng = np.random.default_rng(seed)
    tuning = {n: np.random.default_rng(5 + i).normal(size=(4, 6 + i)) for i, n in enumerate("ABC")}
    on = {n: np.arange(count) % 4 for n, count in (("A", 60), ("B", 52), ("C", 36))}
    return {n: tuning[n][on[n]] + 0.2 * rng.normal(size=(len(on[n]), 6 + i)) for i, n in enumerate("ABC")}, on


def test_a_session_joins_by_its_conditions():
    x, on = sessions()
    m = cp.Counterpoint(
        "mmvm", latent_dim=3, hidden=(16,), epochs=100, learning_rate=5e-3, beta=0.1, validation=0.0
    )
    m.fit(only(x, "A", "B"), pair_on=only(on, "A", "B"))
    new = m.adapt(x, pair_on=on)
    same_bits(tensors(m), tensors(new))
    assert new.data_summary_["rows"] == 60  # partners, too, that have no trial of the new one beside them
    later, which = sessions(seed=1)
    z = new.embed({"C": later["C"]})
    others = np.concatenate([new.embed({n: x[n]}) for n in "AB"])
    centres = np.stack([others[np.concatenate([on["A"], on["B"]]) == s].mean(0) for s in range(4)])
    nearest = ((z[:, None] - centres) ** 2).sum(-1).argmin(1)
    assert (nearest == which["C"]).mean() > 0.9


def test_conditions_that_the_new_session_does_not_have_are_left_out():
    x, on = sessions()
    rows = pair_sessions(x, {**on, "C": np.zeros(36, int)})
    new = cp.Counterpoint("mmvm", **SMALL).fit(rows.select(["A", "B"])).adapt(rows)
    assert new.data_summary_["rows"] == 36
    assert new.data_summary_["present"] == {"A": 15, "B": 13, "C": 36}


@pytest.mark.slow
def test_the_seventh_mouse_is_read_by_what_six_taught(real_data, monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "examples")
    from adapt_mouse import main  # pyright: ignore[reportMissingImports]

    found = main(real_data, fitted_folds=2)
    with capsys.disabled():
        print("\n" + capsys.readouterr().out)
    assert np.mean(found["joins six"]["other"]) > 0.2  # chance is 0.125
    assert np.mean(found["joins six, its directions shuffled"]["other"]) < 0.2


# A target


@pytest.mark.parametrize("labels", [True, False])
def test_a_target_goes_on_being_told(labels):
    rng = np.random.default_rng(0)
    x, kind = values(), np.array(["fat", "lean"])[rng.integers(2, size=ROWS)]
    known = {"kind": kind} if labels else {}
    m = cp.Counterpoint("mmvm", target="kind", **SMALL).fit(
        read(only(x, "rna", "protein"), labels={"kind": kind})
    )
    new = m.adapt(read(only(x, "rna", "atac"), labels=known))
    same_bits(tensors(m), tensors(new))
    assert new.modalities_ == ("rna", "protein", "atac")
    assert new.classes_.tolist() == ["fat", "lean"]
    assert set(new.predict(only(x, "atac"))) <= {"fat", "lean"}
    assert new.data_summary_["present"]["kind"] == (ROWS if labels else 0)
    assert np.array_equal(m.predict_proba(only(x, "rna")), new.predict_proba(only(x, "rna")))


# Covariates


def test_covariates_are_those_of_the_old_model():
    x, donor = values(), np.array(["A", "B", "C", "D"])[np.arange(ROWS) % 4]
    m = cp.Counterpoint("mmvm", batch="donor", **SMALL)
    m.fit(read(only(x, "rna", "protein"), labels={"donor": donor}))
    x["atac"][np.isin(donor, ["C", "D"])] = np.nan
    new = m.adapt(read(only(x, "rna", "atac"), labels={"donor": donor}))
    same_bits(tensors(m), tensors(new))
    told = read(only(x, "rna"), labels={"donor": donor})
    assert np.array_equal(m.embed_each(told)["rna"], new.embed_each(told)["rna"])
    covariates = new.preparation_.covariates
    assert covariates is not None
    assert covariates.each[0].having["atac"] == (10, 10, 0, 0)
    assert covariates.known("atac")[3].tolist() == [0.5, 0.5, 0.0, 0.0]
    with pytest.raises(InputError, match="no label 'donor'"):
        m.adapt(only(x, "rna", "atac"))
    with pytest.raises(InputError, match="holds 'E', which no training row had"):
        m.adapt(read(only(x, "rna", "atac"), labels={"donor": np.full(ROWS, "E")}))
    with pytest.raises(InputError, match="no row that has 'atac' says its 'donor'"):
        m.adapt(read(only(x, "rna", "atac"), labels={"donor": np.array([None] * ROWS)}))
    rows = read(only(x, "rna", "atac"), labels={"donor": donor}).paired(np.zeros(ROWS, int))
    with pytest.raises(InputError, match="the model is told donor of every row, and these rows are paired"):
        m.adapt(rows)


# Runs


def test_it_is_an_ordinary_run(fitted, tmp_path):
    x = values(seed=1)
    new = fitted.adapt(only(x, "rna", "atac"), run=tmp_path / "new", likelihood="laplace", epochs=3)
    again = cp.load(tmp_path / "new")
    same_bits(tensors(new), tensors(again))
    assert np.array_equal(new.embed(x), again.embed(x))
    assert again.get_params()["epochs"] == 3
    card = json.loads((tmp_path / "new" / "data_card.json").read_text())
    assert card["training"]["adapted"] == {"from": fitted.data_summary_["fingerprint"], "added": ["atac"]}
    assert [m["name"] for m in card["preparation"]["modalities"]] == ["rna", "protein", "atac"]
    assert "atac joined a trained model" in (tmp_path / "new" / "README.md").read_text()
    assert again.adapt({"rna": x["rna"], "more": x["atac"]}).modalities_[-1] == "more"


class Stop(Exception):
    pass


def test_an_interrupted_one_goes_on_exactly(fitted, tmp_path, monkeypatch):
    x, run = only(values(seed=1), "rna", "atac"), tmp_path / "new"
    whole = fitted.adapt(x, epochs=4)
    epoch = Population._train_epoch

    def stops(p):
        if p.progress[0].epoch == 2:
            raise Stop
        return epoch(p)

    monkeypatch.setattr(Population, "_train_epoch", stops)
    with pytest.raises(Stop):
        fitted.adapt(x, epochs=4, run=run, checkpoint_seconds=0)
    monkeypatch.undo()
    with pytest.raises(InputError, match="belongs to another configuration"):
        small(seed=0, beta=0.9).adapt(x, epochs=4, run=run, resume=True)
    other = small()
    with torch.no_grad():  # the same configuration and data, other weights
        next(other.model_.parameters()).add_(1.0)
    with pytest.raises(InputError, match="belongs to another configuration or other data"):
        other.adapt(x, epochs=4, run=run, resume=True)
    resumed = fitted.adapt(x, epochs=4, run=run, resume=True)
    same_bits(tensors(whole), tensors(resumed))
    with pytest.raises(InputError, match="finished run"):
        fitted.adapt(x, run=run)


# Bad input


@pytest.mark.parametrize("name", READS_ALL)
def test_a_method_that_reads_all_at_once_is_refused(name):
    with pytest.raises(InputError, match=f"cannot join a trained {name}: its network that reads all"):
        small(name).adapt(values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda x: only(x, "rna", "protein"), "hold no new modality, only rna, protein"),
        (lambda x: only(x, "atac"), r"atac alone and none of the model's modalities \(rna, protein\).*pair"),
        (lambda x: {"rnaa": x["rna"], "atac": x["atac"]}, "nothing ties.*Did you mean 'rna'"),
        (lambda x: {"rna": x["rna"][:, :3], "atac": x["atac"]}, "rna"),
        (lambda x: {"rna": x["rna"], "atac": x["atac"][:9]}, "unequal numbers of rows"),
        (lambda x: {"rna": x["rna"], "atac": np.full((ROWS, 2), np.nan)}, "'atac' is never observed"),
    ],
)
def test_data_that_cannot_be_used(fitted, given, said):
    with pytest.raises(InputError, match=said):
        fitted.adapt(given(values()))


def test_modalities_that_are_never_together(fitted):
    x = only(values(), "rna", "atac")
    x["rna"][:20], x["atac"][20:] = np.nan, np.nan
    with pytest.raises(InputError, match=r"no row has 'atac' beside a modality of the model \(rna\)"):
        fitted.adapt(x)
    trials, on = sessions()
    m = cp.Counterpoint("mmvm", **SMALL).fit(only(trials, "A", "B"), pair_on=only(on, "A", "B"))
    rows = pair_sessions({**trials, "D": trials["A"]}, {**on, "C": on["C"] + 10, "D": on["A"] + 10})
    with pytest.raises(InputError, match="no condition has 'C' beside a modality of the model"):
        m.adapt(rows)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"modalities": ["rna", "atak"]}, "Did you mean 'atac'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"seed": -1}, "seed"),
        ({"likelihood": "gauss"}, "likelihood"),
        ({"likelihood": {"rna": "laplace"}}, "likelihood: modality is 'rna'; allowed are atac"),
        ({"network": {"atack": "mlp"}}, "Did you mean 'atac'"),
        ({"network": "mpl"}, "mlp"),
        ({"resume": True}, "without run"),
    ],
)
def test_options_that_cannot_be_used(fitted, more, said):
    with pytest.raises(InputError, match=said):
        fitted.adapt(only(values(), "rna", "atac"), **more)


def test_rows_that_stay_in_their_file_are_refused(fitted, tmp_path):
    for name, table in values().items():
        np.save(tmp_path / f"{name}.npy", table)
    data = read(tmp_path, backed=True)
    with pytest.raises(InputError, match=r"stay in their file.*load\(\)"):
        fitted.adapt(data)


def test_a_model_that_was_not_fitted():
    with pytest.raises(InputError, match="not fitted"):
        cp.Counterpoint().adapt(values())


# The command line


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = values()
    np.savez("data.npz", rna=x["rna"], protein=x["protein"])
    np.savez("new.npz", rna=x["rna"], atac=x["atac"], extra=x["protein"])
    small().save("runs/old")
    return tmp_path


def test_the_verb(here, capsys):
    words = ["adapt", "runs/old", "new.npz", "--run", "runs/new", "--modalities", "rna,atac", "--epochs", "2"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "atac joined rna, protein" in out
    assert "numbers trained on 40 rows" in out
    assert out.splitlines()[-1] == "next:  counterpoint embed runs/new new.npz"
    new = runs.load("runs/new")
    assert new.modalities_ == ("rna", "protein", "atac")
    same_bits(tensors(runs.load("runs/old")), tensors(new))
    assert cli.main(words) == 2
    assert "finished run" in capsys.readouterr().err
    assert cli.main([*words, "--overwrite", "true"]) == 0


def test_the_verb_refuses(here, capsys):
    assert cli.main(["adapt", "runs/old", "data.npz", "--run", "runs/new"]) == 2
    assert "hold no new modality" in capsys.readouterr().err
    assert cli.main(["adapt", "runs/old", "new.npz", "--run", "runs/old", "--overwrite", "true"]) == 2
    assert "would be written over" in capsys.readouterr().err
    assert not (here / "runs" / "new").exists()


def test_the_verb_with_sessions(here, capsys):
    x, on = sessions()
    for name in x:
        np.savez(f"{name}.npz", traces=x[name], odor=on[name])
    files = [f"{n}.npz" for n in "ABC"]
    cp.Counterpoint("mmvm", **SMALL).fit(files[:2], pair_on="odor", run="runs/AB")
    assert (
        cli.main(["adapt", "runs/AB", *files, "--pair-on", "odor", "--run", "runs/ABC", "--epochs", "2"]) == 0
    )
    assert "C joined A, B" in capsys.readouterr().out
    assert runs.load("runs/ABC").modalities_ == ("A", "B", "C")
