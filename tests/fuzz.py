"""Damaged files of every kind that is read: the only answers are success and `InputError`.

`make test` tries a few of each kind, `make test-all` thousands; tests/test_fuzz.py. More, for the table of
docs/reliability.md:

    python tests/fuzz.py --seconds 120 --out benchmarks/results/fuzz.json
"""

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import counterpoint as cp
from counterpoint import atomic, densities, runs
from counterpoint.manifest import as_json, digest
from counterpoint.report.records import read_record

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF)
TOKENS = (
    *(
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"-1",
        b"0",
        b"1e999",
        b"99999999999999999999",
        b'""',
        b"[]",
        b"{}",
    ),
    *(
        b"\x00",
        b"\xff\xfe",
        b"..",
        b"../../x",
        b"!!python/name:os.system ",
        b"*a",
        b"&a ",
        b"[",
        b"{",
        b"}",
        b"]",
    ),
    *(b"\n", b":", b",", b"'", b'"', b"\\", b"PK", b"\x93NUMPY", b"\x89HDF"),
)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return a damaged copy: bytes changed, cut off, spliced, zeroed, or a token written over or between."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        if not data:
            break
        at = draw.randrange(len(data))
        near = at if draw.random() < 0.5 else draw.randrange(min(len(data), 512))  # headers come first
        many = draw.choice((1, 2, 4, 8, 64))
        how = draw.randrange(9)
        if how == 0:
            data[near] ^= 1 << draw.randrange(8)
        elif how == 1:
            data[near] = draw.choice(NUMBERS)
        elif how == 2:
            data[near] = draw.randrange(256)
        elif how == 3:
            del data[at:]
        elif how == 4:
            del data[near : near + many]
        elif how == 5:
            data[near : near + many] = bytes(len(data[near : near + many]))
        elif how == 6:
            start = draw.randrange(len(data))
            data[near:near] = data[start : start + many]
        elif how == 7:
            token = draw.choice(TOKENS)
            data[near : near + draw.choice((0, 1, len(token)))] = token
        else:
            numbers = [i for i, b in enumerate(data) if 48 <= b <= 57]
            if numbers:
                data[draw.choice(numbers)] = draw.choice(b"0123456789-.e")
    return bytes(data)


@dataclass
class Kind:
    """One kind of file.

    Args:
        name: For the table.
        path: Where the damaged file is put.
        content: The intact one.
        read: What reads it, whole.
        beside: Called after each damage, to seal what lies around it.
        forked: Whether it is read in a child, since a library may end the process.
    """

    name: str
    path: Path
    content: bytes
    read: Callable[[], object]
    beside: Callable[[bytes], None] = field(default=lambda content: None)
    forked: bool = False


@dataclass
class Found:
    """What became of one kind; of some inputs a library's own C code `ended` the process, or `hung`."""

    kind: str
    inputs: int = 0
    accepted: int = 0
    crashes: list[str] = field(default_factory=list)
    ended: int = 0
    hung: int = 0
    slowest: float = 0.0
    seconds: float = 0.0


SLOW = 5.0  # seconds of processor time that one input may take


