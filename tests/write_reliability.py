"""Write docs/reliability.md from what faults.py, replays.py and fuzz.py measured.

`python tests/write_reliability.py`.

One function a table; each reads the JSON that one of them wrote.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "reliability.md"


def fuzz() -> str:
    """Damaged files, by kind."""
    rows = json.loads((RESULTS / "fuzz.json").read_text())
    cells = ("kind", "inputs", "accepted", "crashes", "ended", "hung", "slowest", "seconds")
    lines = [
        "| file | inputs | accepted | crashes | process ended | never came back | slowest (s) | seconds |",
        "|" + " --- |" * 8,
    ]
    lines += ["| " + " | ".join(str(row[c]) for c in cells) + " |" for row in rows]
    total = {c: sum(row[c] for row in rows) for c in cells if c != "kind"}
    said = [total[c] for c in cells[1:-2]]
    lines.append(f"| all | {' | '.join(map(str, said))} | | {total['seconds']:.0f} |")
    hours = total["seconds"] / 3600
    return (
        "## Hostile and damaged files\n\n"
        f"{total['inputs']:,} damaged files in {hours:.2f} hours, crashes: {total['crashes']}. A damaged "
        "file is an intact one with bytes changed, cut off, spliced, zeroed or written over by words that "
        "have a meaning there; those of a run get a manifest with the right hash, as from somebody who wants "
        "to be read. A crash is any answer but success and `InputError`, over five seconds of processor "
        "time, or a file written outside. `process ended` and `never came back` count inputs at which the C "
        "code of HDF5 did so (docs/security.md says what to do). By `tests/fuzz.py`, in part in `make "
        "test-all`.\n\n" + "\n".join(lines)
    )


def killed() -> str:
    """Verbs that write, killed or interrupted at random moments."""
    rows = json.loads((RESULTS / "faults.json").read_text())["rows"]
    sent = {"SIGKILL": "kill -9", "SIGINT": "Ctrl-C"}
    cells = ("tries", "ended_before", "absent", "resumable", "complete", "half_files")
    lines = [
        "| verb | by | tries | ended before | nothing was there | it goes on | it was whole "
        "| hidden half files | losses |",
        "|" + " --- |" * 9,
    ]
    for row in sorted(rows, key=lambda row: (row["sent"] != "SIGKILL", row["verb"])):
        numbers = [str(row[c]) for c in cells]
        lines.append(
            f"| {row['verb']} | {sent[row['sent']]} | {' | '.join(numbers)} | {len(row['losses'])} |"
        )
    tries, losses = sum(row["tries"] for row in rows), sum(len(row["losses"]) for row in rows)
    kills = sum(row["tries"] for row in rows if row["sent"] == "SIGKILL")
    return (
        "## Killed at any moment\n\n"
        f"{tries} tries, {kills} of them by kill -9, losses: {losses}. A try ends the process at a moment "
        "drawn evenly from what the work takes (a quarter of them again while it goes on), looks at what is "
        "there, does the work again, from its checkpoint where there is one, and compares every byte with "
        "work that was left alone (of the loss curves, all but the seconds). A loss is any other byte, a "
        "file that cannot be read, a half-written file inside a run directory. By `tests/faults.py`, in part "
        "in `make test-all`; a full disk at every single write, a folder without permission, data that "
        "vanish, two processes at once: `tests/test_faults.py`; a worker that dies: `tests/test_engines.py`."
        "\n\n" + "\n".join(lines)
    )


def replayed() -> str:
    """A run of every method done again."""
    rows = json.loads((RESULTS / "replays.json").read_text())
    ways = {
        "again": "in the same process",
        "two_threads": "two threads instead of one",
        "worker": "in a sweep's worker",
    }
    other = {said: [row["method"] for row in rows if not row[way]] for way, said in ways.items()}
    counts = [f"{said} {sum(row[way] for row in rows)} of {len(rows)}" for way, said in ways.items()]
    return (
        "## Done again\n\n"
        f"A small run of each of the {len(rows)} methods on the same rows with the same seed, "
        f"`model.safetensors` the same to the byte: {', '.join(counts)}. By `tests/replays.py`; of one's own "
        "runs `counterpoint replay RUN` tells."
        + "".join(f" Not so with {said}: {', '.join(names)}." for said, names in other.items() if names)
        + " Sums that threads share are added in another order; which methods that reaches depends on the "
        "processor, so the number of threads belongs to what must be the same."
    )


TABLES = (killed, replayed, fuzz)


def page() -> str:
    """Return the whole page."""
    head = (
        "# Reliability\n\nWhat the fault and fuzz suites found last; written by "
        "`python tests/write_reliability.py`, not by hand."
    )
    return "\n\n".join([head, *(table() for table in TABLES)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
