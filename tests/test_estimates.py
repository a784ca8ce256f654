"""Log-likelihoods against the linear-Gaussian model, where they are known; posteriors by modality."""

import math

import pytest
import torch

import toy
from counterpoint import estimates, inference
from counterpoint.batch import Batch
from counterpoint.distributions import Mixture
from counterpoint.errors import InputError
from counterpoint.methods import METHODS, method
from counterpoint.priors import StandardNormal
from test_linear_gaussian import BATCH, ROWS, D, F, log_p, model

GAUSSIAN = [name for name in METHODS if isinstance(METHODS[name]().prior, StandardNormal)]
# One posterior of all that a row has; the width of vcca's does not follow what is absent: it is not exact.
SHARED = [name for name in GAUSSIAN if name not in ("independent", "vcca")]
NORMAL = {name: {"posterior": "normal"} for name in ("mmvae", "mmvae_plus")}  # whose prior is Laplace else


def g(seed=0):
    return torch.Generator().manual_seed(seed)


def ask(vae, batch=BATCH, draws=20, seed=0, **options):
    return estimates.log_likelihood(vae, batch, draws=draws, generator=g(seed), **options)


def spoiled(vae, by=0.05, seed=2):
    """The same model with encoders that are somewhat wrong (and wider than exact without prior expert)."""
    noise = g(seed)
    with torch.no_grad():
        for encoder in [*(vae[name].encoder for name in vae.names), vae.joint or torch.nn.Identity()]:
            for p in encoder.parameters():
                p.add_(by * torch.randn(p.shape, generator=noise, dtype=p.dtype))
    return vae


def test_the_exact_posterior_gives_log_p_with_any_draws_whatever_is_missing():
    vae = model(method("poe", {"prior_expert": "all"}))
    for names in (("a", "b"), ("a",), ("b",)):
        found = ask(vae, draws=2, targets=names)
        torch.testing.assert_close(found.log_p, log_p(BATCH.given(names)), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.effective, torch.full((ROWS,), 2.0, dtype=F))
    assert found.log_p[3] == 0


def test_private_latents_are_integrated_out():
    """Decoders that use them: x_m = W_m z + V_m w_m + b_m + s_m e_m, and the posteriors know nothing of V."""
    vae, width = model(method("mopoe", {"private_dim": 2})), 2
    extra = {}
    with torch.no_grad():
        for name in vae.names:
            decoder = vae[name].decoder
            v = 0.4 * torch.randn((decoder.weight.shape[0], width), generator=g(5), dtype=F)
            decoder.weight[:, D:] = v
            extra[name] = v @ v.T
    near(ask(vae, draws=8000), log_p(extra=extra))
    near(ask(vae, draws=8000, targets=("b",), given=("a",)), log_p(BATCH.given(("b",)), extra=extra))


def near(found, truth, within=0.05):
    """Right to `within` nats where enough draws count, and within four standard errors anywhere."""
    error = torch.sqrt(1 / found.effective - 1 / found.draws)
    gap = (found.log_p - truth).abs()
    assert (gap[found.effective > 1000] < within).all()
    assert (gap <= 4 * error + 1e-9).all()


def by_quadrature(vae, batch, names):
    """log of the integral over a latent of one dimension, each row with its own column of covariates."""
    z, found = torch.linspace(-9, 9, 3001, dtype=F), []
    for n in range(batch.rows):
        total = torch.distributions.Normal(0.0, 1.0).log_prob(z)
        told = torch.stack([batch.covariates[n]] * len(z))
        for name in names:
            out = vae[name].decoder(torch.cat([z[:, None], told], 1))
            x, mask = (v[name][n][None].expand(len(z), *v[name].shape[1:]) for v in (batch.x, batch.mask))
            total = total + vae[name].likelihood.log_prob(out, x, mask)
        found.append(torch.logsumexp(total, 0) + math.log(float(z[1] - z[0])))
    return torch.stack(found).detach()


