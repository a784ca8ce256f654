"""Files by somebody who wants more than to be read: one clear error, in little time, memory and room."""

import ast
import gzip
import io
import json
import os
import pickle
import resource
import struct
import time
import zipfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

import counterpoint as cp
from counterpoint import commands, runs
from counterpoint.data import claims, loading
from counterpoint.manifest import as_json, digest, verify
from counterpoint.parsing import parse
from counterpoint.report.records import read_record

SOURCE = Path(__file__).parents[1] / "src" / "counterpoint"
MORE = 400 * 2**20  # bytes of memory that refusing may take


class Evil:
    """Leaves a mark if it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@contextmanager
def refused(match=None, seconds=5.0):
    """One clear error, in bounded time and memory."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(cp.InputError, match=match) as error:
        yield
    assert time.perf_counter() - start < seconds
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MORE
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


def fitted(folder):
    x = np.random.default_rng(0).normal(size=(24, 3))
    m = cp.Counterpoint(latent_dim=2, epochs=1, hidden=(4,), patience=None)
    m.fit({"a": x, "b": x[:, :2]}, run=folder)
    return folder


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("runs") / "it")


@pytest.fixture
def run(intact, tmp_path):
    """A copy that may be tampered with."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in intact.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def put(run, name, content):
    """Write a file with its right hash: its writer knows how runs are made."""
    (run / name).write_bytes(content)
    listed = json.loads((run / "manifest.json").read_text())
    listed["files"][name] = digest(content)
    (run / "manifest.json").write_bytes(as_json(listed))


# --- what the source may not do


@cache
def calls():
    """Every call in the source: path, the function that it stands in, the node."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree, inside = ast.parse(path.read_text()), {}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inside |= {id(child): node.name for child in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found.append((str(path.relative_to(SOURCE)), inside.get(id(node), ""), node))
    return found


FORBIDDEN = {"eval", "exec", "compile", "__import__", "execfile"}  # `re.compile` is an attribute, not a name
UNSAFE = {
    *(
        "pickle.load",
        "pickle.loads",
        "torch.load",
        "joblib.load",
        "marshal.loads",
        "shelve.open",
        "dill.load",
    ),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "os.system", "runpy.run_path"),
    *("pd.read_pickle", "pd.eval", "np.fromfile", "zipfile.extractall", "tarfile.open"),
}
# Where a module is imported by a name that stands in no file but the source: the callers are walked below.
BY_NAME = {
    ("__init__.py", "__getattr__"),
    ("engines.py", "_package"),
    ("data/omics_files.py", "package"),
    ("baselines/canonical.py", "zoo"),
}


def test_nothing_runs_code_that_a_file_names():
    found = []
    for path, _, node in calls():
        said = ast.unparse(node.func)
        if said in FORBIDDEN or said in UNSAFE or said.endswith((".extractall", ".read_pickle")):
            found.append(f"{path}:{node.lineno} {said}")
        if said == "yaml.load" and not any(k.arg == "Loader" for k in node.keywords):
            found.append(f"{path}:{node.lineno} yaml.load without a Loader")
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
                found.append(f"{path}:{node.lineno} allow_pickle")
            if keyword.arg == "shell":
                found.append(f"{path}:{node.lineno} shell")
    assert not found, found


def test_pickle_is_imported_nowhere():
    banned = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not banned & {n.split(".")[0] for n in names}, f"{path}:{node.lineno}"


def test_no_module_is_imported_by_a_name_from_a_file():
    helpers = {function for _, function in BY_NAME} - {"__getattr__"}
    for path, function, node in calls():
        said = ast.unparse(node.func)
        by_name = said.endswith("import_module") and (path, function) not in BY_NAME
        if by_name or (said in helpers and (path, function) not in BY_NAME):
            fixed = node.args and isinstance(node.args[0], ast.Constant)
            assert fixed, f"{path}:{node.lineno} {ast.unparse(node)}: the name of a module must stand here"


