"""A captured step against the ordinary one, bit for bit, on a stand-in that repeats as a graph does."""

import math

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import toy
from counterpoint.errors import InputError
from counterpoint.methods import METHODS, method, takes
from counterpoint.training.graphs import Constants, Graph
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

ROWS = 50
FROM_HOST = {torch.Tensor.new_tensor, torch.tensor, torch.as_tensor, torch.Tensor.item, torch.Tensor.tolist}


def storages(given):
    return {t.untyped_storage().data_ptr() for t in tree_leaves(given) if isinstance(t, torch.Tensor)}


class Tape(TorchDispatchMode):
    """Writes down every operation with the memory that it reads and writes."""

    def __init__(self):
        super().__init__()
        self.steps, self.undo = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        assert func is not torch.ops.aten._local_scalar_dense.default, "a number was read from the device"
        for name, value in zip(func._schema.arguments, args, strict=False):
            if name.alias_info is not None and name.alias_info.is_write:
                self.undo += [(t, t.clone()) for t in tree_leaves(value)]
        out = func(*args, **kwargs)
        fresh = not storages(out) & storages((args, kwargs))
        self.steps.append((func, args, kwargs, out if fresh else None))
        return out


class NothingFromHost(TorchFunctionMode):
    """Refuses what a CUDA graph cannot capture: copies from the host, and numbers read from the device."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func not in FROM_HOST, f"{func} within a capture"
        return func(*args, **(kwargs or {}))


class Again:
    """A stand-in for a CUDA graph: repeats the operations on the same memory, with the numbers of then."""

    captures = 0

    def __init__(self, device):
        self.tape = None

    def warm_up(self, function, times):
        for _ in range(times):
            function()

    def capture(self, function):
        Again.captures += 1
        self.tape = Tape()
        with NothingFromHost(), self.tape:
            function()
        with torch.no_grad():
            for tensor, before in reversed(self.tape.undo):  # a capture does nothing
                tensor.copy_(before)

    def replay(self):
        with torch.no_grad():
            for func, args, kwargs, out in self.tape.steps:
                new = func(*args, **kwargs)
                for old, value in (
                    zip(tree_leaves(out), tree_leaves(new), strict=False) if out is not None else ()
                ):
                    if isinstance(old, torch.Tensor):
                        old.copy_(value)


@pytest.fixture
def captures():
    before = Again.captures
    return lambda: Again.captures - before


def data(kinds, precision):
    found = toy.batch(kinds, ROWS, seed=8)
    narrow = precision == "float32"
    x = {k: v.float() if narrow and v.is_floating_point() else v for k, v in found.x.items()}
    return x, found.mask


def weights(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def history(progress):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in progress.history]


def both(make, each, seeds, kinds="tables", stacked=False, graph=None, given=None):
    """Train with and without a graph: the same weights, means, moments and histories to the last bit."""
    x, mask = given or data(kinds, each[0].precision)
    runs = []
    for how in (False, graph or Graph(capture=Again)):
        models = make()
        trainer = Population(models, x, mask, each, seeds, stacked=stacked, graph=how)
        progress = trainer.run()
        runs.append((models, trainer, progress))
    (plain, first, wanted), (captured, second, found) = runs
    for a, b in zip(plain, captured, strict=True):
        assert torch.equal(weights(a), weights(b))
    assert torch.equal(first.weights.P.detach(), second.weights.P.detach())
    assert [history(p) for p in found] == [history(p) for p in wanted]
    assert [(p.step, p.best, p.best_epoch) for p in found] == [(p.step, p.best, p.best_epoch) for p in wanted]
    assert not any(torch.equal(weights(a), weights(b)) for a, b in zip(plain, make(), strict=True))
    return second, found


def options(**more):
    given = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01, "precision": "float64", "validation": 0.1}
    return TrainOptions(**{**given, "patience": None, **more})


MOVES = {"warmup": 0.5, "decay": "cosine"}


@pytest.mark.parametrize("stacked", [False, True], ids=["alone", "under vmap"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "more",
    [{}, {"clip": 0.5}, MOVES, {"ema": 0.8, "clip": 1.0, **MOVES}, {"validation": 0.0, "batch_size": 25}],
    ids=["plain", "clip", "schedule", "all", "even batches"],
)
def test_one_model_to_the_last_bit(precision, more, stacked, captures):
    """With masks, hyperparameters that move, and rows left over in the last batch."""

    def make():
        return [toy.model(method("mmvm", {"beta": "linear:0:2:7", "alpha": "exp:1:0:20"}), seed=3)]

    both(make, [options(precision=precision, **more)], [5], stacked=stacked)
    assert captures() == 1


STACK = [  # beta, alpha, its own options
    (1.0, 0.0, {"learning_rate": 0.01}),
    (0.1, 0.5, {"learning_rate": 0.003, "clip": 0.5, "ema": 0.7}),
    ("linear:0:2:7", "exp:1:0:20", {"learning_rate": 0.02, **MOVES}),
]


def stack():
    return [toy.model(method("mmvm", {"beta": b, "alpha": a}), seed=s) for s, (b, a, _) in enumerate(STACK)]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_stack_to_the_last_bit(precision, captures):
    both(stack, [options(precision=precision, **own) for *_, own in STACK], [0, 1, 2])
    assert captures() == 1


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_stack_that_shrinks_is_captured_anew(precision, captures):
    each = [options(precision=precision, **{**own, "epochs": 2 + s}) for s, (*_, own) in enumerate(STACK)]
    _, progress = both(stack, each, [0, 1, 2])
    assert [p.epoch for p in progress] == [2, 3, 4]
    assert captures() == 3


def test_models_stop_early_each_for_itself(captures):
    rates = [0.3, 0.01, 1e-5]
    each = [options(learning_rate=r, epochs=20, validation=0.2, patience=2) for r in rates]
    _, progress = both(lambda: [toy.model(method("mmvm"), seed=s) for s in range(3)], each, [0, 1, 2])
    ends = {p.epoch for p in progress}
    assert len(ends) > 1
    assert captures() == len(ends)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kinds", ["mixed", "counts"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_captured(name, kinds, count):
    """Nothing is copied from the host within the capture, whatever small tensors the method makes."""
    given = {"beta": "linear:0.5:1:9"} if takes(name, "beta") else {}
    if name == "mopoe":
        given["draw"] = "stratified"
    trainer, _ = both(
        lambda: [toy.model(method(name, given), kinds, seed=s) for s in range(count)],
        [options(epochs=2)] * count,
        list(range(count)),
        kinds,
    )
    assert trainer.progress[0].step == 6


def test_bytes_are_read_within_the_capture():
    kinds = {"a": ("laplace", (4, 3), False), "b": ("normal", (5,), False)}
    g = torch.Generator().manual_seed(0)
    x = {
        k: torch.randint(0, 256, (ROWS, *s), generator=g, dtype=torch.uint8) for k, (_, s, _) in kinds.items()
    }
    mask = {"a": torch.ones(ROWS, dtype=torch.bool), "b": torch.rand(ROWS, generator=g) < 0.7}

    def make():
        return [toy.model(method("mmvm"), kinds, seed=s) for s in range(2)]

    both(make, [options()] * 2, [0, 1], given=(x, mask))


def test_resuming_with_a_graph_is_the_uninterrupted_run():
    x, mask = data("tables", "float64")

    def trainer(seed):
        models = [toy.model(method("mmvm", {"beta": "linear:0:2:9"}), seed=seed)]
        how = options(epochs=5, ema=0.8, **MOVES)
        return models[0], Population(models, x, mask, how, [4], graph=Graph(capture=Again))

    kept = []
    whole, first = trainer(3)
    (wanted,) = first.run(lambda running: kept.append(running.state()))
    other, again = trainer(9)
    again.restore({0: kept[1]})
    (found,) = again.run()
    assert torch.equal(weights(other), weights(whole))
    assert history(found) == history(wanted)


def test_warming_up_leaves_no_trace():
    """However many steps are taken back; also on moments that a checkpoint has brought."""
    for times in (1, 5):
        both(stack, [options()] * 3, [0, 1, 2], graph=Graph(warm_up=times, capture=Again))


class Rerun(Again):
    """What a compiler traces cannot be on a tape."""

    def capture(self, function):
        self.replay = function


def test_the_loss_is_compiled_before_it_is_captured(monkeypatch):
    """Once, for one shape. The shape checks of these tests cannot be compiled, so no compiler runs here."""
    asked, ran = [], []

    def unweighted():
        models = stack()
        for modality in (m for model in models for m in model.modalities):
            modality.weight = 1.0
        return models

    def compile_(function, **how):
        asked.append(how)
        return lambda *given: (ran.append(len(given)), function(*given))[1]

    monkeypatch.setattr(torch, "compile", compile_)
    both(unweighted, [options()] * 3, [0, 1, 2], graph=Graph(backend="inductor", warm_up=2, capture=Rerun))
    assert asked == [{"backend": "inductor", "dynamic": False}]
    assert ran == [4] * (2 + 3 * 2)  # warm-up, and the full batches of three epochs


@pytest.mark.parametrize("name", ["poe", "mopoe", "mvae"])
def test_what_cannot_be_compiled_without_copies_is_refused(name):
    x, mask = data("tables", "float64")
    how = Graph(backend="inductor", capture=Rerun)
    trainer = Population([toy.model(method(name))], x, mask, options(), [0], graph=how)
    with pytest.raises(InputError, match=rf"the loss of {name} \(or a weight of a modality\) makes"):
        trainer.run()


def test_a_cpu_is_refused_before_any_work():
    x, mask = data("tables", "float64")
    with pytest.raises(InputError, match="on 'cpu'; CUDA graphs need a CUDA device"):
        Population([toy.model(method("mmvm"))], x, mask, options(), [0], graph=True)
    with pytest.raises(InputError, match="warm_up is 0"):
        Graph(warm_up=0)


def test_constants_must_be_the_same_in_every_run():
    mode, x = Constants(), torch.zeros(2, 3)
    with mode:
        assert torch.equal(x[:, [0, 2]], torch.zeros(2, 2))
        assert x.new_tensor(math.pi).dtype == x.dtype
    with mode, pytest.raises(AssertionError, match="same constants"):
        x[:, [0, 1]]


def test_the_stand_in_keeps_the_numbers_of_the_capture():
    """Else these tests would pass for a step that reads Python's numbers."""
    x, factor = torch.ones(3), [2.0]
    graph = Again(x.device)
    graph.capture(lambda: x.mul_(factor[0]))
    assert x.tolist() == [1.0] * 3  # nothing was done
    factor[0] = 5.0
    graph.replay()
    assert x.tolist() == [2.0] * 3
