"""The house: every module has its floor, imports go down only, files and functions stay short.

Read from the source with `ast`; nothing is imported.
"""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "counterpoint"

# A module, or a package for all that is in it, and its floor: docs/architecture.md.
FLOORS = {
    0: (
        *("atomic", "batch", "distributions", "errors", "gradients", "locks", "schedules", "seeds"),
        "shapes",
    ),
    1: ("likelihoods", "nn"),
    2: (
        *("aggregation", "conditioned", "correlation", "joint_expert", "mmd", "precision", "priors"),
        *("private", "subsets"),
    ),
    3: ("conditional", "cross", "impartial", "importance", "modality", "model", "objectives"),
    4: ("methods",),
    5: (
        "baselines",
        "bounded",
        "costs",
        "data",
        "densities",
        "estimates",
        "evaluation",
        "generating",
        "inference",
        "pseudo_inputs",
        "row_noise",
        "training",
    ),
    6: (
        *("adapting", "asking", "assembly", "batches", "building", "comparison", "configuration"),
        *("estimator", "evaluate", "forecast", "hub", "hub_card", "hub_rows", "manifest"),
        *("engines", "many", "measures", "protocol", "provenance", "runs", "streaming", "sweeps", "targets"),
        *("reading", "rebuilding", "replaying", "tuning"),
    ),
    7: ("cli", "commands", "demo", "parsing", "report", "reproduce", "settings"),
}
PURE = 4  # floors up to here import torch and the standard library only
ALSO = {"shapes": {"jaxtyping"}}
LAZY = {
    "anndata",
    "cca_zoo",
    "lightning",
    "matplotlib",
    "mudata",
    "pandas",
    "rich",
    "torchmetrics",
}  # below floor 7 only inside functions
LAZY_EVERYWHERE = {"matplotlib"}
FILE_LINES, FUNCTION_LINES = 300, 60
LONG_FILES: dict[str, str] = {}  # path -> the reason, one that a reader would give too
LONG_FUNCTIONS: dict[str, str] = {  # path:function -> the reason
    "training/lightning.py:lightning_module": "a class of short hooks, in a function since lightning is lazy",
}
EAGER: dict[
    str, str
] = {}  # path -> why it imports one of LAZY at its top; whoever imports it does so inside a function

PATHS = sorted(p for p in SOURCE.rglob("*.py") if p.name != "__main__.py")
NAMES = [str(p.relative_to(SOURCE)) for p in PATHS]
every_module = pytest.mark.parametrize("name", NAMES)


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((SOURCE / name).read_text())


def room(name: str) -> str:
    """The first part of a module's path below the package: 'nn/mlp.py' -> 'nn'."""
    return name.split("/")[0].removesuffix(".py")


def floor(word: str) -> int:
    found = [f for f, words in FLOORS.items() if word in words]
    assert found, (
        f"counterpoint.{word} has no floor: put it into FLOORS here and into docs/architecture.md, "
        "on the lowest floor from which its imports go down."
    )
    return found[0]


def imports(name: str, top_only: bool = False) -> list[tuple[str, int]]:
    """Full names imported, with their lines; `top_only` leaves out functions and `if TYPE_CHECKING`."""
    found: list[tuple[str, int]] = []

    def visit(node: ast.AST) -> None:
        if top_only and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        if top_only and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively; write the full name"
            module = node.module or ""
            if module == "counterpoint":
                found.extend((f"counterpoint.{alias.name}", node.lineno) for alias in node.names)
            else:
                found.append((module, node.lineno))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree(name))
    return found


def test_there_is_something_to_read():
    assert {"batch.py", "model.py", "methods/mmvm.py", "training/population.py"} <= set(NAMES)


@every_module
def test_every_module_has_its_floor(name):
    if name != "__init__.py":
        floor(room(name))


def test_every_floor_is_in_the_architecture():
    text = (SOURCE.parent.parent / "docs" / "architecture.md").read_text()
    missing = [
        w for words in FLOORS.values() for w in words if f"`{w}`" not in text and f"`{w}/`" not in text
    ]
    assert not missing, f"docs/architecture.md names no floor for {', '.join(missing)}: add them to its table"


@every_module
def test_imports_go_down_only(name):
    if name == "__init__.py":
        eager = [i for i, _ in imports(name, top_only=True) if i.startswith("counterpoint")]
        assert not eager, f"the package's own names are resolved on first use; {eager} are imported at once"
        return
    here = floor(room(name))
    for module, line in imports(name):
        if not module.startswith("counterpoint.") or module == "counterpoint.__version__":
            continue
        other = floor(module.split(".")[1])
        assert other <= here, (
            f"{name}:{line} (floor {here}) imports {module} (floor {other}); imports go down only"
        )