# --- config files and options


CODE = {
    "tag": "options:\n  rate: !!python/object/apply:os.mkdir [MARK]\n",
    "name": "options:\n  rate: !!python/name:os.mkdir\n",
    "class": "options:\n  rate:\n    class_path: os.mkdir\n    init_args: {path: MARK}\n",
    "dotted": "options.rate.class_path: os.mkdir\n",
    "within text": 'options:\n  rate: \'{"class\\x5fpath": "os.mkdir"}\'\n',
    "in a list": "options:\n  rate: [{class_path: os.mkdir}]\n",
}


@pytest.mark.parametrize("kind", CODE)
def test_a_config_file_imports_nothing(kind, tmp_path, monkeypatch):
    imported = []
    monkeypatch.setattr("builtins.__import__", watching(__import__, imported))
    (tmp_path / "c.yaml").write_text(
        CODE[kind].replace("MARK", str(tmp_path / "mark")).replace("os.", "evil_module.")
    )
    with refused():
        parse("fit", commands.fit, ["a.npz", "--config", str(tmp_path / "c.yaml")])
    assert "evil_module" not in imported
    assert not (tmp_path / "mark").exists()


def watching(original, imported):
    def imports(name, *args, **kwargs):
        imported.append(name)
        return original(name, *args, **kwargs)

    return imports


def test_an_option_imports_nothing():
    with refused("import code by its name"):
        parse("fit", commands.fit, ["a.npz", "--options.rate", '{"class_path": "subprocess.Popen"}'])
    with refused("import code by its name"):
        parse("fit", commands.fit, ["a.npz", "--options.rate.class_path=subprocess.Popen"])


def bomb(levels=30):
    lines = ["b0: &b0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


def test_yaml_that_refers_to_itself_a_billion_times(run, tmp_path):
    (tmp_path / "c.yaml").write_text(bomb())
    with refused("references are not read"):
        parse("fit", commands.fit, ["a.npz", "--config", str(tmp_path / "c.yaml")])
    with refused("references are not read"):
        cp.read_grid(tmp_path / "c.yaml")
    put(run, "config.yaml", bomb().encode())
    with refused("references are not read"):
        runs.load(run)
    with refused("references are not read"):
        read_record(run)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000, "? " * 100_000, "x" * 2**19]
)
def test_yaml_that_is_deep_or_long(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    with refused(seconds=20):
        cp.read_grid(tmp_path / "c.yaml")
    with refused(seconds=20):
        parse("fit", commands.fit, ["a.npz", "--config", str(tmp_path / "c.yaml")])


@pytest.mark.parametrize(
    "text", ["a: !!bool x", "a: !!int ''", "a: !!timestamp x", "a: !!float x", "? [a]\n: b"]
)
def test_yaml_with_tags_that_do_not_fit(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text)
    with refused():
        cp.read_grid(tmp_path / "c.yaml")


# --- run directories


def test_a_tampered_run_runs_nothing(run, tmp_path):
    content = pickle.dumps(Evil(tmp_path / "mark"))
    for name in ("model.safetensors", "data_card.json", "config.yaml", "metrics.csv"):
        kept = (run / name).read_bytes()
        put(run, name, content)
        with refused():
            runs.load(run)
        put(run, name, kept)
    assert not (tmp_path / "mark").exists()


def test_json_that_is_deep(run):
    for name in ("data_card.json", "scores.json", "environment.json"):
        kept = (run / name).read_bytes()
        put(run, name, b"[" * 100_000)
        with refused("damaged"):
            read_record(run)
        put(run, name, kept)
    (run / "manifest.json").write_bytes(b'{"files":' * 100_000)
    with refused("damaged"):
        runs.load(run)


@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc/passwd", "density-../../x.safetensors", "a/b", "", ".", "..", "density-/x.safetensors"],
)
def test_a_manifest_that_leads_elsewhere(name, run):
    listed = json.loads((run / "manifest.json").read_text())
    listed["files"][name] = "0" * 64
    (run / "manifest.json").write_bytes(as_json(listed))
    with refused("no file of the run itself"):
        verify(run)


