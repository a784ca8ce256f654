"""The verbs of the command line. Signatures and docstrings are what `counterpoint VERB --help` shows."""

import json
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError


def methods() -> None:
    """List the methods: name, what it is, source."""
    from counterpoint.methods import METHODS
    from counterpoint.report.screen import show_table

    cells = [["method", "what it is", "options"]]
    for name, recipe in METHODS.items():
        module = __import__(recipe.__module__, fromlist=["x"])
        options = ", ".join(recipe.__kwdefaults__ or {}) or "-"
        cells.append([name, (module.__doc__ or "").split(":", 1)[-1].strip().splitlines()[0], options])
    show_table(cells)
    _next("counterpoint compare DATA --label LABEL --methods mmvm,independent")


def inspect(data: str, modalities: str | None = None, labels: str | None = None) -> None:
    """Show what is in a data file, and how it would be modelled.

    Args:
        data: An .npz, or a folder with one file per modality.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
    """
    from counterpoint.data import infer, read
    from counterpoint.report.screen import show_table

    found = read(data, modalities=_names(modalities), labels=_names(labels))
    print(f"{len(found):,} rows · {len(found.names)} modalities".replace(",", " "))
    cells = [["modality", "rows", "shape", "looks like", "likelihood"]]
    for name, there in found.present().items():
        kind = infer(found.x[name], found.mask[name], found.categories[name])
        rows = f"{int(there.sum())} ({there.mean():.0%})"
        shape = " x ".join(str(s) for s in found.x[name].shape[1:])
        cells.append([name, rows, shape, kind.looks_like, kind.likelihood])
    show_table(cells)
    patterns = [f"{'+'.join(p) or 'nothing'} {n}" for p, n in found.patterns().items()]
    print(
        f"patterns   {' · '.join(patterns[:6])}{' · ...' if len(patterns) > 6 else ''}   No row is dropped."
    )
    if found.labels:
        print(f"labels, not modelled: {', '.join(found.labels)}")
    _next(f"counterpoint fit {data}{f' --modalities {modalities}' if modalities else ''}")


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
    from counterpoint.compare import hold_out
    from counterpoint.data import read
    from counterpoint.estimator import Counterpoint
    from counterpoint.evaluate import label_of

    given = dict(settings or {})
    estimator = Counterpoint(method, options=options, **given)
    found = read(data, modalities=_names(modalities), labels=_names(labels))
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
    _next(f"counterpoint evaluate {folder} {data}" if found.labels else f"counterpoint embed {folder} {data}")


def embed(
    run: str, data: str, given: str | None = None, out: str = "embedding.npz", how: str = "mixture"
) -> None:
    """Write the latents of rows: the joint one, and each modality's own (NaN where it is absent).

    Args:
        run: A run directory.
        data: Rows with the modalities of the run; some may be absent.
        given: Only look at these modalities, with commas.
        out: The .npz to write: `joint`, and `modality/NAME` for each.
        how: mixture or product of the observed posteriors.
    """
    estimator, found = _asked(run, data)
    joint = estimator.embed(found, _names(given), how=how)
    each = {f"modality/{k}": v for k, v in estimator.embed_each(found).items()}
    _write_npz(out, {"joint": joint, **each})
    print(f"{joint.shape[0]} rows x {joint.shape[1]} dimensions · wrote {out}: {', '.join(['joint', *each])}")
    _next(f"counterpoint impute {run} {data}")


def translate(
    run: str,
    data: str,
    source: str,
    target: str,
    out: str = "translation.npz",
    draws: int = 0,
    how: str = "mixture",
) -> None:
    """Write one modality as it follows from others.

    Args:
        run: A run directory.
        data: Rows with the source modalities.
        source: What is looked at; several with commas.
        target: What is generated.
        out: The .npz to write.
        draws: Latent draws to average; 0 decodes the posterior means.
        how: mixture or product of the observed posteriors.
    """
    estimator, found = _asked(run, data)
    made = estimator.translate(found, _names(source), target, draws=draws, how=how)
    _write_npz(out, {target: made})
    print(f"{target} {made.shape} from {source} · wrote {out}")
    _next(f"counterpoint evaluate {run} {data}")


