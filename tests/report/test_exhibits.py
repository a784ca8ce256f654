"""Translations of pictures, whichever way their axes lie."""

from pathlib import Path

import numpy as np
import pytest

from counterpoint.report.exhibits import samples, translations
from counterpoint.report.page import encoded
from counterpoint.report.records import Record


def cells(event, real, made, scale=None):
    """Draw one modality; return what its axes show, or None where that is no picture."""
    one = {"name": "a", "event": list(event), "categories": None, "n_categories": None}
    one |= {"scale": scale, "shift": None}
    config = {"method": "mmvm", "beta": 1.0, "seed": 0, "options": None}
    record = Record(Path("a"), config, {"preparation": {"modalities": [one]}}, {}, {})
    kept = {"shown": np.arange(len(real)), "real/0": real, "made/0/0": made}
    object.__setattr__(record, "exhibits", lambda: kept)
    figure = translations(record)["Into a"]
    assert encoded(figure, "png")
    return [np.asarray(a.images[0].get_array()) if a.images else None for a in figure.axes]


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_the_same_in_both_layouts(channels):
    real = np.random.default_rng(0).integers(0, 256, (2, 9, 8, channels)).astype(float)
    first = real.transpose(0, 3, 1, 2)
    last, plain = (cells(x.shape[1:], x, x / 2) for x in (real, first))
    assert np.array_equal(last, plain)
    scaled = (real - real.min()) / (real.max() - real.min())
    np.testing.assert_allclose(last[:2], scaled[..., 0] if channels == 1 else scaled)


@pytest.mark.parametrize("event", [(9, 8, 2), (7, 8, 3), (8, 9, 5)])
def test_what_is_no_picture_stays_a_table(event):
    values = np.random.default_rng(0).normal(size=(2, *event))
    assert cells(event, values, values, np.ones(event).tolist()) == [None] * 4


def test_samples_have_a_line_a_modality_and_a_column_a_row():
    """Pictures, tables and words side by side; of more modalities than are drawn the caption tells."""
    rng = np.random.default_rng(0)
    events = {"photo": (1, 8, 8), "table": (5,), "word": (3,)}
    kept = {f"sampled/{m}": rng.random((4, *event)) for m, event in enumerate(events.values())}
    kept["sampled/2"] = rng.random((4, 3, 2))  # probabilities of two letters
    parts = [
        {"name": k, "event": list(v), "categories": None, "n_categories": None, "scale": None, "shift": None}
        for k, v in events.items()
    ]
    parts[2] |= {"categories": ["a", "b"], "n_categories": 2}
    config = {"method": "mmvm", "beta": 1.0, "seed": 0, "options": None}
    record = Record(Path("a"), config, {"preparation": {"modalities": parts}}, {}, {})
    object.__setattr__(record, "exhibits", lambda: kept)
    figure = samples(record)["From nothing"]
    assert encoded(figure, "png")
    assert "decoded from one latent" in figure.get_label()
    rows = np.array(figure.axes).reshape(3, 4)
    shown = np.asarray(rows[0][2].images[0].get_array())
    low, high = kept["sampled/0"].min(), kept["sampled/0"].max()
    np.testing.assert_allclose(shown, (kept["sampled/0"][2, 0] - low) / (high - low))
    letters = [axes.texts[0].get_text() for axes in rows[2]]
    assert letters == ["".join("ab"[c] for c in row.argmax(-1)) for row in kept["sampled/2"]]
    object.__setattr__(record, "exhibits", dict)
    assert samples(record) == {}
