"""The papers' judges: sizes as published, what they read, what they learn, and that one is found again."""

import numpy as np
import pytest
import torch

from counterpoint.errors import InputError
from counterpoint.evaluation import oracle_nets, train_oracles
from counterpoint.evaluation.judge_nets import NETS
from counterpoint.evaluation.judges import judge_features, train_judge


def conv(inputs, outputs, window, bias=True):
    """Weights of a convolution over so many positions."""
    return inputs * outputs * window + bias * outputs


def linear(inputs, outputs):
    return (inputs + 1) * outputs


def block(inputs, outputs, window, bias):
    """Weights of a residual block, normalisations counted by two a channel."""
    residual = 2 * inputs + conv(inputs, inputs, 1, bias) + 2 * inputs + conv(inputs, outputs, window, bias)
    return residual + conv(inputs, outputs, window) + 2 * outputs


F = 128
SIZES = {  # name -> shape of a row, classes, parameters
    "resnet": ((3, 28, 28), 10, 795_594),  # as published; the others by their layers
    "strided": ((3, 28, 28), 10, conv(3, 10, 16) + conv(10, 20, 16) + linear(980, 128) + linear(128, 10)),
    "mnist": ((1, 28, 28), 10, conv(1, 32, 16) + conv(32, 64, 16) + conv(64, 128, 16) + linear(128, 10)),
    "svhn": (
        (3, 32, 32),
        10,
        *[
            sum(conv(i, o, 16) + 2 * o for i, o in ((3, 32), (32, 64), (64, 64), (64, 128)))
            + linear(128, 10)
        ],
    ),
    "text": (
        (8, 71),
        10,
        conv(71, 128, 1) + block(128, 192, 4, True) + block(192, 128, 4, True) + linear(128, 10),
    ),
    "portrait": (
        (3, 64, 64),
        40,
        conv(3, F, 9, False)
        + sum(block(n * F, n * F + F, 16, False) for n in (1, 2, 3, 4))
        + linear(5 * F, 40),
    ),
    "characters": (
        (256, 41),
        40,
        conv(41, F, 3) + sum(block(n * F, n * F + F, 4, True) for n in range(1, 7)) + linear(7 * F, 40),
    ),
    "dcgan": (
        (3, 64, 64),
        6,
        conv(3, 64, 16) + conv(64, 128, 16) + conv(128, 256, 16) + conv(256, 512, 16) + conv(512, 128, 16)
        + linear(128, 6),
    ),
    "words": (
        (32, 1868),
        6,
        1868 * 128
        + sum(conv(i, o, 16, False) + 2 * o for i, o in ((1, 32), (32, 64), (64, 128)))
        + 2 * (conv(128, 128, 4, False) + 256)
        + conv(128, 128, 16, False)
        + linear(128, 6),
    ),
    "spikes": (
        (920,),
        4,
        linear(920, 1024) + linear(1024, 512) + linear(512, 256) + linear(256, 64) + linear(64, 4),
    ),
    "lenet": ((1, 28, 28), 10, conv(1, 10, 25) + conv(10, 20, 25) + linear(320, 50) + linear(50, 10)),
}  # fmt: skip


def test_every_judge_is_here_and_can_be_chosen():
    assert set(SIZES) == set(NETS) == set(oracle_nets.JUDGES)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_published_ones(name):
    event, classes, parameters = SIZES[name]
    with torch.device("meta"):
        net = NETS[name](event, classes)
        assert sum(p.numel() for p in net.parameters()) == parameters
        assert net.eval()(torch.zeros(2, *event)).shape == (2, classes)


def test_svhn_of_another_size_and_lenet_of_svhn():
    with torch.device("meta"):
        assert NETS["lenet"]((3, 32, 32), 10)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    for name, event in (
        ("svhn", (3, 28, 28)),
        ("mnist", (1, 32, 32)),
        ("portrait", (3, 48, 48)),
        ("text", (9, 71)),
    ):
        with pytest.raises(InputError, match=r"the rows are|H and W are"):
            NETS[name](event, 10)


def test_factors_weigh_the_branches_of_a_block():
    from counterpoint.evaluation.judge_nets import Block

    torch.manual_seed(0)
    block, x = Block(4, 6).eval(), torch.randn(3, 4, 8, 8)
    torch.testing.assert_close(block(x), 2 * block.shortcut(x) + 0.3 * block.residual(x))
    assert (Block(4, 6, axes=1, short=1.0).factors) == (1.0, 0.3)