def impute(
    run: str,
    data: str,
    to: str | None = None,
    out: str = "imputed.npz",
    draws: int = 32,
    how: str = "mixture",
) -> None:
    """Write what is missing: filled table, mean and standard deviation.

    Args:
        run: A run directory.
        data: Rows; every one is imputed from whatever it has.
        to: The modalities to impute, with commas; all unless given.
        out: The .npz to write: `NAME/filled`, `NAME/mean`, `NAME/spread`.
        draws: Predictive draws.
        how: mixture or product of the observed posteriors.
    """
    estimator, found = _asked(run, data)
    made = estimator.impute(found, _names(to), draws=draws, how=how)
    parts = {
        f"{k}/{part}": getattr(v, part) for k, v in made.items() for part in ("filled", "mean", "spread")
    }
    _write_npz(out, parts)
    for name in made:
        holes = ~found.mask[name] if name in found.mask else "all"
        print(
            f"{name}: {holes if isinstance(holes, str) else int(holes.sum())} missing {_unit(found, name)} imputed"
        )
    print(f"wrote {out}")
    _next(f"counterpoint embed {run} {data}")


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
    from counterpoint.compare import hold_out
    from counterpoint.data import read
    from counterpoint.evaluate import evaluate as evaluated
    from counterpoint.evaluate import task
    from counterpoint.report.screen import show_table

    estimator = runs.load(run)
    found = read(data, modalities=estimator.modalities_, labels=_names(labels))
    split = json.loads((Path(run) / "scores.json").read_text()).get("split")
    if test_data is not None:
        train, test = found, read(test_data, modalities=estimator.modalities_, labels=_names(labels))
    elif split is not None:
        label = label or split["label"]
        train, test = hold_out(found, split["test"], split["label"], split["seed"])
    else:
        raise InputError(
            f"{run} was trained on all rows; fit with --test N, or give rows of their own with --test_data PATH."
        )
    result = evaluated(estimator, task(train, test, label, seed=seed), seed=seed)
    runs.add_scores(run, {**result.to_dict(), **({"split": split} if split else {})})
    cells = [
        [
            "modality",
            "probe",
            "raw",
            "chance",
            "to others",
            "from others",
            "given all",
            "given itself",
            "rate",
        ]
    ]
    names, matrix = result.coherence.names, result.coherence.matrix
    for m, name in enumerate(names):
        p, t = result.probe[name], result.terms[name]
        out, into = ([r[i] for i in range(len(names)) if i != m] for r in (matrix[m], matrix[:, m]))
        shown = [p.accuracy, result.raw[name].accuracy, p.chance, _mean(out), _mean(into)]
        costs = [t["given_all"], t["given_itself"], t.get("rate", float("nan"))]
        cells.append([name, *(f"{v:.3f}" for v in shown), *("-" if v != v else f"{v:.1f}" for v in costs)])
    show_table(cells)
    s = result.summary
    print(
        f"mean accuracy {s['accuracy']:.3f} (raw {s['raw']:.3f}, chance {s['chance']:.3f}) · coherence {s['coherence']:.3f} off the diagonal"
    )
    print(
        f"reconstruction {s['reconstruction']:.1f} · rate {s['rate']:.1f} nats a row · wrote {run}/scores.json"
    )
    _next(f"counterpoint compare {data} --label {label or 'LABEL'}")


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
        settings: The options of the fits, the same for all.
    """
    from counterpoint.compare import compare as compared
    from counterpoint.data import read
    from counterpoint.evaluate import Evaluation
    from counterpoint.report.screen import note, show_table

    found = read(data, modalities=_names(modalities), labels=_names(labels))
    given = {k: v for k, v in (settings or {}).items() if k not in ("seed", "verbose")}

    def each(name: str, seed: int, e: Evaluation) -> None:
        s = e.summary
        note(
            f"{name} seed {seed}: accuracy {s['accuracy']:.3f} coherence {s['coherence']:.3f} "
            f"reconstruction {s['reconstruction']:.1f} rate {s['rate']:.1f} ({s.get('seconds', 0):.0f} s)"
        )

    result = compared(
        found,
        _names(methods) or (),
        label=label,
        test=test,
        seeds=seeds,
        options=method_options,
        out=out,
        each=each,
        **given,
    )
    show_table(result.cells())
    print(
        f"{len(result.task.train)} training rows, {len(result.task.test)} test rows, {len(result.seeds)} seeds: mean ± sd over seeds."
    )
    print(
        "accuracy: linear probe on each modality's own latent · coherence: translations under an oracle trained on real rows"
    )
    print(
        "reconstruction, rate: nats a row; `raw features` shows under coherence the oracles' own accuracy on real rows"
    )
    _next(f"counterpoint fit {data} --method mmvm --test {test}")


def demo(out: str = "demo-run", seed: int = 0, epochs: int = 12, rows: int = 3000) -> None:
    """Train mmvm and three baselines on embedded pictures; print the comparison, write one page.

    Args:
        out: Folder for the runs and the page.
        seed: Decides everything.
        epochs: Passes over the training rows.
        rows: Training rows.
    """
    from counterpoint.demo import run

    run(out, seed=seed, epochs=epochs, rows=rows)


def _asked(run: str, data: str) -> tuple[Any, Any]:
    """Load a run, and read what of its modalities the data have."""
    from counterpoint import runs
    from counterpoint.data import read

    estimator = runs.load(run)
    found = read(data)
    wanted = [n for n in estimator.modalities_ if n in found.names]
    if not wanted:
        raise InputError(
            f"{data} has none of the run's modalities ({', '.join(estimator.modalities_)}); it has {', '.join(found.names)}."
        )
    return estimator, found.select(wanted)


def _write_npz(path: str, arrays: dict[str, Any]) -> None:
    import io

    import numpy as np

    from counterpoint import atomic

    if not path.endswith(".npz"):
        raise InputError(f"out is {path!r}; its name must end in .npz.")
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    atomic.write(path, content.getvalue())


def _unit(found: Any, name: str) -> str:
    return "rows" if name in found.mask and found.mask[name].ndim == 1 else "values"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _next(command: str) -> None:
    print(f"next:  {command}")
