"""Verbs that score: one run, or several methods side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterpoint.commands.parts import evaluation_cells, headline_cells, names, say_next
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint
    from counterpoint.evaluate import Evaluation
    from counterpoint.protocol import Task


def evaluate(
    run: str,
    data: list[str],
    test_data: str | None = None,
    label: str | None = None,
    labels: str | None = None,
    measures: str = "all",
    inception: str | None = None,
    seed: int = 0,
) -> None:
    """Every measure of a run on rows it was not trained on, beside chance, raw features and controls.

    Args:
        run: A run directory; one made with `fit --test` knows its test rows.
        data: The data that the run was trained on (its test rows are cut off again); of sessions all files.
        test_data: Test rows of their own.
        label: Which label.
        labels: Entries that are labels, not modalities, with commas.
        measures: Names with commas, or all; a wrong name lists them.
        inception: Weights (.safetensors) for Frechet distances of pictures; else the oracle's features.
        seed: Of draws, probes and controls.
    """
    from counterpoint import runs
    from counterpoint.commands.sessions import decoding_cells
    from counterpoint.commands.sources import as_fitted, rows_of
    from counterpoint.data.categories import labels_with
    from counterpoint.protocol import hold_out, task
    from counterpoint.report.screen import note, show_table

    estimator = runs.load(run)
    split = runs.scores_of(run).get("split")
    aside = labels_with(data[0], names(labels), estimator.batch)
    as_read = {**as_fitted(estimator, split, data[0]), "modalities": estimator.modalities_, "labels": aside}
    found = rows_of(data, **as_read)
    if test_data is not None:
        train, test = found, rows_of([test_data], **as_read)
    elif split is not None:
        label = label or split["label"]
        train, test = hold_out(found, split["test"], split["label"], split["seed"])
    else:
        raise InputError(
            f"{run} was trained on all rows; fit with --test N, or give rows of their own with --test_data "
            "PATH."
        )
    on = task(train, test, label, seed=seed)
    wanted = measures if measures == "all" else names(measures) or ()
    result = evaluated(run, estimator, on, split, measures=wanted, seed=seed, inception=inception)
    across = result.sections["sessions"].detail if "sessions" in result.sections else {"why_not": ""}
    if "why_not" not in across:
        show_table(decoding_cells(across))
    elif measures == "all" and len(estimator.modalities_) <= 6:  # more would not fit on a screen
        show_table(evaluation_cells(result))
    show_table(headline_cells(result))
    note(" · ".join(f"{k} {v:.1f} s" for k, v in result.took.items()))
    print(f"wrote {run}/scores.json")
    say_next("report", run)


def evaluated(
    run: str,
    estimator: "Counterpoint",
    on: "Task",
    split: Mapping[str, Any] | None,
    *,
    measures: Sequence[str] | str = "all",
    seed: int = 0,
    inception: str | None = None,
    note: Mapping[str, Any] | None = None,
) -> "Evaluation":
    """Evaluate a run on a task and keep what was found in it.

    Args:
        run: The run directory.
        estimator: What it holds.
        on: The task.
        split: How its test rows were cut off, if they were.
        measures: Names, or all.
        seed: Of draws, probes and controls.
        inception: Weights for Frechet distances of pictures.
        note: What else is kept of the run.
    """
    from counterpoint import runs
    from counterpoint.evaluate import evaluate as measured

    seconds = sum(row["seconds"] for row in estimator.history_)
    kind = {"measures": measures, "seed": seed, "seconds": seconds, "inception": inception}
    result = measured(estimator, on, show=True, **kind)
    kept = {**result.to_dict(), **({"split": split} if split else {}), **(note or {})}
    runs.add_scores(run, kept, result.exhibits)
    return result


def compare(
    data: list[str],
    methods: str = "ae,independent,avg,poe,mvae,moe,mopoe,mmvm",
    label: str | None = None,
    test: int | float = 0.25,
    seeds: int = 3,
    modalities: str | None = None,
    labels: str | None = None,
    pair_on: str | None = None,
    window: str | None = None,
    bin: str | None = None,
    aligned: bool = True,
    method_options: dict[str, Any] | None = None,
    out: str | None = None,
    workers: int = 1,
    measures: str = "probe,coherence,reconstruction",
    control: bool = True,
    settings: dict[str, Any] | None = None,
) -> None:
    """Fit several methods on the same rows and show one table; seeds as mean and spread.

    Args:
        data: A file or folder, or sessions, as `fit` takes them.
        methods: Names, with commas.
        label: Which label is probed.
        test: Number or share of test rows, stratified by the label.
        seeds: How many, counted from 0.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
        pair_on: The label that sessions without common rows share; the one that is probed unless given.
        window: Of the sessions' trials, such as 250:500ms.
        bin: Width of the bins that become rows, such as 10ms; those of a trial stay on one side of the split.
        aligned: Pair bins at the same time of a trial alone.
        method_options: {method: {option: value}}.
        out: A folder for one run directory per method and seed; finished runs are not fitted again.
        workers: Processes that fit side by side, one thread each; more than one needs --out.
        measures: Names with commas, or all.
        control: Fit mmvm (or the first method) on shuffled pairs too.
        settings: The options of the fits, the same for all.
    """
    from counterpoint.commands.sources import pairing, rows_of
    from counterpoint.comparison import compare as compared
    from counterpoint.report.screen import show_table

    how = pairing(pair_on, window, bin, aligned)
    found = rows_of(data, how, modalities, labels)
    given = {k: v for k, v in (settings or {}).items() if k not in ("seed", "verbose")}
    result = compared(
        found,
        names(methods) or (),
        label=label or pair_on,
        test=test,
        seeds=seeds,
        options=method_options,
        out=out,
        workers=workers,
        measures=measures if measures == "all" else names(measures) or (),
        control=control,
        each=_each,
        **given,
    )
    show_table(result.cells())
    print(
        f"{len(result.task.train)} training rows, {len(result.task.test)} test rows, {len(result.seeds)} "
        "seeds: mean ± sd over seeds."
    )
    print(
        "accuracy: linear probe on each modality's own latent · coherence: translations under an oracle "
        "trained on real rows"
    )
    print("reconstruction, rate: nats a row · raw features: under coherence the oracles' own accuracy")
    if out is None:
        kept = {"label": label, "modalities": modalities, "labels": labels}
        say_next("fit", *data, method="mmvm", test=test, **kept, **how)
    else:
        say_next("report", out)


def _each(name: str, seed: int, e: "Evaluation") -> None:
    """Say what one fit of a comparison reached."""
    from counterpoint.report.screen import note

    s = {k: v for k, v in e.summary.items() if k in ("accuracy", "coherence", "reconstruction", "rate")}
    said = " ".join(f"{k} {v:.3f}" if v < 2 else f"{k} {v:.1f}" for k, v in s.items())
    note(f"{name} seed {seed}: {said} ({e.seconds or 0:.0f} s)")


def report(runs: list[str], out: str = "report.html", title: str | None = None) -> None:
    """Write one HTML file of runs: what was trained, scores beside nulls, curves, embeddings, translations.

    Args:
        runs: Run directories, or folders that hold them.
        out: The file.
        title: Its heading.
    """
    from counterpoint.report.build import report as written

    page = written(runs, out, title=title)
    print(f"page:  {page} ({page.stat().st_size / 1e6:.1f} MB)")
    say_next("export", *runs, out="figures")


def export(runs: list[str], out: str = "export", formats: str = "svg,png,csv,latex") -> None:
    """Write every figure and table of a report as files.

    Args:
        runs: Run directories, or folders that hold them.
        out: The folder.
        formats: svg, png, csv, latex, markdown, with commas.
    """
    from pathlib import Path

    from counterpoint.report.export import export as written
    from counterpoint.report.records import read_records

    made = written(read_records(runs), Path(out), tuple(names(formats) or ()))
    print(f"{len(made)} files in {out}")
    say_next("report", *runs)