def coloured(seed, rows=240, last=True):
    """Pictures of three classes, and labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    base = np.random.default_rng(9).integers(0, 256, (3, 16, 16, 3))
    x = np.clip(base[y] + rng.normal(0, 40, (rows, 16, 16, 3)), 0, 255)
    return (x if last else x.transpose(0, 3, 1, 2)).astype(np.float32), y


def written(seed, rows=240):
    """Texts of 16 symbols among 5, one-hot, of three classes; a tenth of the symbols is wrong."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    codes = np.random.default_rng(8).integers(0, 5, (3, 16))[y]
    codes = np.where(rng.random(codes.shape) < 0.1, rng.integers(0, 5, codes.shape), codes)
    return np.eye(5, dtype=np.float32)[codes], y


@pytest.fixture
def quick(monkeypatch):
    """Few steps: what is asked here is learned in these."""
    from counterpoint.evaluation import judges

    monkeypatch.setattr(judges, "LEAST_STEPS", 60)


@pytest.mark.slow
def test_judges_learn_and_are_found_again(quick, tmp_path, monkeypatch):
    (x, y), (held, truth) = coloured(0), coloured(1)
    (t, _), (other, _) = written(0), written(1)
    ask = ({"a": x, "b": t}, y, {"a": held, "b": other}, truth)
    kind = {"a": "strided", "b": "words"}
    before = torch.random.get_rng_state()
    found = train_oracles(*ask, kind=kind, cache=tmp_path)
    assert torch.equal(before, torch.random.get_rng_state()), "dropout draws from no one's stream"
    assert {n: o.kind for n, o in found.items()} == kind
    assert min(o.accuracy for o in found.values()) > 0.9
    assert found["a"].read == "last hidden layer of the strided oracle, 128 features"
    monkeypatch.setattr(oracle_nets, "train", lambda *a: pytest.fail("trained again"))
    again = train_oracles(*ask, kind=kind, cache=tmp_path)
    for name, rows in (("a", held), ("b", other)):
        np.testing.assert_array_equal(found[name].proba(rows), again[name].proba(rows))


def test_a_row_is_judged_by_itself(quick):
    """Asked, a judge neither drops units nor normalises over the rows beside it."""
    x, y = written(2, 60)
    weights = train_judge("words", x.reshape(60, -1), y, (16, 5), seed=0)
    together = judge_features("words", weights, x.reshape(60, -1), (16, 5))
    alone = np.concatenate([judge_features("words", weights, one.reshape(1, -1), (16, 5)) for one in x])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    assert not [name for name in weights if name.endswith("num_batches_tracked")]


def test_the_seed_decides(quick):
    x, y = coloured(3, 60)
    one, two, other = (
        train_judge("lenet", x.reshape(60, -1) / 255, y, (16, 16, 3), seed)["out.weight"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_several_labels_a_row(quick):
    x, y = coloured(4)
    both = np.stack([y == 0, y > 0], 1).astype(int)
    oracle = train_oracles({"a": x}, both, {"a": x}, both, kind="lenet")["a"]
    assert oracle.several
    assert oracle.accuracy > 0.9


def test_pictures_for_a_judge_of_tables_are_refused():
    x, y = coloured(5, 30)
    with pytest.raises(
        InputError, match=r"modality 'a': the rows are \(3, 16, 16\); this judge reads tables"
    ):
        train_oracles({"a": x}, y, {"a": x}, y, kind="spikes")
    with pytest.raises(InputError, match="Did you mean 'resnet'"):
        train_oracles({"a": x}, y, {"a": x}, y, kind="resnt")
    with pytest.raises(InputError, match="modality is 'b'"):
        train_oracles({"a": x}, y, {"a": x}, y, kind={"b": "resnet"})


def test_a_grid_names_its_judges():
    from counterpoint.sweeps.grid import grid

    given = {"data": "a.npz", "method": "mmvm"}
    assert grid(given).once["judges"] == "auto"
    assert grid({**given, "judges": {"a": "resnet"}}).once["judges"] == {"a": "resnet"}
    for judges in ("resnt", {"a": "resnt"}):
        with pytest.raises(InputError, match=r"judges is 'resnt'.*Did you mean 'resnet'"):
            grid({**given, "judges": judges})
