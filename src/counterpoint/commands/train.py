"""The verb that trains."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoint.commands.parts import names, say_next
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.data import MultimodalData
    from counterpoint.estimator import Counterpoint


def fit(
    data: list[str],
    run: str | None = None,
    method: str = "mmvm",
    options: dict[str, Any] | None = None,
    modalities: str | None = None,
    labels: str | None = None,
    pair_on: str | None = None,
    window: str | None = None,
    bin: str | None = None,
    aligned: bool = True,
    backed: bool = False,
    layers: dict[str, str] | None = None,
    obsm: dict[str, str] | None = None,
    test: int | float | None = None,
    label: str | None = None,
    control: bool = False,
    report: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
) -> None:
    """Train one method and write a run directory.

    Args:
        data: A file (.npz, .csv, .tsv, .parquet, .feather, .h5ad, .h5mu, .zarr), or a folder with one per
            modality; several .npz are sessions, see --pair_on.
        run: The run directory; runs/DATA-METHOD-SEED unless given.
        method: See `counterpoint methods`.
        options: Further options of the method: --options.rate mixture.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
        pair_on: The label that sessions without common rows share.
        window: Of the sessions' trials, such as 250:500ms.
        bin: Width of the bins that become rows, such as 10ms; those of a trial stay on one side of a split.
        aligned: Pair bins at the same time of a trial alone.
        backed: Leave the values of an .h5ad, .h5mu, .zarr or folder of .npy in the file; train from there.
        layers: {modality: layer} of an .h5ad or .h5mu; raw counts are looked for unless given.
        obsm: {name of a further modality: key of obsm} of an .h5ad.
        test: Hold out so many rows (or this share), stratified by the label, for `evaluate`.
        label: The label to stratify by.
        control: Train on shuffled pairs too, into RUN-shuffled.
        report: Evaluate on the test rows, with a control, and write RUN.html.
        resume: Go on from the run's last checkpoint, exactly.
        overwrite: Replace a finished run.
        settings: The options of the fit.
    """
    from counterpoint import runs
    from counterpoint.commands.sources import absolute, pairing, rows_of
    from counterpoint.data.categories import labels_with
    from counterpoint.estimator import Counterpoint
    from counterpoint.evaluate import label_of
    from counterpoint.protocol import hold_out

    how = pairing(pair_on, window, bin, aligned)
    _check("report" if report else "control" if control else None, test, backed)
    estimator = Counterpoint(method, options=options, **(settings or {}))
    aside = labels_with(data[0], names(labels), estimator.batch)
    found, held, split = rows_of(data, how, modalities, aside, backed, layers, obsm), None, {}
    if test is not None:
        label = label_of(found, label or pair_on)
        found, held = hold_out(found, test, label)
        split = {"test": test, "label": label, "seed": 0, **({"sessions": how} if how else {})}
    read = {"how": how, "modalities": modalities, "labels": aside, "backed": backed, "layers": layers}
    estimator.source_ = {**read, "obsm": obsm, "test": test, "label": label, "data": absolute(data)}
    stem = Path(data[0]).stem if len(data) == 1 else "sessions"
    folder = run or f"runs/{stem}-{method}-{estimator.seed}"
    if control or report:  # refused before anything is trained
        runs.check_folder(f"{folder}-shuffled", overwrite or resume)
    estimator.fit(found, run=folder, resume=resume, overwrite=overwrite)
    done = len(estimator.history_)
    stopped = "stopped early at" if done < estimator.epochs else "finished"
    print(f"{stopped} epoch {done} · holds epoch {estimator.best_epoch_} · saved {folder}")
    if held is None:
        return say_next("report", folder) if how else say_next("embed", folder, *data)
    _keep(folder, split)
    fits = {folder: estimator}
    if control or report:
        again = Counterpoint(method, options=options, **(settings or {}))
        fits[f"{folder}-shuffled"] = _control(again, found, f"{folder}-shuffled", split, overwrite or resume)
    if how:
        _decoded(fits, found, held, split["label"])
    if report:
        return _report(fits, found, held, split)
    say_next("evaluate", folder, *data, labels=labels)


def _check(what: str | None, test: int | float | None, backed: bool) -> None:
    """Refuse a report or a control that cannot be made."""
    if what is not None and test is None:
        raise InputError(f"{what} needs rows that no fit sees; hold some out: test=0.25.")
    if what is not None and backed:
        raise InputError(f"{what} reads all rows into memory; fit with --backed alone.")


def _keep(folder: str, split: dict[str, Any], **note: Any) -> None:
    """Note how the test rows were cut off."""
    from counterpoint import runs

    runs.add_scores(folder, {"split": split, **note})


def _control(
    estimator: "Counterpoint", found: "MultimodalData", folder: str, split: dict[str, Any], again: bool
) -> "Counterpoint":
    """Fit on rows whose modalities were permuted against one another: what pairing teaches is gone."""
    from counterpoint.comparison import CONTROL, shuffle_pairs

    estimator.fit(shuffle_pairs(found, estimator.seed), run=folder, overwrite=again)
    _keep(folder, split, control=CONTROL)
    return estimator


def _decoded(
    fits: "dict[str, Counterpoint]", found: "MultimodalData", held: "MultimodalData", label: str
) -> None:
    """Print what is decoded across sessions, by the model and by its control."""
    from counterpoint.commands.sessions import decoding_cells
    from counterpoint.evaluation.oracles import labels_of
    from counterpoint.measures.asked import Asked
    from counterpoint.measures.sessions import sessions
    from counterpoint.protocol import Task
    from counterpoint.report.screen import show_table

    y, truth = (labels_of(f"label {label!r}", rows.labels[label]) for rows in (found, held))
    on = Task(found, held, label, y, truth, {}, {}, ({}, {}))  # neither oracles nor raw features are asked
    told, *null = [sessions(Asked(estimator, on)).detail for estimator in fits.values()]
    if "why_not" not in told:
        show_table(decoding_cells(told, null[0] if null else None))
        count = len(found.names)
        print(
            f"probes on held-out trials, mean ± sd over {count} sessions; other: fitted on all other sessions"
        )


def _report(
    fits: "dict[str, Counterpoint]", found: "MultimodalData", held: "MultimodalData", split: dict[str, Any]
) -> None:
    """Evaluate a run and its control, and write the page."""
    from counterpoint.commands.score import evaluated
    from counterpoint.comparison import CONTROL
    from counterpoint.measures.listed import PAPER
    from counterpoint.protocol import task
    from counterpoint.report.build import report as written

    on = task(found, held, split["label"])
    for i, (folder, estimator) in enumerate(fits.items()):
        note = {"control": CONTROL} if i else {}
        evaluated(folder, estimator, on, split, measures=(*PAPER, "sessions") if i else "all", note=note)
    page = written(list(fits), Path(next(iter(fits))).with_suffix(".html"))
    print(f"page:  {page} ({page.stat().st_size / 1e6:.1f} MB)")
    say_next("export", *fits, out="figures")
