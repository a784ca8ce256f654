"""Verbs that show: the methods, what is in a file, and what the package can do."""

from counterpoint.commands.parts import names, say_next


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
    say_next("compare", "DATA", label="LABEL", methods="mmvm,independent")


def inspect(data: str, modalities: str | None = None, labels: str | None = None) -> None:
    """Show what is in a data file, and how it would be modelled.

    Args:
        data: An .npz, or a folder with one file per modality.
        modalities: Only these entries, with commas.
        labels: Entries that are labels, not modalities, with commas.
    """
    from counterpoint.data import infer, read
    from counterpoint.report.screen import show_table

    found = read(data, modalities=names(modalities), labels=names(labels))
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
    say_next("fit", data, modalities=modalities, labels=labels)


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
