"""Presets: what each paper and each released code does, restated; docs/conventions.md argues the defaults."""

import pytest

import toy
from counterpoint.errors import InputError
from counterpoint.methods import METHODS, method

ONCE, EACH = {"kl_count": "once"}, {"kl_count": "per_modality"}  # the released codes add one KL a modality
SAID = {
    "independent": {"paper": {"beta_power": 1}, "official": {"beta_power": 2}},  # beta counted twice there
    "avg": {"paper": ONCE, "official": EACH},
    "poe": {
        "paper": {**ONCE, "prior_expert": "none"},
        "official": {**EACH, "prior_expert": "none"},
    },
    "mvae": {key: {"prior_expert": "all", "random_subsets": 1} for key in ("paper", "official")},
    "jmvae": {"paper": {"alpha": 0.1}},
    "split": {
        "official": {**EACH, "decoding": "simple", "draw": "stratified"},
        "official_plus": {**EACH, "decoding": "cross", "draw": "stratified"},
    },
    "moe": {"paper": {**ONCE, "draw": "all"}, "official": {**EACH, "draw": "stratified"}},
    "mmvae": {
        "paper": {"objective": "dreg", "averaging": "looser", "draws": 30, "posterior": "laplace_sum"},
        "elbo": {"objective": "elbo_naive", "draws": 1, "posterior": "laplace_sum"},
    },
    "mmvae_plus": {
        "paper": {"objective": "dreg", "draws": 10, "posterior": "laplace_sum"},
        "official": {"objective": "elbo", "draws": 1, "posterior": "laplace_sum"},
    },
    "mopoe": {
        "paper": {**ONCE, "draw": "all", "prior_expert": "none"},
        "official": {**ONCE, "draw": "stratified", "prior_expert": "full"},  # with all modalities alone
        "official_mmvm": {**EACH, "draw": "stratified", "prior_expert": "none"},
    },
    "mmjsd": {
        "paper": {"draw": "all", "prior_drawn": False},
        "official": {"draw": "stratified", "prior_drawn": True},  # noise of the prior is reconstructed, too
    },
    "mmvm": {
        "paper": {"rate": "mixture", "alpha": 0.0},
        "official": {"rate": "pairwise", "alpha": 0.0},
        "official_annealed": {"rate": "pairwise", "alpha": "exp:1:0:150000"},
    },
    "cmmd": {
        "paper": {"kl": "correct", "classify": "draw", "classifier_weight": 10.0},
        "official": {  # the sum over a batch of 100, where the paper has a mean
            **{"kl": "released", "classify": "mean", "classifier_weight": 1000.0},
            "decoder_sees_observed": True,
        },
    },
}


@pytest.mark.parametrize("name", METHODS)
def test_a_preset_is_what_its_source_does(name):
    assert toy.presets(name) == SAID.get(name, {})


@pytest.mark.parametrize("weight", ["linear:0:1:20", 1.5])
def test_a_weight_of_which_one_minus_it_is_none_needs_both(weight):
    with pytest.raises(InputError, match="give mmd_weight too"):
        method("cmmd", {"kl_weight": weight})
    both = method("cmmd", {"kl_weight": weight, "mmd_weight": 0.5})
    assert both.at(10**6)["mmd_weight"] == 0.5
    assert method("cmmd", {"kl_weight": 1.0}).at(0)["mmd_weight"] == 0.0
