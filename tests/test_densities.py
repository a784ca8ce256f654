"""What it means to be a density over latents: normalised, the same twice, storable, and about its latents."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.numpy import save as write_arrays
from torch import nn

from counterpoint import densities
from counterpoint.densities import (
    KINDS,
    Components,
    GaussianMixture,
    Standard,
    Vamp,
    descent,
    pack,
    unpack,
)
from counterpoint.densities.scaling import Scaling
from counterpoint.errors import InputError

EVERY = pytest.mark.parametrize("kind", KINDS)
LEARNED = pytest.mark.parametrize("kind", densities.FITTED)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two(rows: int = 240, dim: int = 1) -> torch.Tensor:
    """Latents of two narrow classes, 3 to 1, off the centre and in a unit of their own."""
    side = torch.where(torch.rand(rows, 1, generator=stream(1)) < 0.75, -1.0, 1.0)
    return (10 + 4 * (side + 0.3 * torch.randn(rows, dim, generator=stream(2)))).double()


class Moving(nn.Module):
    """Pseudo-inputs of encoders that are the identity."""

    def __init__(self, family, loc, scale):
        super().__init__()
        self.loc = nn.Parameter(loc.clone())
        self.family, self.scale = family, scale

    def forward(self):
        return Components(self.family, self.loc, self.scale, torch.ones(len(self.loc)))


def made(kind: str, z: torch.Tensor, seed: int = 0, family: str = "normal"):
    if kind == "standard":
        return Standard.of(z.shape[1], family)

    def inputs(rows):
        return Moving(family, z[rows], torch.full_like(z[rows], 0.8))

    return densities.fit(kind, z, seed, inputs=inputs)


@pytest.fixture
def quick(monkeypatch):
    """Networks are trained a little only, where it does not matter how well they fit."""
    monkeypatch.setattr(descent, "EPOCHS", 15)


@pytest.fixture(scope="module")
def lines():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "EPOCHS", 60)
        return {kind: made(kind, two()) for kind in KINDS}


@pytest.fixture(scope="module")
def planes():
    return {kind: made(kind, two(dim=2)) for kind in KINDS}


@EVERY
def test_it_integrates_to_one_on_a_line(kind, lines):
    z = torch.linspace(-20, 40, 1001, dtype=torch.float64)
    p = lines[kind].log_prob(z[:, None]).exp()
    assert p.shape == z.shape
    assert torch.trapezoid(p, z).item() == pytest.approx(1, abs=0.02)


@EVERY
def test_it_integrates_to_one_on_a_plane(kind, planes):
    low, high = (-9, 9) if kind == "standard" else (-4, 24)
    axis = torch.linspace(low, high, 71, dtype=torch.float64)
    p = planes[kind].log_prob(torch.cartesian_prod(axis, axis)).exp().reshape(71, 71)
    assert torch.trapezoid(torch.trapezoid(p, axis), axis).item() == pytest.approx(1, abs=0.03)


@EVERY
def test_draws_follow_the_density(kind, lines):
    """The share of draws below a point is the integral up to it."""
    drawn = lines[kind].sample(20_000, stream())[:, 0]
    z = torch.linspace(-20, 40, 1001, dtype=torch.float64)
    upto = torch.cumulative_trapezoid(lines[kind].log_prob(z[:, None]).exp(), z)
    for at in (0.0, 6.0, 8.0, 13.0):
        i = int(torch.searchsorted(z, torch.tensor(at, dtype=torch.float64)))
        assert (drawn < at).double().mean().item() == pytest.approx(upto[i - 1].item(), abs=0.03), at


@LEARNED
def test_a_known_mixture_is_recovered(kind, planes):
    """Two classes, 3 to 1: their shares, their centres, and little between them."""
    drawn = planes[kind].sample(4000, stream())
    low = drawn[:, 0] < 10
    share = (two()[:, 0] < 10).double().mean().item()
    sharp = kind != "hyperprior"  # whose decoder maps one blob to two classes: a bridge is left between them
    # k-means takes pseudo-inputs evenly over the plane, so vamp has more of the rarer class
    assert low.double().mean().item() == pytest.approx(share, abs=0.05 if kind != "vamp" else 0.15)
    assert drawn[low].mean(0).numpy() == pytest.approx(6 * np.ones(2), abs=0.6 if sharp else 1.2)
    assert drawn[~low].mean(0).numpy() == pytest.approx(14 * np.ones(2), abs=0.8 if sharp else 1.2)
    middle = (drawn[:, 0] - 10).abs() < 1
    assert middle.double().mean() < (0.08 if sharp else 0.12)


@LEARNED
def test_it_finds_new_rows_more_probable_than_one_normal_does(kind, planes):
    z, held = two(dim=2), two(400, dim=2)[240:]
    one = GaussianMixture.fit(z, 0, components=1)
    assert planes[kind].log_prob(held).mean() > one.log_prob(held).mean()


@LEARNED
def test_the_same_seed_gives_the_same_numbers_and_nothing_global_moves(kind, quick):
    z = two(80, dim=2)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, again, other = made(kind, z), made(kind, z), made(kind, z, seed=1)
    draws = [d.sample(50, stream(3)) for d in (one, again)]
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert pack(one) == pack(again)
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], one.sample(50, stream(4)))
    assert pack(one) != pack(other) or kind in ("gmm", "vamp")


@EVERY
def test_it_survives_being_stored(kind, planes):
    one = planes[kind]
    again = unpack(pack(one))
    assert type(again) is type(one)
    assert again.settings == one.settings
    assert again.settings["kind"] == kind
    assert torch.equal(one.sample(20, stream()), again.sample(20, stream()))
    assert torch.equal(one.log_prob(two(20, 2)), again.log_prob(two(20, 2)))
    assert pack(again) == pack(one)


@LEARNED
def test_collapsed_dimensions_break_nothing(kind, quick):
    """One dimension is constant, one hardly varies: draws are where the latents are, at finite density."""
    z = torch.cat([two(120, 2), torch.full((120, 1), 3.0), 1e-4 * two(120, 1)], 1).double()

    def inputs(rows):
        scale = torch.tensor([0.8, 0.8, 1e-3, 1e-5], dtype=torch.float64).expand(len(rows), 4)
        return Moving("normal", z[rows], scale)

    density = densities.fit(kind, z, 0, inputs=inputs)
    drawn = density.sample(300, stream())
    assert torch.isfinite(density.log_prob(z)).all()
    assert (drawn[:, 2] - 3).abs().max() < 0.01
    away, spread = (drawn[:, 3] - z[:, 3].mean()).abs(), z[:, 3].std().item()
    assert away.quantile(0.95) < 3 * spread
    assert drawn[:, 0].std() == pytest.approx(z[:, 0].std().item(), rel=0.5)


def test_the_units_do_not_matter():
    """A density of scaled latents is the scaled density, its log moved by log |d|."""
    z, factor = two(100, 2), torch.tensor([100.0, 0.01], dtype=torch.float64)
    one, other = (GaussianMixture.fit(x, 0, components=2) for x in (z, z * factor + 7))
    moved = other.log_prob(z * factor + 7) + factor.log().sum()
    np.testing.assert_allclose(moved, one.log_prob(z), atol=1e-8)


def test_constant_dimensions_have_a_narrow_normal_each():
    z = torch.cat([two(50), torch.full((50, 1), 2.0)], 1).double()
    scaling = Scaling.fit(z)
    s = scaling.scale[1].item()
    at = torch.tensor([[z[0, 0], 2.0 + s]], dtype=torch.float64)
    still = -0.5 - math.log(s) - 0.5 * math.log(2 * math.pi)
    assert scaling.log_volume(at).item() == pytest.approx(-math.log(scaling.scale[0].item()) + still)


def test_the_number_of_components_is_chosen_on_rows_held_back():
    """Fewer than the five classes are not taken; the trace says what every number reached."""
    centre = torch.tensor([[-20.0, 0.0], [0.0, 20.0], [20.0, 0.0], [0.0, -20.0], [0.0, 0.0]])
    z = (centre.repeat(60, 1) + torch.randn(300, 2, generator=stream())).double()
    found = GaussianMixture.fit(z, 0).settings
    tried = found["tried"]
    assert set(tried) == {"1", "2", "5", "10", "20", "40"}
    assert tried[str(found["components"])] == max(tried.values())
    assert found["components"] in (5, 10)
    assert tried["5"] > max(tried["1"], tried["2"]) + 0.5


def test_mixture_against_scikit_learn():
    from sklearn.mixture import GaussianMixture as Theirs

    z = two(200, 2)
    x = (z - z.mean(0)) / z.std(0, correction=0)
    theirs = Theirs(2, reg_covar=1e-4, random_state=0).fit(x)
    wanted = theirs.score_samples(x.numpy()) - z.std(0, correction=0).log().sum().item()
    np.testing.assert_allclose(GaussianMixture.fit(z, 0, 2).log_prob(z), wanted, atol=1e-3)


def test_fewer_rows_than_dimensions_are_fitted():
    z = torch.randn(12, 30, generator=stream()).double()
    found = GaussianMixture.fit(z, 0, components=4)
    assert torch.isfinite(found.log_prob(z)).all()
    assert found.settings["reg_covar"] > 0


class Still(nn.Module):
    """Pseudo-inputs of which nothing changes the posteriors."""

    def __init__(self, parts):
        super().__init__()
        self.parts, self.idle = parts, nn.Parameter(torch.zeros(1))

    def forward(self):
        p = self.parts
        return Components(p.family, p.loc + 0 * self.idle, p.scale, p.weight)


def test_vamp_is_the_mean_of_the_posteriors_it_names():
    """Against a loop over torch.distributions, Laplace experts of unequal weight among them."""
    z, weight = two(30, 2), torch.linspace(1, 2, 30)
    scale = torch.rand(30, 2, generator=stream()).double() + 0.5
    seen = []

    def inputs(rows):
        seen.extend(rows)
        return Still(Components("laplace", z[rows], scale[rows], weight[torch.from_numpy(rows)]))

    density = Vamp.fit(z, 0, inputs, components=4)
    assert len(set(seen)) == len(seen) == 4
    at = torch.tensor([[5.0, 7.0], [14.0, 13.0]], dtype=torch.float64)
    total = torch.zeros(2, dtype=torch.float64)
    for row in seen:
        each = torch.distributions.Laplace(z[row], scale[row]).log_prob(at).sum(1).exp()
        total += each * weight[row] / weight[seen].sum()
    np.testing.assert_allclose(density.log_prob(at), total.log(), atol=1e-6)


def test_vamp_learns_its_pseudo_inputs():
    """One unit normal of 30 rows of N(m, I): the best pseudo-input is their mean, not the nearest row."""
    z = torch.randn(300, 2, generator=stream()).double() + 3
    started = []

    def inputs(rows):
        found = Moving("normal", z[rows] + 1, torch.ones_like(z[rows]))
        started.append(torch.distributions.Normal(found.loc.detach(), 1.0).log_prob(z).sum(1).mean().item())
        return found

    density = Vamp.fit(z, 0, inputs, components=1)
    assert (density.parts.loc[0] - z.mean(0)).abs().max() < 0.15
    assert density.log_prob(z).mean() > started[0] + 0.5
    assert density.settings["epochs"] > 1


@pytest.mark.parametrize("family", ["normal", "laplace"])
def test_the_prior_is_the_prior(family):
    p = {"normal": torch.distributions.Normal, "laplace": torch.distributions.Laplace}[family](0.0, 1.0)
    z = torch.linspace(-3, 3, 8, dtype=torch.float64).reshape(4, 2)
    density = Standard.of(2, family)
    np.testing.assert_allclose(density.log_prob(z), p.log_prob(z).sum(1))
    assert density.sample(20_000, stream()).std().item() == pytest.approx(p.stddev.item(), abs=0.03)


def test_a_flow_needs_zuko_only_when_it_is_used(lines, monkeypatch):
    import sys

    content = pack(lines["flow"])
    monkeypatch.setitem(sys.modules, "zuko", None)
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    found = unpack(content)
    with pytest.raises(ImportError):
        found.sample(1, stream())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: densities.fit("gm", two(), 0), r"density is 'gm'; allowed are gmm, .*Did you mean 'gmm'"),
        (lambda: densities.fit("gmm", two(9), 0), r"shape \(9, 1\); a density needs at least 10 rows"),
        (lambda: densities.fit("gmm", two() * torch.nan, 0), "not finite"),
        (lambda: densities.fit("gmm", torch.ones(30, 2), 0), "no latent dimension varies"),
        (lambda: densities.fit("gmm", two(30), 0, components=31), "components is 31, of 30 rows"),
        (lambda: densities.fit("gmm", two(30), 0, components=0), "components is 0; it must be a whole"),
        (lambda: densities.fit("flow", two(30), 0, components=3), "components is 3, and flow has none"),
        (lambda: Standard.of(2, "normla"), "family is 'normla'"),
        (lambda: unpack(b"nonsense", "a.safetensors"), "a.safetensors is damaged"),
        (lambda: unpack(pack(Standard.of(2))[:-9], "it"), "it is damaged"),
    ],
)
def test_what_cannot_be_is_refused(call, says):
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def tampered(one, change, **settings) -> bytes:
    """The file of a density whose arrays were changed, or what its settings say."""
    arrays = {k: np.ascontiguousarray(v) for k, v in change(dict(one.state())).items()}
    told = {"density": json.dumps({**one.settings, **settings}, sort_keys=True)}
    return write_arrays(arrays, metadata=told)


@LEARNED
def test_arrays_that_do_not_belong_together_are_refused(kind, planes):
    """One cut short at a time, or gone: told when it is read, or when its network is made, never later."""
    names = [name for name, value in planes[kind].state().items() if np.ndim(value)]
    for name in names:
        for change in (
            lambda arrays, name=name: {**arrays, name: arrays[name][..., :-1]},
            lambda arrays, name=name: {k: v for k, v in arrays.items() if k != name},
        ):
            with pytest.raises(InputError, match="damaged"):
                unpack(tampered(planes[kind], change)).sample(2, stream())
    assert names


def test_a_dimension_more_or_less_that_varies_is_refused(planes):
    for kind in ("gmm", "flow", "hyperprior"):
        for live in ([False, False], [True, False]):
            with pytest.raises(InputError, match="damaged"):
                unpack(tampered(planes[kind], lambda arrays, live=live: {**arrays, "scaling.live": live}))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("flow", {"hidden": [10**9]}),
        ("flow", {"hidden": [64, 64, 64]}),
        ("flow", {"transforms": 10**9}),
        ("flow", {"bins": 10**12}),
        ("flow", {"bins": -1}),
        ("flow", {"features": 3}),
        ("flow", {"hidden": [64, 63]}),
        ("flow", {"hidden": 64}),
        ("flow", {"hidden": [[64], 64]}),
        ("hyperprior", {"hidden": [32, 32]}),
        ("hyperprior", {"hidden": 10**9}),
        ("hyperprior", {"hidden": 31}),
        ("hyperprior", {"features": 10**9}),
        ("vamp", {"family": "cauchy"}),
        ("standard", {"dim": 0}),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused_before_memory_is_asked_for(kind, told, planes):
    with pytest.raises(InputError, match=r"damaged|family is 'cauchy'|dim is 0"):
        unpack(tampered(planes[kind], lambda arrays: arrays, **told)).sample(2, stream())


@EVERY
def test_a_density_of_other_latents_is_refused(kind, planes):
    assert unpack(pack(planes[kind]), "it", 2).dim == 2
    with pytest.raises(InputError, match=r"it is damaged.*of 2 dimensions, the model's latents have 3"):
        unpack(pack(planes[kind]), "it", 3)
