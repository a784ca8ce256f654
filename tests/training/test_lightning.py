"""Under Lightning the same options mean the same as in the in-memory trainer."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from counterpoint.batch import Batch
from counterpoint.errors import InputError, TrainingDivergedError
from counterpoint.likelihoods import Normal
from counterpoint.methods import method
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.seeds import generator
from counterpoint.training.lightning import fit_stream
from counterpoint.training.options import TrainOptions, split
from counterpoint.training.population import Population, Progress

SEED = 5
SIZES = {"a": 4, "b": 3, "c": 2}


def small(recipe: str, **options: object) -> MultimodalVAE:
    parts = {}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for name, size in SIZES.items():
            encoder = nn.Sequential(nn.Linear(size, 6), nn.Tanh(), nn.Linear(6, 4))
            parts[name] = Modality(encoder, nn.Linear(2, size), Normal((size,)))
    return MultimodalVAE(parts, method(recipe, options), latent_dim=2)


def table(rows: int = 90) -> Batch:
    """Rows of three modalities that share a cause; some lack one."""
    g = torch.Generator().manual_seed(2)
    cause = torch.randn(rows, 2, generator=g, dtype=torch.float64)
    x = {k: cause @ torch.randn(2, n, generator=g, dtype=torch.float64) for k, n in SIZES.items()}
    mask = {k: torch.rand(rows, generator=g) < 0.8 for k in SIZES}
    return Batch({k: v * mask[k].unsqueeze(1) for k, v in x.items()}, mask)


def rows_of(data: Batch, index: torch.Tensor) -> Batch:
    return Batch({k: v[index] for k, v in data.x.items()}, {k: v[index] for k, v in data.mask.items()})


class SameOrder:
    """Yields the batches in the order that the in-memory trainer takes them."""

    def __init__(self, data: Batch, train: torch.Tensor, size: int, as_pair: bool) -> None:
        self.data, self.train, self.size, self.as_pair = data, train, size, as_pair
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.train) // self.size)

    def __iter__(self) -> Iterator[object]:
        order = torch.randperm(len(self.train), generator=generator(SEED, "order", self.epoch))
        self.epoch += 1
        for index in self.train[order].split(self.size):
            batch = rows_of(self.data, index)
            yield (batch.x, batch.mask) if self.as_pair else batch


def both(
    recipe: str, options: TrainOptions, hyper: dict[str, object], as_pair: bool = False
) -> list[tuple[Progress, MultimodalVAE]]:
    """Train the same model in memory and under Lightning."""
    data = table()
    train, held = split(data.rows, options.validation, SEED)
    alone, streamed = small(recipe, **hyper), small(recipe, **hyper)
    in_memory = Population([alone], data.x, data.mask, options, [SEED]).run()[0]
    loader = SameOrder(data, train, options.batch_size, as_pair)
    validation = [rows_of(data, held)] if len(held) else None
    return [
        (in_memory, alone),
        (fit_stream(streamed, loader, validation, options=options, seed=SEED), streamed),
    ]


CASES = {
    "mmvm with schedules": ("mmvm", {"beta": "linear:0:2:12", "alpha": "exp:1:0:20"}, {}, False),
    "moe draws uniforms": ("moe", {}, {}, True),
    "mvae clipped": ("mvae", {"beta": "cosine:0:1:9"}, {"clip": 0.5}, False),
    "poe stops early": ("poe", {}, {"epochs": 60, "patience": 2, "learning_rate": 0.05}, False),
    "no validation": ("avg", {}, {"validation": 0.0}, True),
    "rising and falling rate": ("mmvm", {}, {"warmup": 1.5, "decay": "cosine"}, False),
}


@pytest.mark.parametrize(("recipe", "hyper", "train", "as_pair"), CASES.values(), ids=CASES.keys())
def test_both_trainers_end_with_the_same_model(recipe, hyper, train, as_pair):
    options = TrainOptions(
        **{
            "epochs": 6,
            "batch_size": 32,
            "validation": 0.2,
            "learning_rate": 0.01,
            "precision": "float64",
            **train,
        }
    )
    (a, one), (b, two) = both(recipe, options, hyper, as_pair)
    assert (a.epoch, a.step, a.best_epoch, a.stopped) == (b.epoch, b.step, b.best_epoch, b.stopped)
    if "patience" in train:
        assert a.epoch < options.epochs
        assert a.best_epoch < a.epoch
    for p, q in zip(a.history, b.history, strict=True):
        assert list(p) == list(q)
        for k in p.keys() - {"seconds"}:
            assert q[k] == pytest.approx(p[k], abs=1e-9), k
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=0, atol=1e-9)


def test_nothing_is_printed_or_written(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    fit_stream(small("mmvm"), [table()], options=TrainOptions(epochs=2))
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_callbacks_see_every_term():
    from lightning.pytorch import Callback

    class Watch(Callback):
        def on_fit_end(self, trainer, module):
            self.seen = dict(trainer.callback_metrics)

    watch, data = Watch(), table()
    progress = fit_stream(small("mmvm"), [data], [data], options=TrainOptions(epochs=2), callbacks=[watch])
    assert "validation/distortion/b" in watch.seen
    assert watch.seen["validation/total"].item() == pytest.approx(
        progress.history[-1]["validation/total"], rel=1e-5
    )


def test_global_state_is_left_alone():
    before = torch.get_rng_state()
    fit_stream(small("moe"), [table()], options=TrainOptions(epochs=1))
    assert torch.equal(before, torch.get_rng_state())


def test_loader_of_something_else_is_refused():
    data = table()
    for batch in (data.x, (data.x, {"a": data.mask["a"]}), torch.zeros(3)):
        with pytest.raises(InputError, match="modalities a, b, c"):
            fit_stream(small("mmvm"), [batch], options=TrainOptions(epochs=1))


def test_empty_loader_is_refused():
    with pytest.raises(InputError, match="no batch"):
        fit_stream(small("mmvm"), [], options=TrainOptions(epochs=1))


def test_divergence_is_an_error():
    data = table()
    data.x["a"].mul_(1e30)
    with pytest.raises(TrainingDivergedError, match="distortion/a"):
        fit_stream(small("mmvm"), [data], options=TrainOptions(epochs=1))


def test_importing_it_does_not_load_lightning():
    code = "import sys, counterpoint.training.lightning; sys.exit('lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_rate_that_moves_needs_to_know_how_long_an_epoch_is():
    data = table()

    class Endless:
        def __iter__(self):
            yield data

    moving = TrainOptions(epochs=1, decay="cosine", validation=0.0, precision="float64")
    with pytest.raises(InputError, match="how long one is"):
        fit_stream(small("poe"), Endless(), options=moving)
    fit_stream(small("poe"), Endless(), options=TrainOptions(epochs=1, validation=0.0, precision="float64"))
    with pytest.raises(InputError, match="EMAWeightAveraging"):
        fit_stream(small("poe"), [data], options=TrainOptions(ema=0.9))
