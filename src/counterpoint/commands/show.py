"""Verbs that show: the methods, what is in a file, and what the package can do."""

import re
import sys
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from counterpoint.commands.parts import said, say_next

if TYPE_CHECKING:
    from counterpoint.methods._papers import Paper


def methods() -> None:
    """List the methods: year, parts (of the defaults), source, what it is; and the baselines."""
    from counterpoint.baselines import BASELINES
    from counterpoint.methods import METHODS
    from counterpoint.report.screen import show_table

    cells = [["method", "year", "aggregation", "prior", "objective", "source", "what it is"]]
    for name, recipe in METHODS.items():
        parts, source = recipe(), paper(name)
        aggregation = in_words(parts.aggregation, options=True)
        in_table = [str(source.year), aggregation, in_words(parts.prior), in_words(parts.objective)]
        cells.append([name, *in_table, source.short, what_it_is(recipe)])
    show_table(cells, most=len(METHODS))
    print()
    cells = [["baseline", "year", "source", "what it is"]]
    for name, baseline in BASELINES.items():
        source = paper(name)
        cells.append([name, str(source.year), source.short, what_it_is(baseline)])
    show_table(cells, most=len(BASELINES))
    say_next("cite", "mmvm")


def cite(methods: list[str]) -> None:
    """Print the papers of methods and baselines as BibTeX, each paper once.

    Args:
        methods: Names of either, as `counterpoint methods` lists them.
    """
    print("\n\n".join(dict.fromkeys(paper(name).bibtex() for name in methods)))


def what_it_is(made: Any) -> str:
    """Return what a method or baseline is in a line: what its module's docstring says after the name.

    Example:
        >>> from counterpoint.baselines import BASELINES
        >>> what_it_is(BASELINES["cca"])
        'the directions of two modalities that correlate most, by scikit-learn'
    """
    text = (sys.modules[made.__module__].__doc__ or "").split(":", 1)[-1]
    return text.strip().splitlines()[0].removesuffix(".")


def paper(name: str) -> "Paper":
    """Return the paper that a method or a baseline goes back to: the PAPER of its module.

    Raises:
        InputError: If there is no such method.

    Example:
        >>> paper("mopoe").short
        'Sutter et al. 2021'
    """
    from counterpoint.baselines import BASELINES
    from counterpoint.errors import choose
    from counterpoint.methods import METHODS

    known: dict[str, Any] = {**METHODS, **BASELINES}
    return sys.modules[known[choose("method", name, known)].__module__].PAPER  # type: ignore[attr-defined]


def in_words(part: Any, options: bool = False) -> str:
    """Return the name of a method's part in words and, if asked, its options that are not the usual ones.

    Example:
        >>> from counterpoint.aggregation import MixtureOfProducts, Product
        >>> in_words(Product()), in_words(MixtureOfProducts("singletons"), options=True)
        ('product', 'mixture of products (subsets singletons)')
    """
    split = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*", type(part).__name__)
    said = " ".join(word if len(word) > 1 and word.isupper() else word.lower() for word in split)
    unusual = [f for f in fields(part) if f.default is not MISSING and getattr(part, f.name) != f.default]
    if not options or not unusual:
        return said
    return f"{said} ({', '.join(f'{f.name} {getattr(part, f.name)}' for f in unusual)})".replace("_", " ")


def inspect(
    data: list[str],
    modalities: str | None = None,
    labels: str | None = None,
    pair_on: str | None = None,
    window: str | None = None,
    bin: str | None = None,
    aligned: bool = True,
    layers: dict[str, str] | None = None,
    obsm: dict[str, str] | None = None,
    backed: bool = False,
) -> None:
    """Show what is in a data file, or in sessions, and how it would be modelled.

    Args:
        data: An .npz, .h5ad, .h5mu or .zarr, or a folder with one file per modality; several files are
            sessions.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
        pair_on: The label that sessions without common rows share.
        window: Of the sessions' trials, such as 250:500ms.
        bin: Width of the bins that become rows, such as 10ms.
        aligned: Pair bins at the same time of a trial alone.
        layers: {modality: layer} of an .h5ad or .h5mu; raw counts are looked for unless given.
        obsm: {name of a further modality: key of obsm} of an .h5ad.
        backed: Leave the values in the file; look through them a block at a time.
    """
    from counterpoint.commands.sources import pairing, rows_of
    from counterpoint.commands.train import fit
    from counterpoint.data.categories import candidates
    from counterpoint.estimator import Counterpoint
    from counterpoint.forecast import of_defaults
    from counterpoint.parsing import as_typed
    from counterpoint.report.screen import show_table

    how = pairing(pair_on, window, bin, aligned)
    found = rows_of(data, how, modalities, labels, backed, layers, obsm)
    if how:
        from counterpoint.commands.sessions import show_sessions

        return show_sessions(data, found, how, modalities)
    print(f"{len(found):,} rows · {len(found.names)} modalities".replace(",", " "))
    cells = [["modality", "rows", "shape", "looks like", "likelihood"]]
    for (name, there), kind in zip(found.present().items(), kinds(found), strict=True):
        rows = f"{int(there.sum())} ({there.mean():.0%})"
        cells.append([name, rows, *kind])
    show_table(cells)
    patterns = [f"{'+'.join(p) or 'nothing'} {n}" for p, n in found.patterns().items()]
    print(
        f"patterns   {' · '.join(patterns[:6])}{' · ...' if len(patterns) > 6 else ''}   No row is dropped."
    )
    notes = [f"{name} {note}" for name, note in found.notes.items() if note is not None]
    if notes:
        print(f"read as    {' · '.join(notes)}")
    if found.labels:
        print(f"labels, not modelled: {', '.join(found.labels)}")
    likely = candidates(found.labels)
    if likely:
        print(f"batch candidates: {', '.join(f'{name} ({count})' for name, count in likely.items())}")
    if not backed:
        print(f"a fit      {as_typed(of_defaults(Counterpoint(), found), fit)}")
    typed = {"layers": said(layers), "obsm": said(obsm), "backed": "true" if backed else None}
    batch = next(iter(likely), None)
    say_next("fit", *data, modalities=modalities, labels=labels, **typed, batch=batch)


def kinds(found: Any) -> list[list[str]]:
    """Return of every modality the shape, what its values look like, and its likelihood.

    Example:
        >>> from counterpoint.data import read
        >>> kinds(read({"a": [[0.5, 1.5], [2.5, -1.0]]}))
        [['2', 'real values', 'normal']]
    """
    from counterpoint.data import infer
    from counterpoint.data.backed import Backed
    from counterpoint.data.backed_preparation import prepare_backed

    if isinstance(found, Backed):
        seen = prepare_backed(found, standardise=False, constant="keep")[0].modalities.values()
        return [[" x ".join(map(str, one.event)), one.looks_like, one.likelihood] for one in seen]
    cells = []
    for name, x in found.x.items():
        kind = infer(x, found.mask[name], found.categories[name])
        cells.append([" x ".join(map(str, x.shape[1:])), kind.looks_like, kind.likelihood])
    return cells


def demo(out: str = "demo-run", seed: int = 0, epochs: int = 28, rows: int = 3000) -> None:
    """Train mmvm and three baselines on embedded pictures; print the comparison, write one page.

    Args:
        out: Folder for the runs and the page.
        seed: Decides everything.
        epochs: Passes over the training rows.
        rows: Training rows.
    """
    from counterpoint.demo import run

    run(out, seed=seed, epochs=epochs, rows=rows)
