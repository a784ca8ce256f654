"""Write BENCHMARKS.md from benchmarks/results/*.json; a file that is not there is said to be missing."""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from counterpoint.atomic import write

HERE = Path(__file__).parent
OUT = HERE.parent / "BENCHMARKS.md"
INTRODUCTION = """# Benchmarks

Written by `benchmarks/write_md.py` from `benchmarks/results/*.json`; do not edit.

Time is process CPU time on one thread. What is compared was measured in one process, an epoch of each in an
order that turns, the first round dropped; a ratio is the median over rounds, its quartiles in brackets. The
times of one table compare with each other, not with those of another machine or day.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, its first column of words, the others of numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(v) for v in line) + " |" for line in lines) + "\n"


def digits(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def spread(found: dict) -> str:
    return f"{digits(found['median'])} ({digits(found['quartile_low'])} to {digits(found['quartile_high'])})"


def measured(found: dict) -> str:
    """When, and on what; a quick run says so."""
    m = found["machine"]
    parts = [f"{k} {v}" for k, v in m.get("packages", {}).items()]
    parts += [f"lightning {m['lightning']}"] if "lightning" in m else []
    said = f"{m['cpu']}, Python {m['python']}, {', '.join(parts)}, {m.get('threads', 1)} thread"
    if "memory GB" in m:
        unit = "with" if m["bfloat16 matrix unit"] else "without"
        said += f"; {m['logical cpus']} logical CPUs, {m['memory GB']} GB, {unit} a bfloat16 matrix unit"
    when = f"{found['measured']}: " if "measured" in found else ""
    quick = "**A quick run: it shows that everything runs, not how fast.** " if found.get("quick") else ""
    return f"{quick}{when}{said}.\n"


def side_by_side(results: dict) -> str:
    parts = [
        "A ratio is rival / ours: 2 means that ours takes half the time. Every rival computes the same MMVM "
        "loss with the same networks (checked to 1e-4 on the same weights, rows and noise; bfloat16 is not "
        "checked). Bare loop: rows by `index_select`, formulas, fused Adam, nothing logged. Official-like "
        "loop: DataLoader over samples, `torch.distributions`, Adam as it comes, nine terms read at every "
        "step. Lightning: the same model in a LightningModule that logs nine terms. What ours does once an "
        "epoch is part of its time, over the few steps of a round.\n"
    ]
    for name, found in results.items():
        rivals = next(iter(found["ratio"].values()))
        rows = []
        for k, v in found["ms_per_model_step"].items():
            against = found["ratio"].get(k)
            cells = [spread(against[r]) if against else "" for r in rivals]
            rows.append([k, spread(v), *cells])
        parts += [f"### {name}\n", f"{found['described']}; {found['rounds']} rounds of "]
        parts[-1] += f"{found['steps_a_round']} step{'s' * (found['steps_a_round'] > 1)}. {measured(found)}"
        parts.append(table(["", "ms per model and step", *(f"{r} / ours" for r in rivals)], rows))
        parts.append("Versions: " + "; ".join(f"{k}: {v}" for k, v in found["versions"].items()) + ".\n")
        if "peak_memory_MB" in found:
            peaks = found["peak_memory_MB"]
            base = next(iter(peaks.values()))
            rows = [[k, digits(v), digits(v - base)] for k, v in peaks.items()]
            parts.append("Peak memory, each in a process of its own:\n")
            parts.append(table(["", "MB", "beyond imports and data"], rows))
    return "\n".join(parts)


def growth(results: dict) -> str:
    parts = [
        "The exponent is the slope of a line through log value against log size: 1 is linear growth, 0 none. "
        "A part of every step does not grow, so the upper half of the sizes says more about larger ones.\n"
    ]
    for name, found in results.items():
        e = {k: "not defined" if v is None else v for k, v in found["exponent"].items()}
        parts += [f"### {name}\n", f"{found['described']}. {measured(found)}"]
        said = f"Exponent {e['all']} over all sizes, {e['upper_half']} over the upper half."
        if "bytes_a_byte_of_data" in found:
            said += f" {found['bytes_a_byte_of_data']} bytes of memory for every byte of data."
            head = ["rows", "data, MB", "memory, MB", "ratio"]
            rows = [[p["size"], p["data_MB"], p["more_MB"], p["ratio"]] for p in found["points"]]
        else:
            head = [name, "ms per model and step", "against the first"]
            rows = [
                [p["size"], spread(p["ms_per_model_step"]), spread(p["against_first"])]
                for p in found["points"]
            ]
        parts += [said + "\n", table(head, rows)]
    return "\n".join(parts)


def step(results: dict) -> str:
    parts = [measured(results), "A ratio is ours / bare loop: below 1, ours is faster.\n"]
    names = list(next(iter(results["step"].values()))["ratio"])
    rows = [
        [k, digits(v["ms_per_step"]), *(spread(v["ratio"][n]) for n in names)]
        for k, v in results["step"].items()
    ]
    parts += [table(["one step", "ours, ms", *names], rows)]
    names = list(next(iter(results["whole"].values()))["ratio"])
    rows = [
        [k, v["steps"], v["seconds"], *(spread(v["ratio"][n]) for n in names)]
        for k, v in results["whole"].items()
    ]
    parts += [table(["a whole short training", "steps", "`fit`, s", *names], rows)]
    counts = list(next(iter(results["stacked"].values())))
    rows = [
        [method, *(f"{digits(v[c]['ms_per_model_step'])}" for c in counts)]
        for method, v in results["stacked"].items()
    ]
    parts += [
        table(["a stack, ms per model and step", *(f"{c} model{'s' * (c != '1')}" for c in counts)], rows)
    ]
    return "\n".join(parts)


def probes(results: dict) -> str:
    parts = [measured(results), "A ratio is scikit-learn / ours, fits of a logistic regression.\n"]
    for tolerance, found in results.items():
        if tolerance.startswith("tol"):
            rows = [
                [k, *(digits(v["ms_per_fit"][n]) for n in ("scikit-learn", "stack")), spread(v["ratio"])]
                for k, v in found.items()
            ]
            parts.append(table([tolerance, "scikit-learn, ms a fit", "ours, ms a fit", "ratio"], rows))
    return "\n".join(parts)


def startup(results: dict) -> str:
    rows = [[f"`{k}`", f"{v:.3f}"] for k, v in results["median_seconds"].items()]
    said = f"Python {results['python']}, {results['cpus']} CPUs, {results['runs']} runs; wall-clock time.\n"
    return said + "\n" + table(["", "seconds, median"], rows)


def backed(results: dict) -> str:
    parts = [measured(results)]
    if "large" in results:
        r = results["large"]
        estimate = r["estimated GiB"]
        said = ", ".join(f"{name} {digits(size)}" for name, size in estimate.items())
        rows = [
            ["peak resident memory, GiB", digits(r["peak resident GiB"])],
            ["estimated before the fit, GiB", f"{digits(sum(estimate.values()))} ({said})"],
            ["the dense table, GiB", digits(r["dense table GiB"])],
            ["the file, GB", digits(r["file GB"])],
            [
                "opening, preparing, s",
                f"{digits(r['seconds of opening'])}, {digits(r['seconds of preparing'])}",
            ],
            ["the epoch, s", digits(r["seconds of the epoch"])],
            ["CPU of the whole process, s", digits(r["CPU seconds"]) if "CPU seconds" in r else "not taken"],
        ]
        parts += [
            f"One epoch of `{r['method']}` from the file: {r['rows']:,} rows of {r['values of a row']:,} "
            f"values, {100 * r['density']:.1f} % of them not 0. {r.get('note', '')}\n",
            table(["larger than memory", ""], rows),
        ]
    if "ratio" in results:
        r = results["ratio"]
        times, ratios = r["ms of CPU a step"], r["time over in memory"]
        rows = [[k, digits(v), spread(ratios[k]) if k in ratios else "1"] for k, v in times.items()]
        parts += [
            f"A step beside one in memory, of a file that fits ({r['rows']:,} x {r['genes']:,}, "
            f"`{r['method']}`, {r['rounds']} rounds); a ratio is from the file / in memory.\n",
            table(["", "ms a step", "ratio"], rows),
        ]
    return "\n".join(parts)


def forecast(results: dict) -> str:
    rows = []
    for name, r in results["cases"].items():
        ratios = r["estimated over true"]
        rows.append(
            [
                f"{name}: {r['described']}, {r['epochs']} epochs",
                digits(r["peak resident GiB"]),
                spread(ratios["memory"]),
                digits(r["true beyond the start, GiB"]),
                spread(ratios["memory beyond the start"]),
                digits(r["true s"]),
                spread(ratios["seconds"]),
                digits(r["s of estimating"]),
            ]
        )
    head = ["`mmvm`", "peak, GiB", "estimated / true", "of it beyond the start", "estimated / true"]
    return (
        "What `fit` prints before it starts, the peak of the process and the seconds of the epochs.\n\n"
        f"{measured(results)}\n" + table([*head, "s", "estimated / true", "s of estimating"], rows)
    )


SECTIONS: dict[str, tuple[str, Callable[[dict], str]]] = {
    "side_by_side": ("A training step beside other loops", side_by_side),
    "growth": ("How a training step grows", growth),
    "step": ("A training step beside bare loops that know absence", step),
    "probes": ("Probes", probes),
    "backed": ("Rows that stay in their file", backed),
    "forecast": ("What a fit is said to take", forecast),
    "startup": ("Starting", startup),
}


def page(folder: Path) -> str:
    """Return the whole page."""
    parts = [INTRODUCTION]
    for name, (title, section) in SECTIONS.items():
        file = folder / f"{name}.json"
        parts.append(f"## {title}\n")
        if file.is_file():
            parts.append(section(json.loads(file.read_text())))
        else:
            parts.append(f"Missing: `{file.name}`; run `python benchmarks/{name}.py`.\n")
    return "\n".join(parts).rstrip() + "\n"


def main(words: Sequence[str] | None = None) -> None:
    """Read, write, say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the JSON files")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args(words)
    write(asked.out, page(asked.results))
    print(f"written: {asked.out}")


if __name__ == "__main__":
    main()