def tried(kind: Kind, most: int, seconds: float, seed: int = 0) -> Found:
    """Try damaged copies, until there were so many or the time is up."""
    found = Found(kind.name)
    around = kind.path.parent.parent
    kind.path.write_bytes(kind.content)
    kind.beside(kind.content)
    kind.read()  # the intact file is fine, and what reading needs is imported
    start = time.perf_counter()
    before = set(around.rglob("*"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while found.inputs < most and time.perf_counter() - start < seconds:
            if kind.forked:
                left = seconds - (time.perf_counter() - start)
                _in_a_child(kind, found, min(most, found.inputs + 50), left, seed)
            else:
                _try(kind, found, seed)
    kind.path.write_bytes(kind.content)
    kind.beside(kind.content)
    if new := set(around.rglob("*")) - before:
        found.crashes.append(f"wrote {sorted(map(str, new))[:3]}")
    found.seconds = time.perf_counter() - start
    return found


def _try(kind: Kind, found: Found, seed: int) -> None:
    """Try one damaged copy."""
    content = damaged(kind.content, random.Random(f"{kind.name}/{seed}/{found.inputs}"))
    found.inputs += 1
    kind.path.write_bytes(content)
    kind.beside(content)
    begun = time.process_time()
    try:
        kind.read()
        found.accepted += 1
    except cp.InputError:
        pass
    except Exception as error:
        found.crashes.append(f"input {found.inputs}: {type(error).__name__}: {str(error)[:200]}")
    took = time.process_time() - begun
    found.slowest = max(found.slowest, took)
    if took > SLOW:
        found.crashes.append(f"input {found.inputs}: took {took:.1f} s")


def _in_a_child(kind: Kind, found: Found, upto: int, seconds: float, seed: int) -> None:
    """Try some in a child, which a library may end; what it found comes back line by line."""
    start, (reading, writing) = time.perf_counter(), os.pipe()
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if (child := os.fork()) == 0:
        try:
            with os.fdopen(writing, "w") as out:
                while found.inputs < upto and time.perf_counter() - start < seconds:
                    out.write(f"{found.inputs + 1}\n")
                    out.flush()
                    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + 2 * SLOW), most))
                    _try(kind, found, seed)
                    out.write(json.dumps(vars(found)) + "\n")
                    out.flush()
        finally:  # a copy of a test must not go on
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        for line in lines:
            told = json.loads(line)
            vars(found).update(told if isinstance(told, dict) else {"inputs": told})
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        hung = os.WTERMSIG(status) == signal.SIGXCPU
        found.hung, found.ended = found.hung + hung, found.ended + (not hung)


