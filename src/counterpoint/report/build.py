"""The report: what was trained on what, how it scores beside what knows nothing, and how it looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import inf, log
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoint.manifest import EXHIBITS
from counterpoint.report.bound import objective_over_beta
from counterpoint.report.charts import losses, matrices, rate_distortion
from counterpoint.report.details import detail_tables
from counterpoint.report.exhibits import samples, translations
from counterpoint.report.latents import latents
from counterpoint.report.page import (
    Block,
    Lights,
    Notes,
    Picture,
    Plot,
    Section,
    Table,
    Terms,
    Words,
    check_page,
    write_sections,
)
from counterpoint.report.records import Record, read_records
from counterpoint.report.remarks import remarks
from counterpoint.report.scatter import plane, scatter
from counterpoint.report.tables import Row, groups, main_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 4  # runs of which embeddings, translations and matrices are drawn
QUALITIES = {"accuracy": "Probe", "coherence": "Coherence", "other_trial": "Probe of others", "fid": "FID"}
FOLDED = 14  # rows beyond which a detail table is folded


def report(
    runs: Sequence[str | Path] | str | Path,
    out: str | Path = "report.html",
    title: str | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML file about runs; it reads their directories, no data and no weights.

    Runs that differ in seed alone become one row with mean and spread; runs that differ in beta become
    curves. Of at most four methods one run is drawn in full, at the beta nearest to 1; it says so where there
    are more.

    Args:
        runs: Run directories, or folders that hold them.
        out: The file.
        title: Its heading.
        notes: Sentences for its end, such as whose data these are.

    Raises:
        InputError: If there is no run, one is damaged, or the file cannot be written there.
    """
    check_page(out, "a title" if title is None else title)
    records = read_records(runs)
    scored = [r for r in records if r.sections]
    shown = _shown(scored)
    sections = [
        Section("Remarks", [Lights(remarks(r), heading=_named(r, shown)) for r in shown or records[:1]]),
        Section("Scores", _scores(records)),
        Section("Rate and distortion", _drawn(_over_beta(scored))),
        Section("Objective and autoencoder", _drawn({"": objective_over_beta(scored)})),
        Section("What was trained on what", _trained(records)),
        Section("Training", _drawn({"": losses(records)})),
        Section("Embeddings", _each(shown, _embedding)),
        Section("Translations", _each(shown, lambda r: _pictures(translations(r), drawing=False))),
        Section("Samples", _each(shown, lambda r: _pictures(samples(r), drawing=False))),
        Section("Between the modalities", _each(shown, lambda r: _drawn(matrices(r)))),
        Section("Latents", _each(shown, lambda r: _drawn(latents(r)))),
        Section("In detail", _details(records)),
        Section("What the numbers are", _terms()),
        Section("Notes", [Notes(notes)] if notes else []),
    ]
    kept = [section for section in sections if section.blocks]
    name = title or (
        f"{records[0].label} on {', '.join(records[0].names)}" if len(records) == 1 else "Runs compared"
    )
    return write_sections(out, title=name, lead=_lead(records, shown), sections=kept)


def pictures(records: Sequence[Record]) -> dict[str, Figure]:
    """Return every figure of a report by heading; with several runs the heading names its run."""
    scored = [r for r in records if r.sections]
    shown = _shown(scored)
    made: dict[str, Figure | None] = {f"{t} and reconstruction": f for t, f in _over_beta(scored).items()}
    made["Objective over beta"] = objective_over_beta(scored)
    made["Losses"] = losses(records)
    for record in shown:
        name = f", {_named(record, shown)}" if len(shown) > 1 else ""
        for figures in (
            *(translations(record), samples(record), matrices(record)),
            *(latents(record), _planes(record)),
        ):
            made |= {f"{heading}{name}": figure for heading, figure in figures.items()}
    return {heading: figure for heading, figure in made.items() if figure is not None}


def _over_beta(records: Sequence[Record]) -> dict[str, Figure | None]:
    """Return qualities against reconstruction, where runs differ in beta."""
    own = [r for r in records if not r.control]
    return {title: rate_distortion(own, y=key) for key, title in QUALITIES.items()}


def _planes(record: Record) -> dict[str, Figure]:
    """Return the embedding as a still picture."""
    figure = plane(record)
    return {} if figure is None else {"Embedding": figure}


def _shown(records: Sequence[Record]) -> list[Record]:
    """Return the runs that are drawn: one a method, with exhibits, the beta nearest to 1; controls last."""

    def rank(r: Record) -> tuple[bool, float, int]:
        return not (r.path / EXHIBITS).exists(), abs(log(r.beta)) if r.beta > 0 else inf, r.seed

    methods: dict[str, list[Record]] = {}
    for record in records:
        methods.setdefault(record.label, []).append(record)
    first = [min(group, key=rank) for group in methods.values()]
    ranked = sorted(
        first, key=lambda r: (bool(r.control), r.method != "mmvm", -r.summary.get("accuracy", 0.0))
    )
    return ranked[:SHOWN]


def _named(record: Record, shown: Sequence[Record]) -> str:
    several = len({r.beta for r in shown}) > 1
    said = f"{record.label}, beta {record.beta:g}" if several else record.label
    return f"{said}, seed {record.seed}" if len(shown) > 1 else ""


