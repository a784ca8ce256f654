"""What the documentation must mention; the messages say what to add where."""

import inspect
import re
from pathlib import Path

import pytest

import toy
from counterpoint.baselines import BASELINES
from counterpoint.methods import METHODS

DOCS = Path(__file__).parent.parent / "docs"


def text(name):
    path = DOCS / name
    assert path.exists(), f"docs/{name} does not exist; write it"
    return path.read_text()


@pytest.mark.parametrize("name", [*METHODS, *BASELINES])
def test_every_method_has_a_row_in_the_table_of_methods(name):
    rows = [
        line
        for line in text("methods.md").splitlines()
        if line.startswith("|") and f"`{name}`" in line.split("|")[1]
    ]
    assert rows, f"docs/methods.md has no row for {name}: add one to its table, starting with | `{name}` |"


def test_the_table_of_methods_has_no_row_too_many():
    named = set(re.findall(r"^\|\s*`(\w+)`\s*\|", text("methods.md"), re.MULTILINE))
    extra = named - set(METHODS) - set(BASELINES)
    assert not extra, (
        f"docs/methods.md has rows for {sorted(extra)}, which neither METHODS nor BASELINES has: "
        "take them out"
    )


PRESETS = [(m, p, o) for m in METHODS for p, options in toy.presets(m).items() for o in options]


@pytest.mark.parametrize("option", sorted({o for _, _, o in PRESETS}))
def test_every_option_that_a_preset_sets_is_a_convention(option):
    users = sorted({f"{m} ({p})" for m, p, o in PRESETS if o == option})
    assert f"`{option}`" in text("conventions.md") or f"`{option}=" in text("conventions.md"), (
        f"docs/conventions.md does not mention `{option}`, which presets set in {', '.join(users)}: "
        "say what it means, what each source does, which is our default, and which test holds it"
    )


@pytest.mark.parametrize("name", [*METHODS, *BASELINES])
def test_every_option_of_a_recipe_is_described(name):
    recipe = METHODS.get(name) or BASELINES[name]
    described = inspect.getdoc(recipe) or ""
    missing = [
        o
        for o in inspect.signature(recipe).parameters
        if not re.search(rf"^\s*{o}: ", described, re.MULTILINE)
    ]
    assert not missing, f"the docstring of {name} does not describe {', '.join(missing)}: add them under Args"
    assert "Source:" in described, f"the docstring of {name} names no source"