def test_links_out_of_a_run(run, tmp_path):
    for name in ("scores.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
        (run / name).unlink()
        (run / name).symlink_to(tmp_path / name)
        with refused("is a link"):
            runs.load(run)
        with refused("is a link"):
            runs.add_scores(run, {"a": 1})
        (run / name).unlink()
        (run / name).write_bytes((tmp_path / name).read_bytes())
    assert runs.load(run)


def test_pipes_and_devices_instead_of_files(run):
    (run / "scores.json").unlink()
    os.mkfifo(run / "scores.json")
    with refused("no ordinary file"):
        runs.load(run)
    (run / "manifest.json").unlink()
    os.mkfifo(run / "manifest.json")
    with refused("no ordinary file"):
        read_record(run)


def test_a_file_of_a_run_that_is_all_holes(run):
    with (run / "scores.json").open("wb") as file:
        file.truncate(100 * 2**30)  # takes no room on the disk
    with refused("allowed are"):
        runs.load(run)


def test_headers_of_safetensors_that_lie(run):
    whole = (run / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    first = next(k for k in header if k != "__metadata__")

    def written(change):
        told = json.loads(json.dumps(header))
        change(told)
        text = json.dumps(told).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + length :]

    lies = {
        "a header of 8 EiB": struct.pack("<Q", 2**63 - 1) + whole[8:],
        "a header of all": struct.pack("<Q", len(whole)) + whole[8:],
        "deep": struct.pack("<Q", 10**5) + b"[" * 10**5,
        "offsets outside": written(lambda h: h[first].update(data_offsets=[0, 2**62])),
        "offsets reversed": written(lambda h: h[first].update(data_offsets=[8, 0])),
        "a shape too large": written(lambda h: h[first].update(shape=[2**40, 2**40])),
        "a negative shape": written(lambda h: h[first].update(shape=[-1])),
        "another type": written(lambda h: h[first].update(dtype="F99")),
        "nothing": b"",
    }
    for what, content in lies.items():
        put(run, "model.safetensors", content)
        with refused("truncated or damaged"):
            runs.load(run)
            pytest.fail(what)
    (run / "checkpoint.safetensors").write_bytes(lies["a header of 8 EiB"])
    from counterpoint.training.checkpoint import held

    with refused("truncated or damaged"):
        held(run / "checkpoint.safetensors")


@pytest.mark.parametrize(
    "option", ["latent_dim: 1000000000000", "hidden: [1000000000, 1000000]", "latent_dim: 100000000"]
)
def test_a_configuration_of_a_giant_takes_no_memory(option, run):
    config = yaml.safe_load((run / "config.yaml").read_text()) | yaml.safe_load(option)
    put(run, "config.yaml", yaml.safe_dump(config).encode())
    with refused("do not fit its configuration|describe no model"):
        runs.load(run)


def test_a_data_card_of_a_giant_takes_no_memory(run):
    card = json.loads((run / "data_card.json").read_text())
    one = card["preparation"]["modalities"][0]
    one |= {"event": [10**11], "shift": None, "scale": None}
    content = as_json(card)
    put(run, "data_card.json", content)
    with refused():
        runs.load(run)


# --- arrays and tables


def archive(path, name, content, **entry):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        with file.open(info, "w", force_zip64=True) as out:
            for piece in content:
                out.write(piece)
    return path


def header(shape, descr="<f8"):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue()


def test_arrays_that_claim_more_than_is_there(tmp_path):
    (tmp_path / "f").mkdir()
    for shape in ((10**11,), (10**6, 10**6), (2**62, 4), (2**40, 0, 3)):
        (tmp_path / "f" / "a.npy").write_bytes(header(shape) + b"\0" * 80)
        with refused():
            cp.read(tmp_path / "f")
    archive(tmp_path / "a.npz", "rna.npy", [header((10**11,)), b"\0" * 80])
    with refused(r"its header claims 800,000,000,000 bytes, and 80 follow"):
        cp.read(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_more_than_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoint.data.loading.half_of_memory", lambda: 2**24)
    zeros = b"\0" * 2**20
    path = archive(tmp_path / "a.npz", "rna.npy", [header((2**22, 1)), *[zeros] * 32])
    assert path.stat().st_size < 2**20
    with refused(r"unpacked it takes 33,554,\d+ bytes, allowed are 16,777,216"):
        cp.read(path)


def test_an_archive_that_says_less_than_it_unpacks_to(tmp_path):
    """What the list of an archive says of an entry is all that is unpacked of it."""
    path = archive(tmp_path / "a.npz", "rna.npy", [header((4, 2)), b"\0" * 2**24])
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    extra = data.find(b"\x01\x00", at + 46)
    data[at + 24 : at + 28] = struct.pack("<I", 192)
    path.write_bytes(bytes(data))
    with refused():
        cp.read(path)
    assert extra


def test_archives_with_names_that_lead_elsewhere_write_nothing(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    path = inside / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        out = io.BytesIO()
        np.save(out, np.ones((4, 2)))
        file.writestr("../../escaped.npy", out.getvalue())
    before = set(tmp_path.rglob("*"))
    with refused("cannot name a modality"):
        cp.read(path)
    assert set(tmp_path.rglob("*")) == before


def test_objects_among_arrays_are_never_unpickled(tmp_path):
    objects = np.array([Evil(tmp_path / "mark")] * 4, dtype=object)
    np.savez(tmp_path / "a.npz", rna=np.ones((4, 2)), evil=objects)
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f" / "rna.npy", objects)
    for source in (tmp_path / "a.npz", tmp_path / "f"):
        with refused("holds Python objects"):
            cp.read(source)
    assert not (tmp_path / "mark").exists()


def test_what_is_no_array_in_an_archive(tmp_path):
    """A text among arrays, or an array whose first byte was changed: numpy hands out bytes."""
    np.savez(tmp_path / "a.npz", rna=np.ones((4, 2)))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("README.txt", "made by hand")
    with refused("README.txt.*holds no array"):
        cp.read(tmp_path / "a.npz")
    with refused("README.txt.*holds no array"):
        loading.load_entries(tmp_path / "a.npz", ["README.txt"])
    assert set(loading.entries(tmp_path / "a.npz", ["rna"])) == {"rna"}


def test_an_archive_with_a_password(tmp_path):
    np.savez(tmp_path / "a.npz", rna=np.ones((4, 2)))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    (tmp_path / "a.npz").write_bytes(bytes(data))
    with refused("cannot be read"):
        cp.read(tmp_path / "a.npz")


def test_a_table_of_a_billion_columns(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "MOST_COLUMNS", 10_000)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n" + "," * 10_001 + "\n")
    with refused("a line of over 10,000 columns"):
        cp.read(tmp_path / "a.csv", groups={"m": ["a", "b"]})
    monkeypatch.setattr(claims, "MOST_LINE", 10_000)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n" + "x" * 10_001)
    with refused("a line of over"):
        cp.read(tmp_path / "a.csv", groups={"m": ["a", "b"]})
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(2**42)
    with refused("allowed is half of the memory"):
        cp.read(tmp_path / "a.csv", groups={"m": ["a", "b"]})


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.mat"])
def test_a_pipe_that_never_ends(name, tmp_path):
    from counterpoint.data import matlab

    os.mkfifo(tmp_path / name)
    with refused():
        if name == "a.mat":
            matlab.arrays(tmp_path / name, {"X": (2,)}, get="get it")
        cp.read(tmp_path / name, **({"groups": {"m": ["a"]}} if name == "a.csv" else {}))


# --- pictures, packed tables, HDF5, zarr


def test_a_picture_that_claims_billions_of_pixels(tmp_path):
    import zlib

    from counterpoint.data import pictures, polymnist_files

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    size = struct.pack(">IIBBBBB", 2**20, 2**20, 8, 2, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    (tmp_path / "0.3.png").write_bytes(content)
    with refused("cannot be read as PNG"):
        polymnist_files._image(tmp_path / "0.3.png")
    with refused("cannot be read as JPEG or PNG"):
        pictures._picture(tmp_path / "0.3.png", lambda image: image)


def test_a_packed_table_that_fills_the_memory(tmp_path, monkeypatch):
    from counterpoint.data import mimic_tables

    monkeypatch.setattr(mimic_tables, "MOST_BYTES", 2**20)
    with gzip.open(tmp_path / "mimic-cxr-2.0.0-split.csv.gz", "wb") as file:
        file.write(b"a,b\n" + b"1,2\n" * 2**19)
    with refused("more than 1,048,576 bytes"):
        list(mimic_tables._table(tmp_path, "split", ("a",), {}))


def test_hdf5_that_leads_to_other_files_or_claims_a_giant(tmp_path):
    h5py = pytest.importorskip("h5py")
    from counterpoint.data import matlab

    (tmp_path / "secret").write_bytes(b"\x01" * 64)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["X"] = np.ones((2, 4))
    layout = h5py.VirtualLayout(shape=(2, 4), dtype="f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "X", shape=(2, 4))
    makers = {
        "leads to another file": lambda f: f.__setitem__(
            "X", h5py.ExternalLink(str(tmp_path / "other.h5"), "X")
        ),
        "leads to another file at 'X'": lambda f: f.create_dataset(
            "X", (2, 4), "f8", external=[(str(tmp_path / "secret"), 0, 64)]
        ),
        "leads to another file at": lambda f: f.create_virtual_dataset("X", layout),
        "claims 8,000,000,000,000 bytes": lambda f: f.create_dataset(
            "X", (10**6, 10**6), "f8", chunks=(1000, 1000)
        ),
    }
    for says, make in makers.items():
        with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
            make(file)
        with refused(says):
            matlab.arrays(tmp_path / "a.mat", {"X": (4, 2)}, get="get it")


@pytest.mark.filterwarnings("ignore:Writing zarr v2")
def test_a_zarr_whose_values_are_pickled(tmp_path):
    anndata = pytest.importorskip("anndata")
    pytest.importorskip("zarr")
    mark = tmp_path / "mark"
    with anndata.settings.override(allow_write_nullable_strings=True, zarr_write_format=2):
        anndata.AnnData(np.arange(12.0).reshape(4, 3)).write_zarr(tmp_path / "a.zarr")
    table = tmp_path / "a.zarr" / "X"
    told = json.loads((table / ".zarray").read_text())
    for filters, compressor in (
        ([{"id": "pickle", "protocol": 5}], None),
        (None, {"id": "pickle", "protocol": 5}),
    ):
        told |= {"filters": filters, "compressor": compressor}
        (table / ".zarray").write_text(json.dumps(told))
        (tmp_path / "a.zarr" / ".zmetadata").unlink(missing_ok=True)
        for chunk in table.glob("[0-9]*"):
            chunk.write_bytes(pickle.dumps(Evil(mark)))
        with refused("cannot be read"):
            cp.read(tmp_path / "a.zarr")
        assert not mark.exists()


# --- what is written


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", "..", "."])
def test_names_of_modalities_are_no_paths(name, tmp_path):
    x = np.random.default_rng(0).normal(size=(24, 3))
    if "/" in name:
        with refused("cannot name a modality"):
            cp.read({name: x, "b": x})
        return
    m = cp.Counterpoint(latent_dim=2, epochs=1, hidden=(4,)).fit(
        {name: x, "b": x}, run=tmp_path / "a" / "run"
    )
    assert m.modalities_ == (name, "b")
    assert {p.name for p in tmp_path.iterdir()} == {"a"}
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"run"}
