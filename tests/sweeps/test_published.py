"""Published figures: checked when a recipe is read, kept with its runs, shown apart from what is ours."""

import json

import pytest

from counterpoint.errors import InputError
from counterpoint.report.build import _published
from counterpoint.report.records import Record
from counterpoint.sweeps.grid import grid

TABLE = {"source": "A 2024, Table 1", "data": "B", "same_data": False, "rows": {"C": {"D": 0.5}}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Table 1", "give a list of tables"),
        ([{**TABLE, "sauce": 1}], "'sauce'.*Did you mean 'source'"),
        ([{k: v for k, v in TABLE.items() if k != "data"}], "lacks data"),
        ([{**TABLE, "same_data": "no"}], "give true or false"),
        ([{**TABLE, "rows": [1]}], "row -> column -> number"),
        ([{**TABLE, "rows": {"C": {"D": "0.5"}}}], "published C, D is '0.5'"),
    ],
)
def test_what_is_no_table_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        grid({"data": "a.npz", "method": "mmvm", "published": given})


def test_a_grid_carries_them():
    found = grid({"data": "a.npz", "published": [TABLE]})
    assert json.loads(json.dumps(found.to_dict()))["once"]["published"] == [TABLE]
    assert grid({"data": "a.npz"}).once["published"] == []


def test_a_report_shows_each_once_and_says_whose_data_they_are():
    config = {"method": "a", "beta": 1, "seed": 0, "options": None}
    runs = [Record("r", config, {}, {}, {"published": [TABLE, {**TABLE, "same_data": True}]})] * 2
    first, second = _published(runs)
    assert first.heading == "Published: A 2024, Table 1"
    assert list(first.rows) == [{"published": "C", "D": 0.5}]
    assert "on B: other data than of these runs" in first.note
    assert second.note.endswith("on B.")
    assert _published([Record("r", config, {}, {}, {})]) == []
