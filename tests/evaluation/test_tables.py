"""The comparison table: what is collected, what is written."""

import pytest

from counterpoint.errors import InputError
from counterpoint.evaluation import Column, collect, format_table, table_cells, to_markdown

SCORES = {
    "mmvm": [{"accuracy": 0.87, "coherence": 0.8}, {"accuracy": 0.89, "coherence": float("nan")}],
    "raw": [{"accuracy": 0.869}],
    "a|b": [{"accuracy": 0.5, "rate": 12.0}, {"accuracy": 0.5, "rate": 14.0}],
}
COLUMNS = ["accuracy", "coherence", Column("rate", "rate (nats)", 1)]


def test_cells_show_mean_sd_and_missing_seeds():
    assert table_cells(collect(SCORES), COLUMNS) == [
        ["method", "accuracy", "coherence", "rate (nats)"],
        ["mmvm", "0.880 ± 0.014", "0.800 (n=1)", "-"],
        ["raw", "0.869", "-", "-"],
        ["a|b", "0.500 ± 0.000", "-", "13.0 ± 1.4"],
    ]


def test_plain_text_is_aligned():
    assert format_table(collect(SCORES), COLUMNS) == [
        "method       accuracy    coherence  rate (nats)",
        "------  -------------  -----------  -----------",
        "mmvm    0.880 ± 0.014  0.800 (n=1)            -",
        "raw             0.869            -            -",
        "a|b     0.500 ± 0.000            -   13.0 ± 1.4",
    ]


def test_markdown_has_a_bar_per_column_and_escapes_those_in_names():
    lines = to_markdown(collect(SCORES), COLUMNS).splitlines()
    assert lines[1] == "| :--- | ---: | ---: | ---: |"
    assert lines[4].startswith("| a\\|b | 0.500")
    assert len(lines) == 5


def test_a_table_without_rows_is_its_header():
    assert format_table([], ["accuracy"]) == ["method  accuracy", "------  --------"]


def test_each_bad_input_has_its_error():
    with pytest.raises(InputError, match="Did you mean 'accuracy'"):
        format_table(collect(SCORES), ["acuracy"])
    with pytest.raises(InputError, match="'mmvm' has no scores"):
        collect({"mmvm": []})
    with pytest.raises(InputError, match="digits of 'rate' is -1"):
        format_table(collect(SCORES), [Column("rate", "rate", -1)])
