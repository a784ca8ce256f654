"""MNIST-SVHN-Text and its stand-in: one class a row, n of every class, no image in training and test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import counterpoint as cp
from counterpoint.data import pairing
from counterpoint.data.digit_words import ALPHABETS, spell
from counterpoint.data.image_sound_text import image_sound_text
from counterpoint.data.mnist_svhn_text import mnist_svhn_text
from counterpoint.data.named import NAMED, check_named, named
from counterpoint.errors import InputError
from published import number, write_mnist, write_svhn

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
RNG = np.random.default_rng(0)
MNIST = [RNG.permutation(np.repeat(np.arange(10), n)) for n in (9, 4)]
SVHN = [RNG.permutation(np.repeat(np.arange(10), np.arange(10) + n)) for n in (4, 1)]
ROWS = [sum(min(9, 4 + i) for i in range(10)), sum(min(4, 1 + i) for i in range(10))]  # of one repetition


@pytest.fixture
def folder(tmp_path):
    return write_svhn(write_mnist(tmp_path, *MNIST), *SVHN)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=25),
    st.lists(st.integers(0, 3), min_size=1, max_size=25),
    st.integers(1, 3),
    st.integers(1, 4),
)
def test_every_class_is_paired_as_often_as_it_can_be(a, b, repetitions, most):
    labels = {"a": np.array(a), "b": np.array(b)}
    with pytest.MonkeyPatch.context() as m:
        m.setattr(pairing, "MOST", most)
        rngs = {name: np.random.default_rng(7) for name in labels}
        if not set(a) & set(b):
            with pytest.raises(InputError, match="no class in common"):
                pairing.pair(labels, repetitions, rngs)
            return
        found = pairing.pair(labels, repetitions, rngs)
    shown = labels["a"][found["a"]]
    np.testing.assert_array_equal(shown, labels["b"][found["b"]])
    for label in range(4):
        n = min(a.count(label), b.count(label), most)
        assert (shown == label).sum() == n * repetitions
        for index in found.values():
            rounds = index[shown == label].reshape(repetitions, n)
            assert all(len(set(one)) == n for one in rounds), "no image twice in one repetition"


def test_rows_show_one_digit_and_parts_share_no_image(folder):
    parts = mnist_svhn_text(folder, repetitions=3)
    seen = []
    for part, mnist, svhn, rows in zip(parts, MNIST, SVHN, ROWS, strict=True):
        assert (part.names, len(part)) == (("mnist", "svhn", "text"), 3 * rows)
        assert [part.x[name].shape[1:] for name in part.names] == [(1, 28, 28), (3, 32, 32), (8,)]
        digit, start = part.labels["digit"], np.array([len(MNIST[0]), len(SVHN[0])]) * len(seen)
        ids = number(part.x["mnist"]), number(part.x["svhn"])
        np.testing.assert_array_equal(mnist[ids[0] - start[0]], digit)
        np.testing.assert_array_equal(svhn[ids[1] - start[1]], digit)
        assert [text.strip() for text in spell(part.x["text"])] == [WORDS[i] for i in digit]
        assert part.categories == {"mnist": None, "svhn": None, "text": ALPHABETS["letters"]}
        assert (np.diff(digit) < 0).mean() > 0.2, "rows are shuffled"
        seen.append([set(one.tolist()) for one in ids])
    assert not seen[0][0] & seen[1][0]
    assert not seen[0][1] & seen[1][1]


def test_fewer_rows_other_modalities_and_seeds(folder):
    train, test = mnist_svhn_text(folder, repetitions=2)
    again, _ = mnist_svhn_text(folder, repetitions=2)
    fewer, few = mnist_svhn_text(
        folder, repetitions=2, modalities=["text", "svhn", "mnist"], rows=11, test_rows=5
    )
    assert fewer.names == ("text", "svhn", "mnist")
    assert (len(fewer), len(few)) == (11, 5)
    for name in train.names:
        np.testing.assert_array_equal(train.x[name], again.x[name])
        np.testing.assert_array_equal(train.x[name][:11], fewer.x[name])
        np.testing.assert_array_equal(test.x[name][:5], few.x[name])
    pair, _ = mnist_svhn_text(folder, repetitions=2, modalities=("mnist", "svhn"))
    np.testing.assert_array_equal(pair.x["svhn"], train.x["svhn"])
    other, _ = mnist_svhn_text(folder, repetitions=2, seed=1)
    assert (other.x["mnist"] != train.x["mnist"]).any()


def test_three_modality_mnist_turns_another_image_of_the_class(folder, monkeypatch):
    angles = []
    monkeypatch.setattr(pairing, "rotate", lambda images, degrees: angles.append(degrees) or images)
    train, _ = mnist_svhn_text(folder, modalities=("mnist", "rotated", "svhn"), repetitions=2)
    ids = number(train.x["mnist"]), number(train.x["rotated"])
    assert train.x["rotated"].shape[1:] == (1, 28, 28)
    np.testing.assert_array_equal(MNIST[0][ids[1]], train.labels["digit"])
    assert (ids[0] != ids[1]).mean() > 0.5
    assert (np.abs(angles[0]) <= 45).all()
    assert np.ptp(angles[0]) > 70


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"modalities": ("mnst",)}, "Did you mean 'mnist'"),
        ({"modalities": ("text",)}, "text alone"),
        ({"repetitions": 0}, "repetitions is 0"),
        ({"rows": 10_000}, "rows is 10000; there are"),
        ({"alphabet": "greek"}, "alphabet is 'greek'"),
        ({"seed": 0.5}, r"seed is 0\.5"),
    ],
)
def test_options_are_checked(folder, options, says):
    with pytest.raises(InputError, match=says):
        mnist_svhn_text(folder, **options)


def sounds(folder, **change):
    """Spoken digits, five repetitions of which are the test part; the repetition is the first value."""
    digit, rep = (one.ravel().astype(np.uint8) for one in np.mgrid[:10, :8])
    logmel = np.zeros((80, 32, 32), np.uint8)
    logmel[:, 0, 0] = rep
    (folder / "fsdd_audio").mkdir()
    arrays = {"logmel": logmel, "digit": digit, "rep": rep, **change}
    np.savez(folder / "fsdd_audio" / "fsdd.npz", **{k: v for k, v in arrays.items() if v is not None})
    return folder


def test_the_stand_in_keeps_to_the_official_recordings(folder):
    train, test = image_sound_text(sounds(folder), repetitions=2)
    assert (len(train), len(test)) == (2 * 30, 2 * 40)
    assert set(train.x["sound"][:, 0, 0, 0]) == {5, 6, 7}
    assert set(test.x["sound"][:, 0, 0, 0]) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(MNIST[0][number(train.x["image"])], train.labels["digit"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rep": None}, "must hold logmel uint8"),
        ({"digit": np.full(80, 10)}, "must hold logmel"),
        ({"logmel": np.zeros((80, 32, 32))}, "logmel float64"),
        ({"rep": np.arange(80) % 5}, "no recording of the train part"),
    ],
)
def test_unfit_recordings_are_refused(folder, change, says):
    with pytest.raises(InputError, match=rf"fsdd\.npz.*{says}"):
        image_sound_text(sounds(folder, **change))


def test_named_in_a_grid(folder):
    given_ = {
        "name": "mnist_svhn_text",
        "folder": str(folder),
        "repetitions": 1,
        "modalities": ["svhn", "text"],
    }
    train, test = named(given_)
    assert train.names == test.names == ("svhn", "text")
    with pytest.raises(InputError, match="Did you mean 'repetitions'"):
        check_named({"name": "image_sound_text", "folder": ".", "repetition": 2})
    train, test = named({"name": "two_view_mnist", "folder": str(write_mnist(folder, [0] * 30, [1] * 3))})
    assert (len(train), len(test)) == (25, 3)
    for name in ("two_view_mnist_mat", "xrmb", "mir_flickr"):
        with pytest.raises(InputError, match="is missing"):
            named({"name": name, "folder": str(folder)})
        assert name in NAMED


def test_of_real_rows_every_modality_can_be_read(real_data):
    train, test = image_sound_text(real_data, rows=2500, test_rows=500)
    for name, least in (("image", 0.8), ("sound", 0.9), ("text", 0.7)):
        one, other = (
            (np.eye(27)[part.x[name]] if name == "text" else part.x[name] / 255).reshape(len(part), -1)
            for part in (train, test)
        )
        fit = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=100, tol=1e-2))
        fit.fit(one, train.labels["digit"])
        assert fit.score(other, test.labels["digit"]) > least, name


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_a_model_fits_real_images_sounds_and_words(real_data, tmp_path, alphabet):
    train, test = image_sound_text(real_data, rows=300, test_rows=60, alphabet=alphabet)
    symbols = len(ALPHABETS[alphabet])
    model = cp.Counterpoint(latent_dim=4, epochs=1, hidden=(32,), network="mlp").fit(train)
    kinds = {name: one.likelihood for name, one in model.preparation_.modalities.items()}
    assert kinds == {"image": "laplace", "sound": "laplace", "text": "categorical"}
    assert model.translate(test, "image", "text").shape == (60, 8, symbols)
    model.save(tmp_path / "run")
    again = cp.load(tmp_path / "run")
    np.testing.assert_array_equal(again.embed(test), model.embed(test))
    letters = np.array([list(text) for text in spell(test.x["text"], alphabet)])  # as someone types them
    np.testing.assert_array_equal(again.embed({"text": letters}), again.embed(test.select(["text"])))
