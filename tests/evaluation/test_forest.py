"""Forest probes: what is fitted, with what, and what comes out."""

import numpy as np
import pytest
import sklearn.ensemble

from counterpoint.errors import InputError
from counterpoint.evaluation.forest import forest_probe


def rings(seed, rows=200):
    g = np.random.default_rng(seed)
    x = g.standard_normal((rows, 3))
    return x, (np.linalg.norm(x[:, :2], axis=1) > 1.18) + 0


def test_trees_read_what_no_line_does():
    (x, y), (held, truth) = rings(0), rings(1)
    result = forest_probe(x, y, held, truth, trees=60)
    assert result.accuracy > 0.8
    assert result.auroc > 0.9
    assert abs(result.chance - 0.5) < 0.1
    assert result.hits.mean() == result.accuracy
    assert (result.n_train, result.n_test) == (200, 200)
    assert result == forest_probe(x, y, held, truth, trees=60)
    assert result != forest_probe(x, y, held, truth, trees=60, seed=1)
    assert forest_probe(x, y, held, truth, trees=5, size=50).n_train == 50


def test_labels_get_a_forest_each_and_a_constant_one_is_answered():
    (x, y), (held, truth) = rings(0), rings(1)
    several, asked = np.stack([y, 0 * y, 1 - y], 1), np.stack([truth, 0 * truth, 1 - truth], 1)
    result = forest_probe(x, several, held, asked, trees=40)
    assert result.hits[:5].shape == (5,)
    assert 0.85 < result.accuracy <= 1
    assert result.auroc > 0.9


@pytest.mark.parametrize(
    ("preset", "kind", "trees"),
    [(None, "ExtraTreesClassifier", 1000), ("paper", "RandomForestClassifier", 5000)],
)
def test_the_preset_decides_kind_and_number(monkeypatch, preset, kind, trees):
    asked = {}
    made = getattr(sklearn.ensemble, kind)

    def few(**settings):
        asked.update(settings)
        return made(**{**settings, "n_estimators": 5})

    monkeypatch.setattr(sklearn.ensemble, kind, few)
    (x, y), (held, truth) = rings(0), rings(1)
    forest_probe(x, y, held, truth, preset=preset)
    assert asked.pop("random_state") >= 0
    assert asked == {
        "n_estimators": trees,
        "criterion": "entropy",
        "max_depth": 30,
        "min_samples_split": 5,
        "max_features": "sqrt",
        "n_jobs": 1,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preset": "papr"}, "Did you mean 'paper'"),
        ({"trees": 0}, "trees is 0"),
        ({"n_jobs": 0}, "-1 for all"),
        ({"train_y": np.zeros(200, int)}, "one class only"),
        ({"train_x": np.full((200, 3), np.nan)}, "NaN"),
    ],
)
def test_each_bad_input_has_its_error(change, said):
    (x, y), (held, truth) = rings(0), rings(1)
    arguments = {"train_x": x, "train_y": y, "test_x": held, "test_y": truth, "trees": 5, **change}
    with pytest.raises(InputError, match=said):
        forest_probe(**arguments)
