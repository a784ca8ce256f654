"""The verb that trains."""

from pathlib import Path
from typing import Any

from counterpoint.commands.parts import names, say_next


def fit(
    data: str,
    run: str | None = None,
    method: str = "mmvm",
    options: dict[str, Any] | None = None,
    modalities: str | None = None,
    labels: str | None = None,
    test: int | float | None = None,
    label: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    settings: dict[str, Any] | None = None,
) -> None:
    """Train one method and write a run directory.

    Args:
        data: An .npz, or a folder with one file per modality.
        run: The run directory; runs/DATA-METHOD-SEED unless given.
        method: See `counterpoint methods`.
        options: Further options of the method: --options.rate mixture.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
        test: Hold out so many rows (or this share), stratified by the label, for `evaluate`.
        label: The label to stratify by.
        resume: Go on from the run's last checkpoint, exactly.
        overwrite: Replace a finished run.
        settings: The options of the fit.
    """
    from counterpoint import runs
    from counterpoint.data import read
    from counterpoint.estimator import Counterpoint
    from counterpoint.evaluate import label_of
    from counterpoint.protocol import hold_out

    given = dict(settings or {})
    estimator = Counterpoint(method, options=options, **given)
    found = read(data, modalities=names(modalities), labels=names(labels))
    if test is not None:
        label = label_of(found, label)
        found, _ = hold_out(found, test, label)
    folder = run or f"runs/{Path(data).stem}-{method}-{estimator.seed}"
    estimator.fit(found, run=folder, resume=resume, overwrite=overwrite)
    if test is not None:
        runs.add_scores(folder, {"split": {"test": test, "label": label, "seed": 0}})
    done = len(estimator.history_)
    how = "stopped early at" if done < estimator.epochs else "finished"
    print(f"{how} epoch {done} · holds epoch {estimator.best_epoch_} · saved {folder}")
    if test is not None:
        say_next("evaluate", folder, data, labels=labels)
    else:
        say_next("embed", folder, data)
