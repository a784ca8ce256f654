"""Verbs that score: one run, or several methods side by side."""

import json
from pathlib import Path
from typing import Any

from counterpoint.commands.parts import evaluation_cells, headline_cells, names, say_next
from counterpoint.errors import InputError


def evaluate(
    run: str,
    data: str,
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
        data: The data that the run was trained on (its test rows are cut off again).
        test_data: Test rows of their own.
        label: Which label.
        labels: Entries that are labels, not modalities, with commas.
        measures: Names with commas, or all; a wrong name lists them.
        inception: Weights (.safetensors) for Frechet distances of pictures; else the oracle's features.
        seed: Of draws, probes and controls.
    """
    from counterpoint import runs
    from counterpoint.data import read
    from counterpoint.evaluate import evaluate as evaluated
    from counterpoint.protocol import hold_out, task
    from counterpoint.report.screen import note, show_table

    estimator = runs.load(run)
    found = read(data, modalities=estimator.modalities_, labels=names(labels))
    split = json.loads((Path(run) / "scores.json").read_text()).get("split")
    if test_data is not None:
        train, test = found, read(test_data, modalities=estimator.modalities_, labels=names(labels))
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
    seconds = sum(row["seconds"] for row in estimator.history_)
    result = evaluated(
        estimator, on, measures=wanted, seed=seed, seconds=seconds, show=True, inception=inception
    )
    kept = {**result.to_dict(), **({"split": split} if split else {})}
    runs.add_scores(run, kept, result.exhibits)
    if measures == "all" and len(estimator.modalities_) <= 6:  # more would not fit on a screen
        show_table(evaluation_cells(result))
    show_table(headline_cells(result))
    note(" · ".join(f"{k} {v:.1f} s" for k, v in result.took.items()))
    print(f"wrote {run}/scores.json")
    say_next("report", run)


def compare(
    data: str,
    methods: str = "ae,independent,avg,poe,mvae,moe,mopoe,mmvm",
    label: str | None = None,
    test: int | float = 0.25,
    seeds: int = 3,
    modalities: str | None = None,
    labels: str | None = None,
    method_options: dict[str, Any] | None = None,
    out: str | None = None,
    workers: int = 1,
    measures: str = "probe,coherence,reconstruction",
    control: bool = True,
    settings: dict[str, Any] | None = None,
) -> None:
    """Fit several methods on the same rows and show one table; seeds as mean and spread.

    Args:
        data: An .npz, or a folder with one file per modality.
        methods: Names, with commas.
        label: Which label is probed.
        test: Number or share of test rows, stratified by the label.
        seeds: How many, counted from 0.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
        method_options: {method: {option: value}}.
        out: A folder for one run directory per method and seed; finished runs are not fitted again.
        workers: Processes that fit side by side, one thread each; more than one needs --out.
        measures: Names with commas, or all.
        control: Fit mmvm (or the first method) on shuffled pairs too.
        settings: The options of the fits, the same for all.
    """
    from counterpoint.comparison import compare as compared
    from counterpoint.data import read
    from counterpoint.evaluate import Evaluation
    from counterpoint.report.screen import note, show_table

    found = read(data, modalities=names(modalities), labels=names(labels))
    given = {k: v for k, v in (settings or {}).items() if k not in ("seed", "verbose")}

    def each(name: str, seed: int, e: Evaluation) -> None:
        s = {k: v for k, v in e.summary.items() if k in ("accuracy", "coherence", "reconstruction", "rate")}
        said = " ".join(f"{k} {v:.3f}" if v < 2 else f"{k} {v:.1f}" for k, v in s.items())
        note(f"{name} seed {seed}: {said} ({e.seconds or 0:.0f} s)")

    result = compared(
        found,
        names(methods) or (),
        label=label,
        test=test,
        seeds=seeds,
        options=method_options,
        out=out,
        workers=workers,
        measures=measures if measures == "all" else names(measures) or (),
        control=control,
        each=each,
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
        say_next("fit", data, method="mmvm", test=test, label=label, modalities=modalities, labels=labels)
    else:
        say_next("report", out)


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
