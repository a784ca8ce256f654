"""The size of a stack is measured; the measurement trains nothing that is kept."""

import pytest

import toy
from counterpoint.methods import method
from counterpoint.training import executor
from counterpoint.training.executor import measure
from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

DATA = toy.batch("tables", 50, seed=8)


def build(size):
    models = [toy.model(method("mmvm", {}), "tables", seed=s) for s in range(size)]
    return Population(
        models, DATA.x, DATA.mask, TrainOptions(batch_size=16, precision="float64"), range(size)
    )


@pytest.mark.parametrize(
    ("each", "most", "size", "tried"),
    [
        ({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.39, 16: 0.5, 32: 0.1}, 64, 4, [1, 2, 4, 8, 16]),
        ({1: 1.0, 2: 1.1, 4: 1.2, 8: 0.1}, 64, 1, [1, 2, 4]),
        ({1: 1.0, 2: 0.5, 4: 0.25}, 5, 4, [1, 2, 4]),
        ({1: 1.0}, 1, 1, [1]),
        ({1: 1.0, 2: 1.0, 4: 0.5, 8: 0.4, 16: 0.3, 32: 0.2}, 32, 32, [1, 2, 4, 8, 16, 32]),
    ],
)
def test_stacks_grow_while_it_pays(monkeypatch, each, most, size, tried):
    monkeypatch.setattr(executor, "_seconds", lambda p, steps: each[len(p.models)] * len(p.models))
    found = measure(build, most, memory=1e12)
    assert (found.size, list(found.tried)) == (size, tried)
    assert found.seconds == each[size]


def test_memory_bounds_a_stack():
    need = measure(build, 1).bytes
    assert measure(build, 32, memory=2.5 * need).tried.keys() <= {1, 2}
    assert measure(build, 32, memory=0).size == 1  # one model is always tried


def test_bytes_count_what_a_step_keeps():
    """More rows keep more activations, and larger networks more copies of the weights."""
    small, large = build(1), build(1)
    large.options = [TrainOptions(batch_size=32, precision="float64")]
    assert executor._bytes(large) > executor._bytes(small) > 11 * small.weights.P.numel() * 8


def test_really_measured():
    found = measure(build, 2, steps=1)
    assert found.size in (1, 2)
    assert found.seconds > 0
