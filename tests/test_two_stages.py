"""Partly labelled rows in two stages: first all rows without the classifier, then with the few labels."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import counterpoint as cp

ROWS, LABELLED, BATCH = 600, 30, 100
EPOCH = ROWS // BATCH  # steps
CENTRES = 2 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])


def planted(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Four classes in two dimensions, which `noisy` shows under much noise and `clean` under little.

    What of `noisy` tells the class can be learned from `clean`, of which no row lacks any, without labels.
    """
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    into_noisy, into_clean = fixed.normal(size=(2, 60)), fixed.normal(size=(2, 6))
    y = rng.integers(0, 4, rows)
    z = CENTRES[y] + 0.3 * rng.normal(size=(rows, 2))
    noisy = z @ into_noisy / 2 + 4 * rng.normal(size=(rows, 60))
    return {"noisy": noisy, "clean": z @ into_clean + 0.2 * rng.normal(size=(rows, 6))}, y


def partly(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Training rows, their classes with -1 in 95 % of them, and which have theirs."""
    x, y = planted(ROWS, seed)
    few = np.random.default_rng(seed).permutation(ROWS)[:LABELLED]
    known = np.full(ROWS, -1)
    known[few] = y[few]
    return x, known, few


def model(weight: float | str, epochs: int, seed: int = 0) -> cp.Counterpoint:
    options = {"observed": ["noisy"], "kl_weight": 1.0, "classifier_weight": weight}
    return cp.Counterpoint(
        "cmmd", options=options, target="class", latent_dim=4, hidden=(32,), epochs=epochs, batch_size=BATCH,
        learning_rate=5e-3, validation=0.0, patience=None, seed=seed,
    )  # fmt: skip


def weights(m: cp.Counterpoint) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in m.model_.state_dict().items()}


def of_classifier(m: cp.Counterpoint) -> list[str]:
    place = m.model_.names.index("class")
    return [k for k in m.model_.state_dict() if k.startswith(f"modalities.{place}.")]


def test_the_classifier_is_taught_in_the_second_stage_alone():
    x, known, _ = partly(0)
    two = f"step:0:10:{3 * EPOCH}"
    without, first, both = (weights(m.fit(x, known)) for m in (model(0.0, 3), model(two, 3), model(two, 4)))
    fresh = model(two, 1).set_params(learning_rate=1e-30).fit(x, known)
    assert of_classifier(fresh)
    assert all(torch.equal(without[k], first[k]) for k in first)
    for k in of_classifier(fresh):
        assert torch.equal(first[k], weights(fresh)[k]), "a weight of 0 has moved it"
        assert not torch.equal(both[k], first[k])
    explained = [k for k in first if k.startswith("modalities.1.decoder")]
    assert explained
    assert not any(torch.equal(first[k], weights(fresh)[k]) for k in explained)


def test_the_second_stage_begins_at_its_step():
    """One step more than the first stage has: the prior's encoder gets the classifier's gradient then."""
    x, known, _ = partly(0)
    plain = weights(model(0.0, 1).fit(x, known))
    last = weights(model(f"step:0:10:{EPOCH - 1}", 1).fit(x, known))
    never = weights(model(f"step:0:10:{EPOCH}", 1).fit(x, known))
    assert all(torch.equal(plain[k], never[k]) for k in plain)
    assert not torch.equal(plain["prior_head.weight"], last["prior_head.weight"])


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_without_labels_make_better_predictions(seed):
    """Beside the same model on the labelled rows, for as many steps, and a linear classifier on them."""
    x, known, few = partly(seed)
    test, y = planted(2000, seed + 50)
    epochs = 70
    two = model(f"step:0:10:{epochs * EPOCH // 2}", epochs, seed).fit(x, known)
    alone = {name: values[few] for name, values in x.items()}
    only = model(10.0, epochs * EPOCH, seed).fit(alone, known[few])
    found = {
        "two stages": (two.predict({"noisy": test["noisy"]}) == y).mean(),
        "labelled rows": (only.predict({"noisy": test["noisy"]}) == y).mean(),
        "linear": LogisticRegression(C=0.1).fit(alone["noisy"], known[few]).score(test["noisy"], y),
    }
    assert found["two stages"] > max(found["labelled rows"], found["linear"]) + 0.08, found
