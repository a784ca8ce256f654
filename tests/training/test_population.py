"""The in-memory trainer against a plain loop, a stack against its members alone, and divergence."""

import copy
import math

import numpy as np
import pytest
import torch

import toy
from counterpoint.batch import Batch
from counterpoint.errors import InputError, TrainingDivergedError
from counterpoint.methods import METHODS, method
from counterpoint.seeds import generator
from counterpoint.training.options import TrainOptions, split
from counterpoint.training.population import Population

ROWS = 50
DATA = {kinds: toy.batch(kinds, ROWS, seed=8) for kinds in toy.KINDS}
FAST = {"learning_rate": 0.01, "batch_size": 16, "precision": "float64"}
STACK = [  # seed, beta, alpha, learning rate
    (0, 1.0, 0.0, 0.01),
    (1, 0.1, 0.5, 0.003),
    (2, "linear:0:2:40", "exp:1:0:100", 0.02),
    (3, 3.0, 1.0, 0.001),
]


def make(seed=0, name="mmvm", kinds="tables", **options):
    return toy.model(method(name, options), kinds, seed=seed)


def population(models, seeds, kinds="tables", rates=None, **options):
    data = DATA[kinds]
    each = [TrainOptions(**{**FAST, **options, "learning_rate": r}) for r in rates or [0.01] * len(models)]
    return Population(models, data.x, data.mask, each, seeds)


def weights(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def history(progress):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in progress.history]


def close(a, b, tolerance=1e-9):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def plain_loop(model, seed, options, data):
    """Ordinary modules and torch's Adam; returns the mean training loss of each epoch."""
    train, _ = split(data.rows, options.validation, seed)
    adam = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    losses, step = [], 0
    for epoch in range(options.epochs):
        order = train[torch.randperm(len(train), generator=generator(seed, "order", epoch))]
        noise, total = generator(seed, "noise", epoch), 0.0
        for index in order.split(options.batch_size):
            rows = Batch(
                {k: v[index] for k, v in data.x.items()}, {k: v[index] for k, v in data.mask.items()}
            )
            loss = model.loss(
                rows, model.noise(len(index), noise, torch.float64), model.method.at(step)
            ).total
            adam.zero_grad()
            loss.mean().backward()
            if options.clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
            adam.step()
            step += 1
            total += loss.detach().sum().item()
        losses.append(total / len(train))
    return losses, step


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_one_model_is_a_plain_loop(name, clip):
    """52 steps, with masks, rows left over in the last batch, and with and without clipping."""
    options = TrainOptions(epochs=13, validation=0.0, clip=clip, **FAST)
    one, other = (make(name=name) for _ in range(2))
    losses, steps = plain_loop(other, 5, options, DATA["tables"])
    (progress,) = population([one], [5], epochs=13, validation=0.0, clip=clip).run()
    close(weights(one), weights(other))
    assert [row["train/total"] for row in progress.history] == pytest.approx(losses, rel=1e-9)
    assert (progress.step, progress.epoch, progress.stopped, steps) == (52, 13, True, 52)


def test_clipping_bounds_the_gradient_of_each_model():
    models = [make(s) for s in range(2)]
    trainer = population(models, [0, 1], epochs=1, validation=0.0, clip=0.01)
    trainer.run()
    norms = trainer.weights.G.norm(dim=1)
    close(norms, torch.full_like(norms, 0.01), 1e-6)


def stack(kinds="tables", name="mmvm", members=STACK):
    takes = METHODS[name].__kwdefaults__ or {}
    given = [{k: v for k, v in {"beta": b, "alpha": a}.items() if k in takes} for _, b, a, _ in members]
    return [make(s, name, kinds, **g) for (s, *_), g in zip(members, given, strict=True)]


