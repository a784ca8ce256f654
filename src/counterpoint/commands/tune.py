"""The verb that searches for hyperparameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoint.commands.parts import HEADLINES, names, say_next

BEST = 10  # trials in the table


def tune(
    data: str,
    space: str,
    out: str | None = None,
    method: str = "mmvm",
    options: dict[str, Any] | None = None,
    goal: str = "validation",
    trials: int = 50,
    label: str | None = None,
    test: int | float = 0.25,
    modalities: str | None = None,
    labels: str | None = None,
    workers: int = 1,
    settings: dict[str, Any] | None = None,
) -> None:
    """Search for the options that serve a goal best; the best is tested once, on rows that chose nothing.

    Args:
        data: A file or folder, as `fit` takes them.
        space: A YAML file: options with choices ([8, 32]) or a range ({low: 1e-4, high: 1e-2, log: true}).
        out: The folder of trials and search; runs/SPACE unless given. The same words again go on with it.
        method: See `counterpoint methods`.
        options: Further options of the method, the same for all: --options.rate mixture.
        goal: validation (loss), probe, coherence, reconstruction or, of a target, prediction; on rows cut
            from the training rows.
        trials: How many in all, those of before among them.
        label: Which label is probed, and stratifies the splits.
        test: Number or share of test rows, which nothing is tuned on.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
        workers: Processes that fit side by side, one thread each.
        settings: The options of the fits, the same for all.
    """
    from counterpoint.data import read
    from counterpoint.report.screen import note, show_table
    from counterpoint.settings import Settings
    from counterpoint.sweeps.values import read_yaml
    from counterpoint.tuning import tune as tuned

    wanted = read_yaml(Path(space))
    usual, given = Settings().to_dict(), dict(settings or {})
    seed, _ = given.pop("seed", 0), given.pop("verbose", None)
    fixed = {k: v for k, v in given.items() if k not in wanted or _plain(v) != _plain(usual[k])}
    folder = out or f"runs/{Path(space).stem}"

    def each(row: Mapping[str, Any]) -> None:
        said = row["reason"] if row["value"] is None else f"{goal} {row['value']:.4f}"
        note(f"trial {row['number']}: {said} ({row['seconds']:.1f} s)")

    found = tuned(
        read(data, modalities=names(modalities), labels=names(labels)),
        wanted,
        out=folder,
        method=method,
        label=label,
        goal=goal,
        trials=trials,
        seed=seed,
        test=test,
        workers=workers,
        each=each,
        **(fixed if options is None else {**fixed, "options": options}),
    )
    show_table(trial_cells(found.table, goal))
    failed = sum(row["value"] is None for row in found.table)
    print(f"{len(found.table)} trials in {folder}, {failed} failed; {goal}: on rows cut from training rows")
    said = [f"{k.replace('_', ' ')} {v:.3f}" for k, v in found.test.items() if k in HEADLINES and v == v]
    print(f"best, fitted on all training rows, on the test rows: {' · '.join(said)}")
    say_next("report", str(found.best_run))


def trial_cells(table: Sequence[Mapping[str, Any]], goal: str) -> list[list[str]]:
    """Return the best trials as text, the header first.

    Example:
        >>> row = {"number": 3, "params": {"latent_dim": 8}, "value": 0.75, "seconds": 1.26}
        >>> trial_cells([row], "probe")
        [['trial', 'probe', 'latent_dim', 'seconds'], ['3', '0.7500', '8', '1.3']]
    """
    from counterpoint.tuning import GOALS

    sign = -1 if GOALS[goal][1] else 1
    best = sorted((r for r in table if r["value"] is not None), key=lambda r: sign * r["value"])[:BEST]
    cells = [["trial", goal, *best[0]["params"], "seconds"]]
    for row in best:
        shown = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in row["params"].values())
        cells.append([str(row["number"]), f"{row['value']:.4f}", *shown, f"{row['seconds']:.1f}"])
    return cells


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