@pytest.mark.parametrize("name", ["poe", "mopoe", "mvae", "jmvae", "independent"])
def test_rows_that_are_told_their_donor_have_its_likelihood(name):
    vae, rows, told = toy.model(method(name), latent=1, told=3), toy.batch(rows=9), torch.eye(3, dtype=F)
    with torch.no_grad():
        for modality in vae.modalities:
            modality.decoder[0].weight[:, -3:] *= 4  # the donor matters
        encoders = [*(modality.encoder for modality in vae.modalities), vae.joint or torch.nn.Identity()]
        for p in (p for encoder in encoders for p in encoder.parameters()):
            p *= 0.1  # proposals about as wide as the prior
    found = {}
    for turn in (0, 1):
        donor = (torch.arange(9) + turn) % 3
        batch = Batch(rows.x, rows.mask, told[donor])
        for targets in (vae.names, vae.names[:1]):
            alone = [(t,) for t in targets] if name == "independent" else [targets]
            exact = sum(by_quadrature(vae, batch, names) for names in alone)
            exact = torch.where(rows.present[: len(targets)].any(0), exact, 0.0)
            estimate = ask(vae, batch, draws=2000, targets=targets)
            error = torch.sqrt(1 / estimate.effective - 1 / estimate.draws)
            assert ((estimate.log_p - exact).abs() <= 4 * error + 1e-9).all()
            assert error.max() < 0.25
        found[turn] = exact
    assert (found[0] - found[1])[rows.present[0]].abs().min() > 0.05


@pytest.mark.parametrize("name", SHARED)
def test_a_wrong_proposal_is_right_to_a_twentieth_of_a_nat_with_more_draws(name):
    found = ask(spoiled(model(method(name, NORMAL.get(name)))), draws=5000)
    near(found, log_p())
    assert (found.effective > 1000).sum() >= ROWS - 1
    assert (found.effective[:3] < 4999).all()


def test_a_proposal_that_saw_one_modality_estimates_the_same_log_p_less_well():
    vae = model(method("mopoe"))
    own, other = ask(vae, draws=5000), ask(vae, draws=5000, given=("b",))
    near(other, log_p())
    assert (other.effective[[0, 4, 5]] < own.effective[[0, 4, 5]]).all()
    crossed = ask(vae, draws=5000, targets=("a",), given=("b",))
    assert crossed.log_p[[1, 3]].tolist() == [0, 0]  # they lack a
    assert crossed.effective[[1, 3]].tolist() == [5000, 5000]
    held = torch.tensor([0, 2, 5])
    assert (crossed.log_p - log_p(BATCH.given(("a",))))[held].abs().max() < 0.05


def test_independent_latents_add_up_their_modalities():
    vae = spoiled(model(method("independent")))
    each = {n: ask(vae, draws=5000, targets=(n,)) for n in vae.names}
    for n in vae.names:
        near(each[n], log_p(BATCH.given((n,))))
    both = ask(vae, draws=5000, seed=1)
    near(both, sum(log_p(BATCH.given((n,))) for n in vae.names), within=0.1)
    sums = sum(1 / each[n].effective - 1 / 5000 for n in vae.names)  # same noise, other draws
    torch.testing.assert_close(1 / both.effective - 1 / 5000, sums, rtol=0.8, atol=1e-9)
    assert both.log_p[3] == 0
    assert both.effective[3] == 5000
    alone = ask(vae, draws=5000, targets=("b",), seed=1)
    assert (both.effective[[0, 4, 5]] <= 5000).all()
    assert (alone.log_p[1] - both.log_p[1]).abs() < 0.05


def test_in_expectation_it_grows_with_the_draws_from_below():
    vae = spoiled(model(method("moe")), by=0.3)
    rows = torch.zeros(3000, dtype=torch.long)
    many = Batch({k: v[rows] for k, v in BATCH.x.items()}, {k: v[rows] for k, v in BATCH.mask.items()})
    means, errors = [], []
    for draws in (1, 4, 64):
        values = ask(vae, many, draws=draws).log_p
        means.append(values.mean())
        errors.append(values.std() / 3000**0.5)
    assert means[0] + 4 * errors[0] < means[1] - 4 * errors[1]
    assert means[1] + 4 * errors[1] < means[2] - 4 * errors[2]
    assert means[2] < log_p()[0] + 4 * errors[2]


TABLE = torch.randn((30, 9, 40), generator=g(9), dtype=F)
UNIFORM = torch.rand(9, generator=g(8), dtype=F)


def fixed_noise(monkeypatch, order):
    """Let the noise of every row come from a table, in the order of the rows."""
    given = iter(TABLE[:, order])
    monkeypatch.setattr(torch, "randn", lambda shape, **k: next(given)[..., : shape[-1]])
    monkeypatch.setattr(torch, "rand", lambda *a, **k: UNIFORM[order])