@pytest.mark.parametrize(
    ("name", "kinds"), [("mmvm", "tables"), ("mmvm", "mixed"), ("mopoe", "counts"), ("mvae", "tables")]
)
def test_a_stack_is_each_model_alone(name, kinds):
    """Different seeds, betas, alphas and learning rates, 60 steps: the same weights and the same history."""
    seeds, rates = [s for s, *_ in STACK], [r for *_, r in STACK]
    together = stack(kinds, name)
    both = population(together, seeds, kinds, rates, epochs=20, validation=0.1, patience=None).run()
    for e, model in enumerate(stack(kinds, name)):
        (progress,) = population(
            [model], seeds[e : e + 1], kinds, rates[e : e + 1], epochs=20, patience=None
        ).run()
        close(weights(together[e]), weights(model))
        assert progress.step == both[e].step == 60
        for row, expected in zip(history(both[e]), history(progress), strict=True):
            assert row == pytest.approx(expected, rel=1e-8, abs=1e-8)
        assert (both[e].best_epoch, both[e].best) == (
            progress.best_epoch,
            pytest.approx(progress.best, rel=1e-9),
        )


def test_models_of_a_stack_stop_early_each_for_itself():
    """The one with the large learning rate stops first; the others train on as if it were not there."""
    seeds, rates = [0, 1, 2], [0.3, 0.01, 1e-5]
    together = [make(s) for s in seeds]
    both = population(together, seeds, rates=rates, epochs=30, validation=0.2, patience=3).run()
    assert len({p.epoch for p in both}) > 1
    assert min(p.epoch for p in both) < 30
    for e, seed in enumerate(seeds):
        alone = make(seed)
        (progress,) = population(
            [alone], [seed], rates=rates[e : e + 1], epochs=30, validation=0.2, patience=3
        ).run()
        assert (both[e].epoch, both[e].step, both[e].best_epoch) == (
            progress.epoch,
            progress.step,
            progress.best_epoch,
        )
        close(weights(together[e]), weights(alone))
        if both[e].epoch < 30:
            assert both[e].epoch == both[e].best_epoch + 3


def validation_loss(trainer, model, seed):
    """The loss of a model's state on its validation rows, as the trainer measures it."""
    _, held = split(ROWS, trainer.options[0].validation, seed)
    data = DATA["tables"]
    rows = Batch({k: v[held] for k, v in data.x.items()}, {k: v[held] for k, v in data.mask.items()})
    end = {k: h.end for k, h in model.method.hyper.items()}
    return (
        model.loss(rows, model.noise(len(held), generator(seed, "validation"), torch.float64), end)
        .total.mean()
        .item()
    )


@pytest.mark.parametrize("count", [1, 3])
def test_you_hold_the_best_state_on_the_validation_rows(count):
    models, seeds = [make(s) for s in range(count)], list(range(count))
    trainer = population(models, seeds, rates=[0.1] * count, epochs=25, validation=0.3, patience=None)
    for e, p in enumerate(trainer.run()):
        losses = [row["validation/total"] for row in p.history]
        assert p.best == min(losses)
        assert p.best_epoch == 1 + losses.index(min(losses))
        assert p.best_epoch < 25  # else the test shows nothing
        assert validation_loss(trainer, models[e], seeds[e]) == pytest.approx(p.best, rel=1e-10)


@pytest.mark.parametrize("count", [1, 2])
def test_without_validation_you_hold_the_last_state(count):
    models = [make(s) for s in range(count)]
    trainer = population(models, list(range(count)), epochs=4, validation=0.0)
    progress = trainer.run()
    for e, p in enumerate(progress):
        assert torch.equal(weights(models[e]), trainer.weights.P[e].detach())
        assert p.best_epoch == 4
        assert not any(k.startswith("validation") for k in p.history[-1])


def test_models_are_ordinary_again_after_training():
    """Their own tensors: training one of them on does not touch another."""
    models = [make(s) for s in range(2)]
    trainer = population(models, [0, 1], epochs=2)
    trainer.run()
    before = weights(models[1])
    with torch.no_grad():
        for p in models[0].parameters():
            p.zero_()
    assert torch.equal(before, weights(models[1]))
    assert all(p.requires_grad and p.grad is None and p.is_leaf for m in models for p in m.parameters())
    assert not trainer.weights.best.requires_grad
    copy.deepcopy(models[0])


