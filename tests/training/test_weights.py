"""Scheduled learning rates, running means and clipping of a stack, against loops written out."""

import math

import pytest
import torch

import toy
from counterpoint.batch import Batch
from counterpoint.errors import InputError
from counterpoint.likelihoods import Normal
from counterpoint.methods import method
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.nn import networks
from counterpoint.seeds import generator
from counterpoint.training.options import TrainOptions, split
from counterpoint.training.population import Population

ROWS = 50
DATA = toy.batch("tables", ROWS, seed=8)
EACH = [
    {"epochs": 6, "learning_rate": 0.01},
    {"epochs": 6, "learning_rate": 0.02, "warmup": 1.5},
    {"epochs": 6, "learning_rate": 0.02, "warmup": 1.0, "decay": "cosine"},
    {"epochs": 4, "learning_rate": 0.01, "decay": "cosine", "clip": 0.5},
    {"epochs": 6, "learning_rate": 0.01, "ema": 0.8},
]


def make(seed):
    return toy.model(method("mmvm", {}), "tables", seed=seed)


def weights(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def options(given, **more):
    return TrainOptions(**{"batch_size": 16, "precision": "float64", "validation": 0.0, **given, **more})


def plain(model, seed, given):
    """Adam with its rate set by hand before every step, and the mean of the weights kept by hand."""
    o = options(given)
    train, _ = split(ROWS, 0.0, seed)
    adam = torch.optim.Adam(model.parameters(), lr=o.learning_rate)
    per_epoch = math.ceil(len(train) / 16)
    mean, step = weights(model), 0
    for epoch in range(o.epochs):
        order = train[torch.randperm(len(train), generator=generator(seed, "order", epoch))]
        noise = generator(seed, "noise", epoch)
        for index in order.split(16):
            x, mask = ({k: v[index] for k, v in d.items()} for d in (DATA.x, DATA.mask))
            drawn = model.noise(len(index), noise, torch.float64)
            adam.zero_grad()
            model.loss(Batch(x, mask), drawn, model.method.at(step)).total.mean().backward()
            if o.clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), o.clip)
            rate = o.learning_rate
            rising, last = o.warmup * per_epoch, o.epochs * per_epoch
            if step < rising:
                rate *= min(1.0, (step + 1) / rising)
            elif o.decay == "cosine":
                rate *= 0.5 + 0.5 * math.cos(math.pi * (step - rising) / (last - rising))
            for group in adam.param_groups:
                group["lr"] = rate
            adam.step()
            if o.ema is not None:
                keep = min(o.ema, (step + 1) / (step + 10))
                mean = keep * mean + (1 - keep) * weights(model)
            step += 1
    return mean if o.ema is not None else weights(model)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in one stack"])
def test_every_model_follows_its_own_schedule(together):
    models = [make(s) for s in range(len(EACH))]
    wanted = [plain(make(s), s, given) for s, given in enumerate(EACH)]
    if together:
        Population(models, DATA.x, DATA.mask, [options(g) for g in EACH], range(len(EACH))).run()
    else:
        for s, given in enumerate(EACH):
            Population([models[s]], DATA.x, DATA.mask, options(given), [s]).run()
    for model, expected in zip(models, wanted, strict=True):
        torch.testing.assert_close(weights(model), expected, rtol=1e-10, atol=1e-10)


def test_three_methods_of_masks_rates_seeds_and_stops_are_what_they_are_alone():
    """100 steps in double precision: equal to 1e-12."""
    for name in ("mmvm", "poe", "mopoe"):
        each = [
            options({"epochs": e, "learning_rate": r}, validation=0.0)
            for e, r in ((25, 0.01), (10, 0.003), (25, 0.002))
        ]
        models = [
            toy.model(method(name, {"beta": b}), "tables", seed=s) for s, b in enumerate((0.1, 1.0, 3.0))
        ]
        both = Population(models, DATA.x, DATA.mask, each, [0, 1, 2]).run()
        assert [p.step for p in both] == [100, 40, 100]
        for s, b in enumerate((0.1, 1.0, 3.0)):
            alone = toy.model(method(name, {"beta": b}), "tables", seed=s)
            Population([alone], DATA.x, DATA.mask, each[s], [s]).run()
            moved = (weights(models[s]) - weights(toy.model(method(name, {}), "tables", seed=s))).norm()
            assert moved > 0.1
            torch.testing.assert_close(weights(models[s]), weights(alone), rtol=1e-12, atol=1e-12)