@pytest.mark.parametrize("name", GAUSSIAN)
def test_rows_never_meet(name, monkeypatch):
    """A row's result with its noise is the same in any place and alone."""
    vae, batch = toy.model(method(name), "mixed"), toy.batch("mixed", rows=9)
    fixed_noise(monkeypatch, slice(None))
    whole = ask(vae, batch, draws=10)
    orders = [torch.tensor([4, 0, 8, 2, 1, 7, 3, 6, 5])] + [torch.tensor([n]) for n in range(9)]
    for order in orders:
        part = Batch({k: v[order] for k, v in batch.x.items()}, {k: v[order] for k, v in batch.mask.items()})
        fixed_noise(monkeypatch, order)
        found = ask(vae, part, draws=10)
        torch.testing.assert_close(found.log_p, whole.log_p[order])
        torch.testing.assert_close(found.effective, whole.effective[order])


@pytest.mark.parametrize("name", ["mopoe", "independent"])
def test_chunks_do_not_matter(name, monkeypatch):
    vae, batch = toy.model(method(name), "mixed"), toy.batch("mixed", rows=9)
    whole = ask(vae, batch, draws=10)
    monkeypatch.setattr(estimates, "CHUNK", 27)
    torch.testing.assert_close(ask(vae, batch, draws=10).log_p, whole.log_p)
    monkeypatch.setattr(estimates, "chunks", lambda b: inference.chunks(b, 4))
    torch.testing.assert_close(ask(vae, batch, draws=10).log_p, whole.log_p)


def test_it_is_the_naive_loop_over_draws_and_experts():
    """MoPoE: all seven experts' densities, a draw at a time, its expert where (u + k) / K mod 1 falls."""
    vae, batch, draws = toy.model(method("mopoe"), "mixed"), toy.batch("mixed", rows=6, missing=False), 14
    found = ask(vae, batch, draws=draws, given=("a", "c"), targets=("a", "b"))
    posterior = vae.posterior(batch.given(("a", "c")))
    noise = g(0)
    first = torch.rand(batch.rows, generator=noise, dtype=torch.float64)
    z = []
    for k in range(draws):
        expert = posterior.pick((first + k) / draws % 1.0).experts
        z.append(expert.rsample(torch.randn(expert.loc.shape, generator=noise, dtype=torch.float64))[0])
    z = torch.stack(z)
    mixture = Mixture(posterior.experts, posterior.weight)
    log_w = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1) - mixture.log_prob(z)
    for name in ("a", "b"):
        log_w = log_w + vae[name].log_prob(z, batch.x[name], batch.mask[name])
    expected = (torch.logsumexp(log_w, 0) - math.log(draws)).detach()
    torch.testing.assert_close(found.log_p, expected)


def test_what_was_not_observed_does_not_matter():
    vae, batch = toy.model(method("mopoe"), "mixed"), toy.batch("mixed")
    found = ask(vae, batch, draws=5).log_p
    torch.testing.assert_close(ask(vae, toy.scribble(batch, "mixed"), draws=5).log_p, found)


@pytest.mark.parametrize(("name", "said"), [("mmvm", "depends on the data"), ("ae", "no density")])
def test_methods_without_a_likelihood_say_why(name, said):
    with pytest.raises(InputError, match=said):
        ask(toy.model(method(name)), toy.batch())
    assert said in estimates.why_no_likelihood(toy.model(method(name)))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("poe", {"targets": ("x",)}, "targets is 'x'"),
        ("poe", {"given": ("x",)}, "given is 'x'"),
        ("poe", {"given": ()}, "names no modality"),
        ("poe", {"draws": 0}, "draws is 0"),
        ("independent", {"given": ("a",)}, "a latent for every modality"),
    ],
)
def test_each_bad_input_has_its_error(name, options, said):
    with pytest.raises(InputError, match=said):
        ask(toy.model(method(name)), toy.batch(), **options)


@pytest.mark.parametrize("name", [n for n in METHODS if n not in ("ae", "dcca", "dccae", "mvcl")])
def test_unimodal_posteriors_are_those_of_the_encoders(name):
    vae, batch = toy.model(method(name)), toy.batch()
    loc, scale = estimates.unimodal(vae, batch)
    assert loc.shape == scale.shape == (3, 9, toy.D)
    for m, n in enumerate(vae.names):
        there = batch.present[m]
        assert loc[m][~there].isnan().all()
        assert scale[m][~there].isnan().all()
        heads = toy.unimodal_heads(vae, n, batch)[there].detach()
        q = vae.method.posterior.from_heads(heads[:, : 2 * toy.D])
        torch.testing.assert_close(loc[m][there], q.loc)
        torch.testing.assert_close(scale[m][there], torch.sqrt(q.variance))


def test_points_have_no_width():
    with pytest.raises(InputError, match="no standard deviation"):
        estimates.unimodal(toy.model(method("ae")), toy.batch())