@pytest.mark.parametrize("validation", [0.0, 0.2])
@pytest.mark.parametrize("stop", [1, 4])
def test_resuming_from_a_state_is_bit_for_bit_the_uninterrupted_run(validation, stop):
    options = {"epochs": 7, "validation": validation, "clip": 1.0, "patience": None, "precision": "float32"}
    data = DATA["tables"]
    x = {k: v.float() for k, v in data.x.items()}

    def trainer(model):
        return Population(
            [model], x, data.mask, TrainOptions(batch_size=16, learning_rate=0.02, **options), [3]
        )

    class PowerCut(Exception):
        pass

    kept = {}

    def cut(running):
        if running.progress[0].epoch == stop:
            kept["state"] = running.state()
            raise PowerCut

    settings = {"beta": "linear:0:1:20", "alpha": 0.2}
    whole, broken, other = (make(3, **settings), make(3, **settings), make(9, **settings))
    (expected,) = trainer(whole).run()
    with pytest.raises(PowerCut):
        trainer(broken).run(cut)
    again = trainer(other)
    again.restore({0: kept["state"]})
    (found,) = again.run()
    assert torch.equal(weights(other), weights(whole))
    assert history(found) == history(expected)
    assert (found.step, found.best, found.best_epoch) == (expected.step, expected.best, expected.best_epoch)
    assert all(not t.requires_grad for t in kept["state"][0].values())


def test_a_state_of_another_seed_or_model_is_refused():
    kept = []
    population([make()], [0], epochs=1).run(lambda running: kept.append(running.state()))
    tensors, text = kept[0]
    with pytest.raises(InputError, match="another model or seed"):
        population([make()], [1]).restore({0: (tensors, text)})
    with pytest.raises(InputError, match="another model or seed"):
        population([make(kinds="counts")], [0], "counts").restore({0: (tensors, text)})


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_a_model_that_diverges_in_a_stack_stops_with_its_best_state_and_leaves_the_others_alone(validation):
    options = {"epochs": 6, "validation": validation, "patience": None}
    seeds, good = [0, 1, 2], {}

    def poison(trainer):
        if trainer.progress[0].epoch == 3:
            good["weights"] = trainer.weights.best[1].clone()
            trainer.weights.P.detach()[1, 0] = math.nan

    models = [make(s) for s in seeds]
    progress = population(models, seeds, **options).run(poison)
    assert [p.epoch for p in progress] == [6, 4, 6]
    assert all(p.stopped for p in progress)
    assert progress[1].error.startswith("in epoch 4 the loss terms train/total")
    assert progress[0].error is progress[2].error is None
    assert torch.equal(weights(models[1]), good["weights"])
    assert progress[1].best_epoch <= 3
    for e in (0, 2):
        alone = make(seeds[e])
        population([alone], seeds[e : e + 1], **options).run()
        close(weights(models[e]), weights(alone))


def test_weights_that_are_not_finite_count_as_diverged():
    """The losses of the last epoch may all be finite although its last step was not."""
    models = [make(s) for s in range(2)]
    before = weights(models[0])
    progress = population(models, [0, 1], rates=[1e308, 1e-3], epochs=1, batch_size=64, validation=0.0).run()
    if progress[0].error is None:  # Adam's step was large and finite
        assert weights(models[0]).isfinite().all()
    trainer = population([make(s) for s in range(2)], [0, 1], epochs=1, batch_size=64, validation=0.0)
    step = trainer.weights.step
    trainer.weights.step = lambda *given: (step(*given), trainer.weights.P.detach()[0].fill_(math.inf))
    progress = trainer.run()
    assert progress[0].error == "in epoch 1 the weights are not finite after the last step"
    assert torch.equal(weights(trainer.models[0]), before)
    assert progress[1].error is None