def test_the_mean_is_what_is_validated_and_kept():
    given = options({"epochs": 5, "learning_rate": 0.05, "ema": 0.9}, validation=0.2)
    model, seen = make(0), []

    def look(p):
        with p.weights.kept():
            seen.append((p.weights.P[0].clone(), p.weights.mean[0].clone()))
        assert not torch.equal(p.weights.P[0], p.weights.mean[0])

    (progress,) = Population([model], DATA.x, DATA.mask, given, [0]).run(look)
    assert all(torch.equal(a, b) for a, b in seen)
    assert torch.equal(weights(model), seen[progress.best_epoch - 1][1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"warmup": -1}, "warmup is -1"),
        ({"decay": "cosin"}, "Did you mean 'cosine'"),
        ({"ema": 1.0}, "a mean that never moves"),
        ({"ema": 1.5}, "ema is 1.5"),
    ],
)
def test_schedules_that_cannot_be_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        TrainOptions(**given)


def test_gradients_of_another_memory_layout_are_those_of_their_weights():
    """A convolution of channels-last input has such a gradient, which Adam must not read as it lies."""
    rows = {"m0": torch.rand(24, 8, 8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)}
    mask = {"m0": torch.ones(24, dtype=torch.bool)}

    def model(shape):
        nets = networks("conv", shape, shape, 2, generator=generator(0, "init"), hidden=(4,), width=2)
        return MultimodalVAE({"m0": Modality(*nets, Normal(shape))}, method("mmvm", {}), 2)

    last, first = model((8, 8, 3)), model((3, 8, 8))
    given = options({"epochs": 3, "learning_rate": 0.01})
    Population([last], rows, mask, given, [0]).run()
    Population([first], {"m0": rows["m0"].permute(0, 3, 1, 2).contiguous()}, mask, given, [0]).run()
    torch.testing.assert_close(weights(last), weights(first), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("models", [1, 3])
def test_steps_are_those_of_the_optimiser_of_torch_to_the_last_bit(precision, models):
    """Fused Adam of torch.optim, on the tensors of one model or on the rows of a stack."""
    rates, g = (0.01, 0.02, 0.01)[:models], torch.Generator().manual_seed(3)
    each = [options({"epochs": 9, "learning_rate": r}, precision=precision) for r in rates]
    x = {k: v.to(each[0].dtype) for k, v in DATA.x.items()}
    held = Population([make(s) for s in range(models)], x, DATA.mask, each, range(models)).weights
    leaves = list(held.stacked.values()) or list(held._models[0].parameters())
    theirs = [torch.nn.Parameter(v.detach().clone()) for v in (held.P if models > 1 else leaves)]
    adam = torch.optim.Adam(
        [{"params": [v], "lr": rates[e % models]} for e, v in enumerate(theirs)], fused=True
    )
    for step in range(12):
        pulls = [torch.randn(v.shape, generator=g, dtype=v.dtype) for v in leaves]
        total = sum((v * pull).reshape(models, -1).sum(1) for v, pull in zip(leaves, pulls, strict=True))
        held.step(total[:, None] if models > 1 else total, [step] * models)
        grads = torch.cat([pull.reshape(models, -1) for pull in pulls], 1) if models > 1 else pulls
        for v, grad in zip(theirs, grads, strict=True):
            v.grad = grad
        adam.step()
        assert all(torch.equal(a, b) for a, b in zip(held.P if models > 1 else leaves, theirs, strict=True))
    assert held.state(models - 1)["adam.step"] == 12
