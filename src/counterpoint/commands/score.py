"""Verbs that score: one run, or several methods side by side."""

import json
from pathlib import Path
from typing import Any

from counterpoint.commands.parts import evaluation_cells, names, say_next
from counterpoint.errors import InputError


def evaluate(
    run: str,
    data: str,
    test_data: str | None = None,
    label: str | None = None,
    labels: str | None = None,
    seed: int = 0,
) -> None:
    """Probes, coherence, reconstruction and rate of a run, on rows it was not trained on.

    Args:
        run: A run directory; one made with `fit --test` knows its test rows.
        data: The data that the run was trained on (its test rows are cut off again).
        test_data: Test rows of their own.
        label: Which label.
        labels: Entries that are labels, not modalities, with commas.
        seed: Of draws and probes.
    """
    from counterpoint import runs
    from counterpoint.comparison import hold_out
    from counterpoint.data import read
    from counterpoint.evaluate import evaluate as evaluated
    from counterpoint.evaluate import task
    from counterpoint.report.screen import show_table

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
    result = evaluated(estimator, task(train, test, label, seed=seed), seed=seed)
    runs.add_scores(run, {**result.to_dict(), **({"split": split} if split else {})})
    show_table(evaluation_cells(result))
    s = result.summary
    print(
        f"mean accuracy {s['accuracy']:.3f} (raw {s['raw']:.3f}, chance {s['chance']:.3f}) · coherence "
        f"{s['coherence']:.3f} off the diagonal"
    )
    print(
        f"reconstruction {s['reconstruction']:.1f} · rate {s['rate']:.1f} nats a row · wrote "
        f"{run}/scores.json"
    )
    say_next("compare", data, label=label or next(iter(found.labels)), labels=labels)


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
        settings: The options of the fits, the same for all.
    """
    from counterpoint.comparison import compare as compared
    from counterpoint.data import read
    from counterpoint.evaluate import Evaluation
    from counterpoint.report.screen import note, show_table

    found = read(data, modalities=names(modalities), labels=names(labels))
    given = {k: v for k, v in (settings or {}).items() if k not in ("seed", "verbose")}

    def each(name: str, seed: int, e: Evaluation) -> None:
        s = e.summary
        note(
            f"{name} seed {seed}: accuracy {s['accuracy']:.3f} coherence {s['coherence']:.3f} "
            f"reconstruction {s['reconstruction']:.1f} rate {s['rate']:.1f} ({s.get('seconds', 0):.0f} s)"
        )

    result = compared(
        found,
        names(methods) or (),
        label=label,
        test=test,
        seeds=seeds,
        options=method_options,
        out=out,
        workers=workers,
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
    print(
        "reconstruction, rate: nats a row; `raw features` shows under coherence the oracles' own accuracy "
        "on real rows"
    )
    say_next("fit", data, method="mmvm", test=test, label=label, modalities=modalities, labels=labels)