def test_alone_divergence_is_an_error_that_says_what_to_do():
    def poison(trainer):
        trainer.weights.P[0, 0] = math.nan

    with pytest.raises(
        TrainingDivergedError, match=r"in epoch 2 .*train/total.*learning_rate \(now 0.01\).*clip=1.0"
    ):
        population([make()], [0], epochs=5).run(poison)
    with pytest.raises(TrainingDivergedError, match="not finite"):
        population([make()], [0], rates=[1e200], epochs=5).run()


def test_the_seed_alone_decides_and_the_global_generators_are_left_alone():
    generators = torch.get_rng_state(), np.random.get_state()[1].tolist()
    found = []
    for seed, disturbance in ((4, 0), (4, 1), (5, 0)):
        model = make(0)
        torch.manual_seed(disturbance)
        before = torch.get_rng_state()
        population([model], [seed], epochs=3).run()
        assert torch.equal(before, torch.get_rng_state())
        found.append(weights(model))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert generators[1] == np.random.get_state()[1].tolist()
    torch.set_rng_state(generators[0])


def test_given_data_is_not_written_to():
    before = {k: v.clone() for k, v in DATA["mixed"].x.items()}
    population([make(kinds="mixed"), make(1, kinds="mixed")], [0, 1], "mixed", epochs=2).run()
    assert all(torch.equal(v, before[k]) for k, v in DATA["mixed"].x.items())


def test_history_has_every_term_and_hyperparameter():
    (progress,) = population([make(beta="linear:0:1:6", alpha=0.3)], [0], epochs=2, validation=0.2).run()
    terms = ["total", *(f"{k}/{n}" for n in "abc" for k in ("distortion", "rate"))]
    wanted = {
        "epoch",
        "step",
        "beta",
        "alpha",
        "seconds",
        *(f"{p}/{t}" for p in ("train", "validation") for t in terms),
    }
    assert [set(row) for row in progress.history] == [wanted] * 2
    assert [(row["epoch"], row["step"], row["beta"]) for row in progress.history] == [
        (1, 3, 0.5),
        (2, 6, 1.0),
    ]


def test_one_row_and_one_batch_larger_than_the_data():
    data = toy.batch(rows=1)
    model = make()
    (progress,) = Population(
        [model], data.x, data.mask, TrainOptions(epochs=2, validation=0.0, precision="float64"), [0]
    ).run()
    assert progress.step == 2
    assert weights(model).isfinite().all()


def test_stacks_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="0 models"):
        population([], [])
    with pytest.raises(InputError, match="2 models came with 1 seeds"):
        population([make(), make()], [0])
    with pytest.raises(InputError, match="1 models came with 1 seeds and 2 options"):
        population([make()], [0], rates=[0.1, 0.2])
    with pytest.raises(InputError, match="differ in their method"):
        population([make(), make(name="poe")], [0, 1])
    with pytest.raises(InputError, match="differ in their method"):
        population([make(), make(rate="mixture")], [0, 1])
    data, options = DATA["tables"], [TrainOptions(precision="float64", batch_size=b) for b in (16, 8)]
    with pytest.raises(InputError, match="batch size"):
        Population([make(), make(1)], data.x, data.mask, options, [0, 1])
    heavy = make(1)
    heavy.modalities[0].weight = 2.0
    with pytest.raises(InputError, match="weights of their modalities"):
        population([make(), heavy], [0, 1])
    with pytest.raises(InputError, match="differ in their parameters"):
        population([make(), make(kinds="mixed")], [0, 1])
    with pytest.raises(InputError, match="leaves no validation row"):
        population([make()], [0], validation=0.001)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_splits_are_disjoint_complete_and_the_seeds_own(share):
    train, held = split(40, share, seed=1)
    assert sorted([*train.tolist(), *held.tolist()]) == list(range(40))
    assert len(held) == round(40 * share)
    assert torch.equal(train, split(40, share, seed=1)[0])
    if share:
        assert not torch.equal(held, split(40, share, seed=2)[1])
