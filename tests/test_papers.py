"""Every recipe names its paper, `cite` prints entries that BibTeX can read, `methods` lists all of them."""

import re
import sys

import pytest

import toy
from counterpoint import cli
from counterpoint.baselines import BASELINES
from counterpoint.commands.show import in_words, paper
from counterpoint.methods import METHODS, method
from counterpoint.methods._papers import Paper

MADE = {**METHODS, **BASELINES}


def parsed(text):
    """Read BibTeX by counting braces: {key: (kind, {field: value})}; anything else between entries fails."""
    entries, at = {}, 0
    while found := re.compile(r"\s*@(\w+)\{([^,\s]+),").match(text, at):
        kind, key = found.groups()
        fields, at = {}, found.end()
        while field := re.compile(r"\s*(\w+)\s*=\s*\{").match(text, at):
            depth, end = 1, field.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
            assert field[1] not in fields
            fields[field[1]] = text[field.end() : end - 1]
            assert text[end] == ","
            at = end + 1
        closing = re.compile(r"\s*\}").match(text, at)
        assert closing, text[at:]
        assert key not in entries, f"{key} twice"
        entries[key], at = (kind, fields), closing.end()
    assert not text[at:].strip(), text[at:]
    return entries


def run(capsys, *argv):
    status = cli.main(list(argv))
    out, err = capsys.readouterr()
    assert status == 0, err
    return out


@pytest.mark.parametrize("name", MADE)
def test_every_recipe_has_a_paper(name):
    module = sys.modules[MADE[name].__module__]
    assert isinstance(getattr(module, "PAPER", None), Paper), (
        f"{module.__name__} has no PAPER: add PAPER = Paper(authors, title, venue, year, url)"
    )
    given = module.PAPER
    assert given.authors, "a paper has authors"
    assert all(re.fullmatch(r"[^,{}]+, [^,{}]+", author) for author in given.authors), given.authors
    assert 1930 <= given.year <= 2030
    assert given.url.startswith("https://")
    assert str(given.year) in given.short


@pytest.mark.parametrize("name", MADE)
def test_cite_prints_an_entry_that_parses(name, capsys):
    given = paper(name)
    ((kind, fields),) = parsed(run(capsys, "cite", name)).values()
    assert fields["author"].split(" and ") == list(given.authors)
    assert fields["title"].strip("{}") == given.title
    assert fields["year"] == str(given.year)
    assert fields["url"] == given.url
    where = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}[kind]
    assert fields[where].removesuffix(" preprint") == given.venue


def test_all_papers_at_once_have_keys_of_their_own(capsys):
    entries = parsed(run(capsys, "cite", *MADE))
    assert len(entries) == len({paper(name) for name in MADE})


def test_cite_gives_each_paper_once_and_refuses_what_is_no_method(capsys):
    assert len(parsed(run(capsys, "cite", "mmvm", "poe", "mvae", "mmvm"))) == 2
    assert cli.main(["cite", "mmvm", "mvea"]) == 2
    out, err = capsys.readouterr()
    assert "Did you mean 'mvae'?" in err
    assert not out


def test_the_table_has_a_row_for_every_method_with_its_parts_and_source(capsys):
    first, second = run(capsys, "methods").split("\n\n")
    head, *rows = first.splitlines()
    titles = re.split(r"\s{2,}", head)
    assert titles == ["method", "year", "aggregation", "prior", "objective", "source", "what it is"]
    assert [row.split()[0] for row in rows] == list(METHODS)
    assert [row.split()[0] for row in second.splitlines()[1:-1]] == list(BASELINES)
    for name, row in zip(METHODS, rows, strict=True):
        cells = re.split(r"\s{2,}", row.strip())
        assert len(cells) == len(titles), row
        shown = dict(zip(titles, cells, strict=True))
        assert shown["year"] == str(paper(name).year)
        assert shown["source"] == paper(name).short
        parts = method(name)
        assert shown["prior"] == in_words(parts.prior)
        assert shown["objective"] == in_words(parts.objective)


def test_parts_in_words():
    moe, mvae = (method(name) for name in ("moe", "mvae"))
    assert in_words(moe.aggregation, options=True) == "mixture of products (subsets singletons)"
    assert in_words(mvae.objective) == "subsampled ELBO"
    words = {in_words(getattr(method(*v), part)) for v in toy.variants() for part in ("aggregation", "prior")}
    assert all(re.fullmatch(r"[A-Za-z0-9 +-]+", word) for word in words), words
