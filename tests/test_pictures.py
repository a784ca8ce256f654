"""Pictures as bytes with their channels last, from the data to a report."""

import numpy as np
import pytest
import torch

import counterpoint as cp
from counterpoint.asking import prepared_batch
from counterpoint.batch import Batch
from counterpoint.building import new_model, train_options
from counterpoint.data import Preparation, read
from counterpoint.evaluate import evaluate
from counterpoint.protocol import task
from counterpoint.report import exhibits
from counterpoint.report.records import read_records
from counterpoint.training.lightning import fit_stream
from counterpoint.training.population import Population

ROWS, EVENT = 60, (28, 28, 3)
SMALL = {"latent_dim": 4, "width": 4, "hidden": (8,), "epochs": 2, "batch_size": 16, "precision": "float32"}


def pictures(rows: int = ROWS, seed: int = 0) -> dict[str, np.ndarray]:
    """A bright square on noise, whose place is the class, in two modalities; bytes, channels last."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    found = {}
    for name in ("m0", "m1"):
        images = rng.integers(0, 120, (rows, *EVENT), dtype=np.uint8)
        for row, place in enumerate(y):
            images[row, 8 * place : 8 * place + 10, 6:20] += np.uint8(130)
        found[name] = images
    return found


def first(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(x.transpose(0, 3, 1, 2)) for name, x in data.items()}


def small(**params) -> cp.Counterpoint:
    return cp.Counterpoint("mmvm", **{**SMALL, **params})


def losses(history) -> np.ndarray:
    keys = sorted(k for k in history[0] if k.startswith(("train/", "validation/")))
    return np.array([[epoch[k] for k in keys] for epoch in history])


@pytest.fixture(scope="module")
def on():
    y = np.arange(ROWS) % 3
    train = read(pictures(), labels={"place": y})
    return task(train, read(pictures(30, 1), labels={"place": y[:30]}), "place")


@pytest.fixture(scope="module")
def fitted(on) -> cp.Counterpoint:
    return small(network="conv", learning_rate=1e-2, epochs=6).fit(on.train)


@pytest.mark.parametrize("network", ["auto", "conv", "resnet"])
def test_both_layouts_train_alike(network):
    data, width = pictures(), {"width": 2} if network == "resnet" else {}
    last = small(network=network, **width).fit(data)
    plain = small(network=network, **width).fit(first(data))
    np.testing.assert_allclose(losses(last.history_), losses(plain.history_), rtol=1e-4)
    assert len(losses(last.history_)) == 2
    np.testing.assert_allclose(last.embed(data), plain.embed(first(data)), atol=1e-3)
    inner = type(last.model_.modalities[0].encoder.network).__name__
    assert inner == ("ResNetEncoder" if network == "resnet" else "ConvEncoder")


def test_questions_are_answered_in_the_layout_and_units_of_the_data(fitted, tmp_path):
    data = pictures(20, 2)
    made = fitted.translate(data, "m0", "m1")
    assert made.shape == (20, *EVENT)
    assert 20 < made.mean() < 235  # bytes, not 255ths
    assert fitted.reconstruct(data)["m0"].shape == (20, *EVENT)
    hidden = read(data, mask={"m1": np.arange(20) >= 5})
    filled = fitted.impute(hidden, draws=2)["m1"].filled
    assert np.array_equal(filled[5:], data["m1"][5:])
    fitted.save(tmp_path / "run")
    again = cp.load(tmp_path / "run")
    assert np.array_equal(again.translate(data, "m0", "m1"), made)
    assert again.preparation_["m0"].event == EVENT


def test_it_is_evaluated_and_drawn(fitted, on, tmp_path):
    assert [o.kind for o in on.oracles.values()] == ["conv", "conv"]
    assert all(o.accuracy == 1.0 for o in on.oracles.values())
    found = evaluate(fitted, on, measures=["probe", "coherence", "reconstruction"], show=True)
    for key in ("accuracy", "coherence"):
        assert 0 <= found.summary[key] <= 1
    assert all(np.isfinite(v) for v in found.summary.values())
    assert found.exhibits["made/0/1"].shape[1:] == EVENT
    from counterpoint import runs

    fitted.save(tmp_path / "run")
    runs.add_scores(tmp_path / "run", found.to_dict(), found.exhibits)
    figures = exhibits.translations(read_records(tmp_path)[0])
    images = [a.images[0].get_array() for a in figures["Into m1"].axes]
    assert {image.shape for image in images} == {EVENT}


def built(data, seed: int = 0, *, keep_bytes: bool):
    """Return an untrained model, its data as a batch and its options."""
    estimator = small(network="conv")
    rows = read(data)
    prepared = Preparation.fit(rows)
    batch = prepared_batch(rows, prepared, torch.float32, "cpu", keep_bytes=keep_bytes)
    return new_model(estimator, prepared), batch, train_options(estimator, len(rows))


@pytest.mark.parametrize("stacked", [False, True])
def test_bytes_train_to_the_same_weights_as_floats(stacked):
    ends = []
    for keep_bytes in (True, False):
        model, batch, options = built(pictures(), keep_bytes=keep_bytes)
        assert {v.dtype for v in batch.x.values()} == {torch.uint8 if keep_bytes else torch.float32}
        Population([model], batch.x, batch.mask, options, [0], stacked=stacked).run()
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*ends)


def test_bytes_with_absent_rows_train_as_floats():
    mask = {"m1": np.arange(ROWS) % 4 != 0}
    ends = []
    for keep_bytes in (True, False):
        model, batch, options = built(read(pictures(), mask=mask), keep_bytes=keep_bytes)
        progress = Population([model], batch.x, batch.mask, options, [0]).run()
        ends.append(losses(progress[0].history))
    assert np.array_equal(*ends)


def test_both_layouts_stream_alike():
    ends = []
    for data in (pictures(), first(pictures())):
        model, batch, options = built(data, keep_bytes=False)
        loader = [
            Batch({k: v[i] for k, v in batch.x.items()}, {k: v[i] for k, v in batch.mask.items()})
            for i in torch.arange(ROWS).split(16)
        ]
        ends.append(losses(fit_stream(model, loader, options=options, seed=0).history))
    np.testing.assert_allclose(*ends, rtol=1e-4)


def test_an_interrupted_run_goes_on_exactly(tmp_path, monkeypatch):
    data, whole = pictures(), small(network="conv").fit(pictures())
    close, seen = Population._record, []

    def stop(self, *given):
        if seen:
            raise KeyboardInterrupt
        seen.append(close(self, *given))

    with monkeypatch.context() as patch:
        patch.setattr(Population, "_record", stop)
        with pytest.raises(KeyboardInterrupt):
            small(network="conv").fit(data, run=tmp_path / "run", checkpoint_seconds=0)
    resumed = small(network="conv").fit(data, run=tmp_path / "run", resume=True, checkpoint_seconds=0)
    assert len(resumed.history_) == 2
    assert np.array_equal(losses(resumed.history_), losses(whole.history_))
    assert np.array_equal(resumed.embed(data), whole.embed(data))