def test_no_module_has_the_name_of_what_the_package_exports():
    """Importing such a module would put it in the place of the function."""
    (names,) = (
        ast.literal_eval(n.value)
        for n in tree("__init__.py").body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
    )
    assert not set(names) & {room(n) for n in NAMES}


@every_module
def test_the_lower_floors_import_torch_and_the_standard_library_only(name):
    if name == "__init__.py" or floor(room(name)) > PURE:
        return
    allowed = {"torch", "counterpoint"} | ALSO.get(room(name), set()) | set(sys.stdlib_module_names)
    outside = [f"{m} (line {line})" for m, line in imports(name) if m.split(".")[0] not in allowed]
    assert not outside, (
        f"{name} imports {', '.join(outside)}; floors 0-{PURE} import torch and the standard library only"
    )


@every_module
def test_heavy_packages_are_imported_inside_functions(name):
    heavy = LAZY_EVERYWHERE if name != "__init__.py" and floor(room(name)) == 7 else LAZY
    heavy = heavy | (
        {"torch", "numpy", "sklearn"} if name in ("__init__.py", "cli.py", "errors.py") else set()
    )
    eager = [f"{m} (line {line})" for m, line in imports(name, top_only=True) if m.split(".")[0] in heavy]
    assert not eager or name in EAGER, (
        f"{name} imports {', '.join(eager)} at its top; import inside the function that needs it"
    )


@every_module
def test_nobody_imports_at_the_top_what_imports_heavy_packages_at_its_top(name):
    eager = {"counterpoint." + n.removesuffix(".py").replace("/", ".") for n in EAGER}
    found = [m for m, _ in imports(name, top_only=True) if m in eager]
    assert not found, (
        f"{name} imports {', '.join(found)} at its top; import inside the function that needs it"
    )


@every_module
def test_files_are_short(name):
    lines = len((SOURCE / name).read_text().splitlines())
    assert lines <= FILE_LINES or name in LONG_FILES, (
        f"{name} has {lines} lines; over {FILE_LINES} needs a reason in LONG_FILES"
    )


@every_module
def test_functions_are_short(name):
    """Without their docstrings, which have no limit."""
    for node in ast.walk(tree(name)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        first = node.body[0]
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            lines -= (first.end_lineno or first.lineno) - first.lineno + 1
        assert lines <= FUNCTION_LINES or f"{name}:{node.name}" in LONG_FUNCTIONS, (
            f"{name}:{node.lineno} {node.name} has {lines} lines; "
            f"over {FUNCTION_LINES} needs a reason in LONG_FUNCTIONS"
        )


@every_module
def test_parts_do_not_change_once_made(name):
    """A part, a method, a batch is shared by models of a stack, and a key of caches."""
    if name == "__init__.py" or floor(room(name)) > PURE:
        return
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ClassDef):
            for made in node.decorator_list:
                text = ast.unparse(made)
                assert not text.startswith("dataclass") or "frozen=True" in text, (
                    f"{name}:{node.lineno} {node.name} is a dataclass that can change; make it frozen=True"
                )


def classes(name: str) -> dict[str, list[str]]:
    """The classes of a module, with their bases."""
    found = [n for n in ast.walk(tree(name)) if isinstance(n, ast.ClassDef)]
    return {n.name: [ast.unparse(b) for b in n.bases] for n in found}


@cache
def every_class() -> dict[str, list[str]]:
    return {k: v for n in NAMES for k, v in classes(n).items()}


@every_module
def test_own_class_chains_are_at_most_two_deep(name):
    own = every_class() | classes(name)

    def depth(cls: str) -> int:
        return 1 + max((depth(b) for b in own[cls] if b in own), default=0)

    deep = [c for c in classes(name) if depth(c) > 2 and name not in DEEP_CLASSES]
    assert not deep, f"{name}: {', '.join(deep)} stand on a chain of more than two classes of our own"


DEEP_CLASSES = {
    "likelihoods/continuous.py": "Likelihood - _LocationScale (its fixed or learned scale) - Normal, Laplace",
}


def test_exceptions_to_the_rules_are_still_needed():
    gone = [k for k in {*LONG_FILES, *EAGER, *DEEP_CLASSES} if k not in NAMES]
    short = [k for k in LONG_FILES if len((SOURCE / k).read_text().splitlines()) <= FILE_LINES]
    assert not gone, f"no such files: {gone}"
    assert not short, f"these are short enough now: {short}; take them off LONG_FILES"
