"""A preparation survives JSON; a damaged one is refused."""

import copy
import json

import pytest

from counterpoint.data import Preparation
from counterpoint.errors import InputError
from kinds_of_data import mixed

NAN = float("nan")


def test_everything_survives_json():
    data = mixed()
    preparation = Preparation.fit(data)
    text = json.dumps(preparation.to_dict(), allow_nan=False, sort_keys=True)
    again = Preparation.from_dict(json.loads(text))
    assert again.names == preparation.names
    assert json.dumps(again.to_dict(), sort_keys=True) == text
    x, _ = preparation.apply(data)
    for name, values in again.apply(data)[0].items():
        assert (values == x[name]).all()
        assert again[name].feature_hash == preparation[name].feature_hash
    assert preparation["image"].feature_hash is None
    assert len(preparation["real"].feature_hash or "") == 64


def change(**parts):
    def changed(plain):
        plain["modalities"][0].update(parts)

    return changed


DAMAGE = {
    "list": (lambda plain: plain.update(modalities={}), "damaged"),
    "none": (lambda plain: plain.update(modalities=[]), "damaged"),
    "format": (lambda plain: plain.update(format=99), "format 99"),
    "twice": (lambda plain: plain["modalities"].append(plain["modalities"][0]), "twice"),
    "no dict": (lambda plain: plain.update(modalities=[3]), "cannot name"),
    "lacks": (lambda plain: plain["modalities"][0].pop("event"), "lacks 'event'"),
    "unknown key": (change(evnt=3), "Did you mean 'event'"),
    "likelihood": (change(likelihood="norml"), "Did you mean 'normal'"),
    "event": (change(event=3), "list of whole numbers"),
    "negative event": (change(event=[-3]), "-3"),
    "features": (change(features=["v", "u", "w"]), "feature_hash"),
    "fewer features": (change(features=["u"]), "'features'"),
    "features no text": (change(features=[1, 2, 3]), "list of text"),
    "shift shape": (change(shift=[0.0]), "shift"),
    "shift text": (change(shift=["x", "y", "z"]), "shift"),
    "shift nan": (change(shift=[0.0, NAN, 0.0]), "shift"),
    "scale zero": (change(scale=[1.0, 0.0, 1.0]), "'scale'"),
    "classes": (change(n_categories=4), "'n_categories'"),
    "categories": (change(likelihood="categorical", n_categories=4, categories=["x"]), "'categories'"),
    "library": (change(library_size=-1.0), "'library_size'"),
    "pixels": (change(pixels="bite"), "Did you mean 'byte'"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_preparations(case):
    damage, words = DAMAGE[case]
    plain = copy.deepcopy(Preparation.fit(mixed()).to_dict())
    damage(plain)
    with pytest.raises(InputError) as error:
        Preparation.from_dict(plain)
    assert words in str(error.value)


@pytest.mark.parametrize("given_", [None, [], "x", {}])
def test_what_is_no_preparation(given_):
    with pytest.raises(InputError, match="damaged"):
        Preparation.from_dict(given_)
