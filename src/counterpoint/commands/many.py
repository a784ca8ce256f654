"""The verb that fits whole grids."""

from pathlib import Path
from typing import Any

from counterpoint.commands.parts import say_next
from counterpoint.errors import InputError


def sweep(
    grid: str,
    data: str | None = None,
    out: str | None = None,
    workers: int = 1,
    engine: str = "local",
    stack: int | str = "auto",
    gpus: float = 0.0,
    slurm: dict[str, Any] | None = None,
    dry_run: bool = False,
    top: int = 12,
) -> None:
    """Fit and evaluate every point of a grid; finished runs are skipped, interrupted ones taken up.

    Args:
        grid: A YAML file: options of a fit with several values ([0, 1], 2**[-8:3]), data, label, measures.
        data: The data, instead of the grid's.
        out: The folder of the runs; runs/GRID unless given.
        workers: Processes of one thread each.
        engine: local, ray (joins RAY_ADDRESS, or starts a local cluster) or slurm.
        stack: Models that train together, or auto, as many as is fastest here.
        gpus: Of each job, for ray and slurm.
        slurm: {parameter of submitit: value}, such as {timeout_min: 600, partition: gpu}.
        dry_run: Show the plan, and stop.
        top: Rows of the table at the end.
    """
    from counterpoint.sweeps.grid import read_grid
    from counterpoint.sweeps.run import plan_sweep
    from counterpoint.sweeps.run import sweep as swept

    found = read_grid(grid, data=data)
    folder = Path(out or f"runs/{Path(grid).stem}")
    if dry_run:
        show_plan(plan_sweep(found, folder, workers=workers, stack=stack))
        return
    with Watch() as watch:
        done = swept(
            found,
            folder,
            workers=workers,
            engine=engine,
            stack=stack,
            gpus=gpus,
            slurm=slurm,
            planned=show_plan,
            each=watch.show,
        )
    for name, why in list(done.failed.items())[:5]:
        print(f"no result: {name}: {why}")
    total = done.plan.todo + done.plan.there
    print(f"{total - len(done.failed)} of {total} runs are finished, in {folder}")
    if len(done.failed) == total:
        raise InputError("no run has a result; see the reasons above.")
    _show_scores(folder, top)
    say_next("report", str(folder))


def show_plan(plan: Any) -> None:
    """Print what will be done."""
    from counterpoint.report.screen import show_table

    cells = [["method", "runs", "there", "stack", "ms a step", "min at most"]]
    for g in plan.groups:
        ms = f"{g.tried[g.stack]:.2f}" if g.tried else "-"
        size = str(g.stack) if g.todo else "-"
        minutes = f"{g.seconds * g.todo / 60:.1f}"
        cells.append([g.method, str(g.todo + g.there), str(g.there), size, ms, minutes])
    show_table(cells)
    print(
        f"{plan.todo} runs to do, {plan.there} there · {len(plan.jobs)} jobs on {plan.workers} workers · "
        f"training at most {plan.seconds / 60:.1f} min, then scores · {plan.bytes / 1e6:.0f} MB beside data"
    )


def _show_scores(folder: Path, top: int) -> None:
    """Print the best runs by probe, or by the first headline there is."""
    from counterpoint.report.records import read_records
    from counterpoint.report.screen import show_table

    records = [r for r in read_records(folder) if r.summary]
    keys = [
        k for k in ("accuracy", "coherence", "reconstruction", "rate") if any(k in r.summary for r in records)
    ]
    if not keys:
        return
    smaller = keys[0] in ("reconstruction", "rate")
    records.sort(key=lambda r: r.summary.get(keys[0], float("nan")) * (1 if smaller else -1))
    cells = [["run", *(k.replace("accuracy", "probe accuracy") for k in keys)]]
    for r in records[:top]:
        cells.append([r.name, *(_number(r.summary.get(k)) for k in keys)])
    show_table(cells)


def _number(value: float | None) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


class Watch:
    """A live table of jobs on a terminal; elsewhere a line for every tenth of the runs."""

    def __init__(self) -> None:
        self._live: Any = None
        self._said = -1

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Any) -> None:
        """Show how far the jobs are."""
        import sys

        from counterpoint.report.screen import note

        if not sys.stderr.isatty():
            tenth = 10 * progress.done // max(progress.of, 1)
            if tenth > self._said:
                self._said = tenth
                note(f"{progress.done} of {progress.of} runs")
            return
        from rich.console import Console
        from rich.live import Live
        from rich.table import Table

        if self._live is None:
            self._live = Live(console=Console(stderr=True), refresh_per_second=2, transient=True)
            self._live.start()
        table = Table(box=None, pad_edge=False, title=f"{progress.done} of {progress.of} runs")
        for title in ("job", "done", "of", "epoch", "in training"):
            table.add_column(title, justify="left" if title == "job" else "right")
        busy = [(k, v) for k, v in progress.jobs.items() if v["of"] > 0 and v["done"] < v["of"]]
        for name, job in busy[:15]:
            table.add_row(name, *(str(job[k]) for k in ("done", "of", "epoch", "training")))
        self._live.update(table)
