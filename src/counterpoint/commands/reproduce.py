"""The verb that runs the papers' experiments."""

from typing import Any

from counterpoint.commands.many import Watch, show_plan
from counterpoint.errors import InputError


def reproduce(
    recipes: list[str] = [],  # noqa: B006 (jsonargparse copies it; nothing writes to it)
    data: str | None = None,
    small: bool = False,
    out: str = "runs/reproduce",
    workers: int = 1,
    engine: str = "local",
    gpus: float = 0.0,
    slurm: dict[str, Any] | None = None,
    list: bool = False,
) -> None:
    """Run experiments of the papers, each one command: sweep, scores, report, beside what was published.

    Args:
        recipes: Names such as mmvm/figure5-bound, or YAML files of one's own.
        data: The folder of the data sets, laid out as docs/data.md says; COUNTERPOINT_DATA unless given.
        small: The same path within minutes; without --data on a stand-in of the same layout.
        out: The folder of all reproductions; each has a folder named by its recipe and a hash of its lines.
        workers: Processes of one thread each.
        engine: local, ray or slurm.
        gpus: Of each job, for ray and slurm.
        slurm: {parameter of submitit: value}, such as {timeout_min: 600, partition: gpu}.
        list: Show every data set, table and figure of the papers: what it needs, what became of it.
    """
    if list:
        return _list()
    if not recipes:
        raise InputError("no recipe was named; type `counterpoint reproduce NAME`, or --list to see them.")
    for name in recipes:
        _one(name, data, small, out, workers, engine, gpus, slurm)


def _one(
    name: str,
    data: str | None,
    small: bool,
    out: str,
    workers: int,
    engine: str,
    gpus: float,
    slurm: dict[str, Any] | None,
) -> None:
    """Run one and say what became of it."""
    from counterpoint.commands.parts import say_next
    from counterpoint.report.screen import show_table
    from counterpoint.reproduce.beside import cells_of
    from counterpoint.reproduce.run import reproduce as run

    with Watch() as watch:
        done = run(
            name,
            data=data,
            small=small,
            out=out,
            workers=workers,
            engine=engine,
            gpus=gpus,
            slurm=slurm,
            planned=lambda plan: show_plan(plan) if plan.todo else None,
            each=watch.show,
        )
    for run_name, why in [*done.failed.items()][:5]:
        print(f"no result: {run_name}: {why}")
    total = done.plan.todo + done.plan.there
    if done.page is None:
        raise InputError("no run has a result; see the reasons above.")
    there = f"{total - len(done.failed)} of {total} runs are there, in {done.folder}"
    print(there if done.plan.todo else f"already done: {there}")
    if done.lines:
        show_table(cells_of(done.lines))
    for verdict in done.verdicts:
        print(verdict.told())
    for note in done.notes:
        print(note)
    print(f"page:  {done.page}")
    say_next("export", str(done.folder))


def _list() -> None:
    """Print the data sets, then every table and figure."""
    from counterpoint.commands.parts import say_next
    from counterpoint.report.screen import show_table
    from counterpoint.reproduce.experiments import data_cells, experiment_cells

    cells = data_cells()
    show_table(cells, most=len(cells))
    print()
    cells = experiment_cells()
    show_table(cells, most=len(cells))
    say_next("reproduce", "mmvm/figure5-bound", "--small")
