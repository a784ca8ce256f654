"""What the verbs have in common: reading runs and names, writing arrays and tables, the next step."""

import shlex
from typing import TYPE_CHECKING, Any

from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.evaluate import Evaluation

CELLS = (".h5mu", ".h5ad")  # files of AnnData and MuData that a verb writes


def check_ending(out: str, *others: str) -> None:
    """Refuse a name that ends neither in .npz nor in one of the others; verbs ask before they compute.

    Example:
        >>> check_ending("z.csv", ".csv", ".h5ad")
        >>> check_ending("z.txt", ".csv", ".h5ad")
        Traceback (most recent call last):
        counterpoint.errors.InputError: out is 'z.txt'; its name must end in .npz, .csv or .h5ad.
    """
    endings = (".npz", *others)
    if not out.endswith(endings):
        said = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise InputError(f"out is {out!r}; its name must end in {said}.")


def check_answers(found: Any, prepared: Any, wanted: list[str]) -> None:
    """Refuse imputations of rows that stay in their file if the answers would not fit into memory.

    Args:
        found: The rows.
        prepared: The run's preparation.
        wanted: What is imputed: what was read or filled, mean and spread, 8 bytes a value.

    Raises:
        InputError: Says how much it would be, and what to do.
    """
    import numpy as np

    from counterpoint.data.backed import Backed
    from counterpoint.data.omics_matrices import GIB, half_of_memory

    each = {n: 24 * len(found) * int(np.prod(prepared[n].event)) for n in wanted if n in prepared.names}
    need, most = sum(each.values()), half_of_memory()
    if isinstance(found, Backed) and need > most:
        raise InputError(
            f"what is imputed of {len(found)} rows is {need / GIB:.1f} GiB, allowed is {most / GIB:.1f} GiB; "
            "name fewer modalities with to=NAME, or give a part of the rows."
        )


def write_npz(path: str, arrays: dict[str, Any]) -> None:
    """Write arrays by name."""
    import io

    import numpy as np

    from counterpoint import atomic

    check_ending(path)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    atomic.write(path, content.getvalue())


def write_latents(path: str, arrays: dict[str, Any], rows: tuple[str, ...] | None) -> None:
    """Write arrays (N, D) by name, with the names of the rows: .npz, or one table as .csv or .parquet.

    A table has the column `id` (`row`, counted from 0, where rows have no names) and `NAME_0`, `NAME_1`, ...
    """
    import csv
    import io

    from counterpoint import atomic

    if path.endswith(".npz"):
        import numpy as np

        return write_npz(path, arrays if rows is None else {**arrays, "rows": np.array(rows)})
    first = "row" if rows is None else "id"
    heads = [f"{k.removeprefix('modality/')}_{i}" for k, v in arrays.items() for i in range(v.shape[1])]
    count = len(next(iter(arrays.values())))
    named = range(count) if rows is None else rows
    if path.endswith(".parquet"):
        return _write_parquet(path, first, list(named), heads, list(arrays.values()))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([first, *heads])
    for i, name in enumerate(named):
        cells = [v for part in arrays.values() for v in part[i].tolist()]
        writer.writerow([name, *("" if v != v else f"{v:.9g}" for v in cells)])
    atomic.write(path, out.getvalue())


def _write_parquet(path: str, first: str, named: list[Any], heads: list[str], parts: list[Any]) -> None:
    """Write a table by pandas and pyarrow."""
    import io

    import numpy as np

    from counterpoint import atomic

    try:
        import pandas as pd

        table = pd.DataFrame(np.concatenate(parts, axis=1), columns=pd.Index(heads))
        table.insert(0, first, pd.Series(named))
        content = io.BytesIO()
        table.to_parquet(content, engine="pyarrow", index=False)
    except ImportError as error:
        raise InputError(
            f"writing {path} needs pandas and pyarrow; pip install 'counterpoint[tables]', or give a name "
            "in .csv."
        ) from error
    atomic.write(path, content.getvalue())


def unit(found: Any, name: str) -> str:
    """Return what is missing in a modality: whole rows, or single values."""
    return "rows" if name in found.mask and found.mask[name].ndim == 1 else "values"


HEADLINES = (  # of a whole evaluation, on one screen; the report has all of them
    *(
        "accuracy",
        "accuracy_joint",
        "coherence",
        "coherence_subsets",
        "reconstruction",
        "self_reconstruction",
    ),
    *("rate", "agreement", "imputation_r2", "coverage", "fid", "joint_coherence", "log_likelihood"),
)


def evaluation_cells(result: "Evaluation") -> list[list[str]]:
    """Return an evaluation as a table, a row a modality."""
    sections = {name: section.detail for name, section in result.sections.items()}
    probe, table = sections["probe"], sections["coherence"]
    scores = ["probe", "raw", "chance", "to others", "from others"]
    cells = [["modality", *scores, "given all", "given itself", "rate"]]
    names, matrix = table["names"], table["matrix"]
    for m, name in enumerate(names):
        p, t = probe["modalities"][name], sections["reconstruction"]["modalities"][name]
        out, into = ([r[i] for i in range(len(names)) if i != m] for r in (matrix[m], [r[m] for r in matrix]))
        shown = [p["accuracy"], probe["raw"][name]["accuracy"], p["chance"], _mean(out), _mean(into)]
        costs = [t["given_all"], t["given_itself"], t.get("rate", float("nan"))]
        cells.append([name, *(f"{v:.3f}" for v in shown), *("-" if v != v else f"{v:.1f}" for v in costs)])
    return cells


def headline_cells(result: "Evaluation") -> list[list[str]]:
    """Return the headline numbers as a table: each with its interval, beside what knows nothing."""
    nulls = result.nulls
    cells = [["measure", "value", "95 % interval", *nulls]]
    for key, value in result.summary.items():
        if value != value or (key not in HEADLINES and len(result.sections) > 1):
            continue
        low, high = result.interval.get(key, (float("nan"),) * 2)
        around = "" if low != low else f"{_short(low)} to {_short(high)}"
        beside = ["-" if key not in v else _short(v[key]) for v in nulls.values()]
        cells.append([key.replace("_", " "), _short(value), around, *beside])
    return cells


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _mean(values: list[float]) -> float:
    known = [v for v in values if v == v]
    return sum(known) / len(known) if known else float("nan")


def names(text: str | None) -> list[str] | None:
    """Return the words of a list with commas."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def said(given: dict[str, str] | None) -> str | None:
    """Return a mapping as it is typed.

    Example:
        >>> said({"rna": "counts"}), said(None)
        ('{rna: counts}', None)
    """
    return None if not given else "{" + ", ".join(f"{k}: {v}" for k, v in given.items()) + "}"


def say_next(verb: str, *words: str, **options: Any) -> None:
    """Print what one would type next; options that are None are left out.

    Example:
        >>> say_next("fit", "my data.npz", label=None, test=0.25)
        next:  counterpoint fit 'my data.npz' --test 0.25
    """
    given = [str(part) for k, v in options.items() if v is not None for part in (f"--{k}", v)]
    print(f"next:  {shlex.join(['counterpoint', verb, *words, *given])}")