def kinds(folder: Path) -> list[Kind]:
    """Make a small file of every kind."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 3))
    word = np.array(list("abc"))[rng.integers(0, 3, (24, 2))]
    made = cp.Counterpoint(latent_dim=2, epochs=2, hidden=(4,), batch_size=8, batch="lane", patience=None)
    lanes = np.array(["p", "q"])[np.arange(24) % 2]
    rows = cp.read({"a": x, "b": word}, labels={"lane": lanes})
    made.fit(rows, run=folder / "run" / "it")
    for kind in densities.FITTED:
        made.fit_density(rows, kind)
    run = made.save(folder / "run" / "it")
    runs.add_scores(run, {"summary": {"accuracy": 0.5}}, {"row": np_tensor(x)})
    return [*_run_files(run), *_checkpoint(folder / "resumed", rows), *_arrays(folder, x), *_text(folder)]


def np_tensor(x):
    import torch

    return torch.from_numpy(x)


def _run_files(run: Path) -> list[Kind]:
    """Every file of a run, its hash in the manifest renewed: as a stranger would who can write one."""
    intact = {p.name: p.read_bytes() for p in run.iterdir()}
    listed = json.loads(intact["manifest.json"])

    def sealed(name):
        def seal(content):
            files = {**listed["files"], name: digest(content)}
            (run / "manifest.json").write_bytes(as_json({**listed, "files": files}))

        return seal

    def load():
        return runs.load(run), read_record(run)

    def record():
        found = read_record(run)
        return found.summary, found.history, found.exhibits(), runs.scores_of(run)

    def used():
        found = runs.load(run)
        for kind in found.densities_:
            found.sample(2, density=kind)

    reads = {"scores.json": record, "metrics.csv": load, "exhibits.safetensors": record}
    reads |= {f"density-{kind}.safetensors": used for kind in densities.FITTED}
    reads |= {"environment.json": record}
    out = [
        Kind(name, run / name, content, reads.get(name, load), sealed(name))
        for name, content in sorted(intact.items())
        if name not in ("manifest.json", "README.md")
    ]
    return [*out, Kind("manifest.json", run / "manifest.json", intact["manifest.json"], load)]


def _checkpoint(folder: Path, rows) -> list[Kind]:
    """A checkpoint, as it stands while a fit goes on."""
    folder.mkdir()
    path, how = folder / "run" / "checkpoint.safetensors", {"latent_dim": 2, "hidden": (4,), "batch_size": 8}

    class Stop(Exception):
        pass

    import counterpoint.training.checkpoint as training

    write, count = training.Checkpoint._write, [0]

    def stopping(self, population):
        write(self, population)
        count[0] += 1
        if count[0] == 2:
            raise Stop

    training.Checkpoint._write = stopping
    try:
        cp.Counterpoint(epochs=4, **how).fit(rows, run=folder / "run", checkpoint_seconds=0)
    except Stop:
        pass
    finally:
        training.Checkpoint._write = write
    return [Kind("checkpoint.safetensors", path, path.read_bytes(), lambda: training.held(path))]


def _arrays(folder: Path, x: np.ndarray) -> list[Kind]:
    from scipy.io import savemat

    from counterpoint.data import matlab

    at = folder / "arrays"
    (at / "in").mkdir(parents=True)
    labels, names = np.arange(len(x)) % 2, np.array(["p", "q", "r"])
    np.savez(at / "a.npz", rna=x, rna_features=names, kind=labels, rna__mask=np.ones(len(x), bool))
    np.savez_compressed(at / "packed.npz", rna=x, text=np.array(["x", "yy"] * 12))
    np.save(at / "in" / "rna.npy", x)
    savemat(at / "a.mat", {"X": x}, do_compression=True)
    lines = ["id,a,b"] + [f"r{i},{a:.3f},{b:.3f}" for i, (a, b, _) in enumerate(x)]
    (at / "a.csv").write_text("\n".join(lines) + "\n")
    layout = {"X": (24, 3)}
    reads = {
        "npz": (at / "a.npz", lambda: cp.read(at / "a.npz")),
        "npz, packed": (at / "packed.npz", lambda: cp.read(at / "packed.npz")),
        "npy in a folder": (at / "in" / "rna.npy", lambda: cp.read(at / "in")),
        "csv": (at / "a.csv", lambda: cp.read(at / "a.csv", groups={"m": ["a", "b"]})),
        "mat, level 5": (at / "a.mat", lambda: matlab.arrays(at / "a.mat", layout, get="get it")),
    }
    found = [Kind(name, path, path.read_bytes(), read) for name, (path, read) in reads.items()]
    return [*found, *_tables(at, x), *_pictures(at), *_cells(at, x)]


def _tables(at: Path, x: np.ndarray) -> list[Kind]:
    """Parquet and feather, where pandas and pyarrow are there: C++, so in a child."""
    import importlib.util

    if not all(map(importlib.util.find_spec, ("pandas", "pyarrow"))):
        return []
    import pandas as pd

    words = pd.Categorical(["u", "v", None] * (len(x) // 3))
    table = pd.DataFrame({"id": [f"r{i}" for i in range(len(x))], "a": x[:, 0], "b": x[:, 1], "kind": words})
    table.to_parquet(at / "a.parquet")
    table.to_feather(at / "a.feather")

    def read(path):
        return lambda: cp.read(path, groups={"m": ["a", "b"]}, labels=["kind"])

    paths = [at / "a.parquet", at / "a.feather"]
    return [Kind(p.suffix[1:], p, p.read_bytes(), read(p), forked=True) for p in paths]


def _pictures(at: Path) -> list[Kind]:
    from PIL import Image

    from counterpoint.data import polymnist_files

    Image.fromarray(np.arange(28 * 28 * 3).reshape(28, 28, 3).astype(np.uint8)).save(at / "0.3.png")
    return [
        Kind(
            "png",
            at / "0.3.png",
            (at / "0.3.png").read_bytes(),
            lambda: polymnist_files._image(at / "0.3.png"),
        )
    ]


def _cells(at: Path, x: np.ndarray) -> list[Kind]:
    """HDF5 and zarr, where the packages are there; a zarr is many files, of which its lists are damaged."""
    import importlib.util

    if not all(map(importlib.util.find_spec, ("anndata", "zarr", "h5py"))):
        return []
    import anndata
    import h5py
    import pandas as pd

    from counterpoint.data import matlab

    with h5py.File(at / "b.mat", "w", userblock_size=512) as file:
        file["X"] = x.T
    obs = pd.DataFrame({"lane": pd.Categorical(["p", "q"] * 12)}, index=[f"c{i}" for i in range(24)])
    cells = anndata.AnnData(np.round(abs(10 * x)), obs=obs)
    told = anndata.settings.override(allow_write_nullable_strings=True, zarr_write_format=3)
    with told, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the next release writes
        cells.write_h5ad(at / "a.h5ad")
        cells.write_zarr(at / "a.zarr")
    root, h5ad, mat = at / "a.zarr" / "zarr.json", at / "a.h5ad", at / "b.mat"
    root = root if root.exists() else at / "a.zarr" / ".zmetadata"
    return [
        Kind("zarr, its lists", root, root.read_bytes(), lambda: cp.read(at / "a.zarr")),
        Kind(
            "mat, HDF5",
            mat,
            mat.read_bytes(),
            lambda: matlab.arrays(mat, {"X": (24, 3)}, get="get it"),
            forked=True,
        ),
        Kind("h5ad", h5ad, h5ad.read_bytes(), lambda: cp.read(h5ad), forked=True),
    ]


def _text(folder: Path) -> list[Kind]:
    """What people write by hand: a grid, a config file."""
    from counterpoint import commands
    from counterpoint.parsing import parse

    at = folder / "text"
    at.mkdir()
    grid = (
        b"data: a.npz\nlabel: kind\nmethod: [mmvm, mopoe]\nbeta: 2**[-2:2]\nlatent_dim: 4\n"
        b"mopoe.options.draw: all\nhidden: [[8], [16, 8]]\n"
    )
    config = (
        b"latent_dim: 3\nhidden: [8, 4]\nbeta: linear:0:1:20\noptions:\n  rate: mixture\n"
        b"likelihood: {a: normal}\n"
    )
    typed = ["a.npz", "--config", str(at / "fit.yaml")]
    return [
        Kind("sweep.yaml", at / "sweep.yaml", grid, lambda: cp.read_grid(at / "sweep.yaml")),
        Kind("--config", at / "fit.yaml", config, lambda: parse("fit", commands.fit, typed)),
    ]


def as_row(found: Found) -> dict[str, object]:
    """Return a row of the table."""
    return {
        "kind": found.kind,
        "inputs": found.inputs,
        "accepted": found.accepted,
        "crashes": len(found.crashes),
        "ended": found.ended,
        "hung": found.hung,
        "slowest": round(found.slowest, 3),
        "seconds": round(found.seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of every kind")
    parser.add_argument("--kinds", nargs="*", help="all unless given; the others keep their rows in --out")
    parser.add_argument("--most", type=int, default=10**9, help="inputs of every kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows, crashes = [], []
    with tempfile.TemporaryDirectory() as place:
        for kind in kinds(Path(place)):
            if given.kinds is not None and kind.name not in given.kinds:
                continue
            found = tried(kind, given.most, given.seconds, given.seed)
            rows.append(as_row(found))
            crashes += [f"{kind.name}, {crash}" for crash in found.crashes]
            print(json.dumps(rows[-1]), flush=True)
    print("\n".join(crashes))
    if given.out is not None:
        kept = json.loads(given.out.read_text()) if given.out.exists() else []
        again = {row["kind"] for row in rows}
        rows = [row for row in kept if row["kind"] not in again] + rows
        atomic.write(given.out, json.dumps(rows, indent=1) + "\n")
    sys.exit(bool(crashes))


if __name__ == "__main__":
    main()