def _lead(records: Sequence[Record], shown: Sequence[Record]) -> list[str]:
    """Return what a reader should know after twenty seconds."""
    one, count = records[0], len(records)
    kinds = list(dict.fromkeys(r.label for r in records))
    rows = one.card["training"]["rows"]
    said = f"{count} run{'s' * (count > 1)} of {' · '.join(kinds[:8])}{' and others' * (len(kinds) > 8)}, "
    said += f"trained on {rows:,} rows of {len(one.names)} modalities ({', '.join(one.names)})."
    lead = [said]
    best = max(
        (r for r in shown if not r.control), key=lambda r: r.summary.get("accuracy", -1.0), default=None
    )
    if best is not None and "accuracy" in best.summary:
        s = best.summary
        beside = f"raw features {s['raw']:.3f}, chance {s['chance']:.3f}"
        lead.append(f"Best probe among the runs drawn: {best.label}, {s['accuracy']:.3f} ({beside}).")
        if s.get("coherence", float("nan")) == s.get("coherence"):
            lead[-1] += f" Its translations show the right label in {s['coherence']:.1%} of the rows."
    left = len(groups([r for r in records if r.sections])) - len(shown)
    if left > 0:
        drawn = "Embeddings, translations and matrices are drawn of one run each of"
        rest = f"{left} more group{' is' if left == 1 else 's are'} in the tables"
        lead.append(f"{drawn} {len(shown)} methods; {rest}.")
    return lead


def _scores(records: Sequence[Record]) -> list[Block]:
    rows = main_table(records)
    if not rows:
        return [Words(["No run was evaluated yet: counterpoint evaluate RUN DATA."])]
    several = any("±" in str(v) for row in rows for v in row.values())
    note = (
        "mean ± standard deviation over seeds" if several else "with 95 % bootstrap intervals over test rows"
    )
    note += "; in italics what knows nothing, or one thing only"
    note += "; bold: better than every other method by more than a standard deviation" * (len(rows) > 1)
    return [Table(rows, note=f"{note}."), *_published(records)]


def _published(records: Sequence[Record]) -> list[Block]:
    """Return the figures of papers that the runs' recipes brought along, each once."""
    tables = [table for r in records for table in r.scores.get("published", [])]
    blocks: list[Block] = []
    for table in {json.dumps(table, sort_keys=True): table for table in tables}.values():
        note = f"Measured by its authors on {table['data']}"
        note += (
            "." if table["same_data"] else ": other data than of these runs, to be looked at, not compared."
        )
        rows: list[Row] = [{"published": name, **row} for name, row in table["rows"].items()]
        blocks.append(Table(rows, heading=f"Published: {table['source']}", note=note))
    return blocks


def _trained(records: Sequence[Record]) -> list[Block]:
    """Return the data, the settings that all share and those that differ, versions and seeds."""
    one = records[0]
    present, rows = one.card["training"]["present"], one.card["training"]["rows"]
    data: list[Row] = [
        {
            "modality": m["name"],
            "shape": " × ".join(str(n) for n in m["event"]),
            "likelihood": m["likelihood"],
            "looks like": m["looks_like"],
            "rows that have it": f"{present[m['name']]:,} of {rows:,}",
        }
        for m in one.card["preparation"]["modalities"]
    ]
    task = next((r.scores["task"] for r in records if "task" in r.scores), None)
    said = f"{rows:,} training rows"
    if task:
        said += (
            f", {task['test_rows']:,} test rows, label {task['label']} with {len(task['classes'])} classes"
        )
    return [Table(data, note=f"{said}."), _settings(records), Words([_made_with(records)], note=True)]


def _settings(records: Sequence[Record]) -> Block:
    """Return settings: one column for all, or one a group where runs differ."""
    differ = {k for k in records[0].config if len({str(r.config.get(k)) for r in records}) > 1} - {"seed"}
    found = list(groups(records).items())[:6] if differ else [("all runs", list(records))]
    keys = sorted(records[0].config, key=lambda k: (k not in differ, k))
    rows: list[Row] = [
        {"setting": key, **{name: str(group[0].config.get(key)) for name, group in found}}
        for key in keys
        if key != "seed"
    ]
    return Table(rows, heading="Settings", folded=f"{len(rows)} settings, {len(differ)} differ between runs")


def _made_with(records: Sequence[Record]) -> str:
    told = records[0].environment
    packages = ", ".join(f"{k} {v}" for k, v in told.get("packages", {}).items() if v)
    seeds = ", ".join(str(s) for s in sorted({r.seed for r in records}))
    return f"Python {told.get('python')}, {packages}; device {told.get('device')}; seeds {seeds}."


def _embedding(record: Record) -> list[Block]:
    data = scatter(record)
    return [] if data is None else [Plot(data)]


def _each(records: Sequence[Record], blocks_of: Callable[[Record], list[Block]]) -> list[Block]:
    """Return the blocks of every record under its name."""
    out: list[Block] = []
    for record in records:
        blocks = blocks_of(record)
        if blocks and len(records) > 1:
            out.append(Words([], heading=_named(record, records)))
        out += blocks
    return out


def _drawn(figures: Mapping[str, Figure | None]) -> list[Block]:
    return _pictures({k: f for k, f in figures.items() if f is not None}, drawing=True)


def _pictures(figures: dict[str, Figure], drawing: bool) -> list[Block]:
    return [Picture(figure, heading=heading, drawing=drawing) for heading, figure in figures.items()]


def _details(records: Sequence[Record]) -> list[Block]:
    return [
        Table(rows, heading=heading, folded=f"{len(rows)} rows" if len(rows) > FOLDED else "")
        for heading, rows in detail_tables(records).items()
    ]


def _terms() -> list[Block]:
    """Return what the numbers are, and what the nulls are, in words."""
    blocks: list[Block] = []
    text = (Path(__file__).parent / "terms.txt").read_text(encoding="utf-8")
    for heading, part in zip(("", "What knows nothing, or one thing"), text.split("\n\n"), strict=True):
        pairs = [line.partition(": ") for line in part.strip().splitlines()]
        blocks.append(Terms([(name, said) for name, _, said in pairs], heading=heading))
    return blocks
