"""The pages that are made from the code: one on every method, and the reference of the interface.

Both follow what the package holds (`METHODS`, `NAMED`, `__all__`), so that the next method or data set needs
no line here. `write` puts them into `docs/maths` and `docs/api`, which git ignores.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import inline, to_rst

import counterpoint
from counterpoint.data.named import NAMED
from counterpoint.methods import METHODS
from counterpoint.model import Method

SOURCE = Path(counterpoint.__file__).parent
# The reference, in its order: heading -> modules and packages whose public names it describes.
REFERENCE: dict[str, tuple[str, ...]] = {
    "What most people need": ("counterpoint", "counterpoint.asking"),
    "Data": (
        *("counterpoint.data", "counterpoint.data.arrays", "counterpoint.data.sessions"),
        *("counterpoint.data.omics_annotate", "counterpoint.data.backed"),
        *("counterpoint.data.named", *sorted({inspect.unwrap(f).__module__ for f in NAMED.values()})),
    ),
    "Methods and baselines": ("counterpoint.methods", "counterpoint.baselines"),
    "Parts of a method": (
        *(
            "counterpoint.model",
            "counterpoint.modality",
            "counterpoint.objectives",
            "counterpoint.importance",
        ),
        *(
            "counterpoint.aggregation",
            "counterpoint.precision",
            "counterpoint.priors",
            "counterpoint.private",
        ),
        *("counterpoint.conditional", "counterpoint.conditioned", "counterpoint.joint_expert"),
        *("counterpoint.cross", "counterpoint.correlation", "counterpoint.mmd", "counterpoint.impartial"),
        *("counterpoint.gradients", "counterpoint.subsets", "counterpoint.distributions"),
        *("counterpoint.batch", "counterpoint.schedules", "counterpoint.seeds", "counterpoint.shapes"),
        *("counterpoint.errors", "counterpoint.atomic", "counterpoint.locks"),
    ),
    "Likelihoods and networks": ("counterpoint.likelihoods", "counterpoint.nn"),
    "After training": (
        *("counterpoint.inference", "counterpoint.densities", "counterpoint.evaluation"),
        *(
            "counterpoint.evaluate",
            "counterpoint.comparison",
            "counterpoint.sweeps.grid",
            "counterpoint.sweeps.run",
        ),
        *("counterpoint.tuning", "counterpoint.runs"),
    ),
}
WIDE = ":html_theme.sidebar_secondary.remove: true"  # equations and listings need the width
PARTS = ("objective", "aggregation", "prior")


def public(module: ModuleType) -> list[str]:
    """Return the public names of a module: its `__all__`, else the functions and classes that it defines."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if name != "PAPER"]
    own = [
        name
        for name, thing in vars(module).items()
        if (inspect.isclass(thing) or inspect.isroutine(thing)) and thing.__module__ == module.__name__
    ]
    return [name for name in own if not name.startswith("_")]


def listed() -> list[str]:
    """Return the modules of the reference that there are."""
    return [name for names in REFERENCE.values() for name in names if importlib.util.find_spec(name)]


def packages() -> list[str]:
    """Return every module of the library that says what it exports."""
    found = [counterpoint.__name__]
    for info in pkgutil.walk_packages([str(SOURCE)], "counterpoint."):
        path = SOURCE / (info.name.removeprefix("counterpoint.").replace(".", "/"))
        file = path / "__init__.py" if info.ispkg else path.with_suffix(".py")
        if "\n__all__ = " in file.read_text():
            found.append(info.name)
    return found


def documented() -> set[int]:
    """Return the identities of everything that the reference describes."""
    return set(homes())


def maths_page(name: str) -> str:
    """Return the page of a method: its equation, its options, its source, and the code that computes them."""
    recipe = METHODS[name]
    module, made = inspect.getmodule(recipe), recipe()
    assert module is not None
    assert module.__doc__ is not None
    title = module.__doc__.splitlines()[0].rstrip(".")
    lines = [WIDE, "", name, "=" * len(name), "", f"{inline(title)}.", ""]
    lines += [*to_rst((inspect.getdoc(recipe) or "").splitlines()), "", "The recipe", "-" * 10, ""]
    lines += [_included(Path(str(module.__file__))), ""]
    parts = [(word, type(getattr(made, word))) for word in PARTS if getattr(made, word) is not None]
    outside = [(word, part) for word, part in parts if part.__module__ != module.__name__]
    if outside:
        lines += [
            "Its parts",
            "-" * 9,
            "",
            "What other methods share with it, with the options that it has by itself.",
            "",
        ]
    for word, part in outside:
        file = Path(inspect.getfile(part))
        where = f"``counterpoint.{part.__module__.removeprefix('counterpoint.')}.{part.__name__}``"
        lines += [f"The {word}, {where}:", "", _included(file, part.__name__), ""]
    return "\n".join(lines)


def _included(file: Path, what: str | None = None) -> str:
    path = Path("../../src/counterpoint") / file.relative_to(SOURCE)
    one = f"\n   :pyobject: {what}" if what else ""
    return f".. literalinclude:: {path}\n   :language: python{one}\n"


def maths_index(names: Iterable[str]) -> str:
    """Return the page that lists the methods."""
    rows = []
    for name in names:
        module = inspect.getmodule(METHODS[name])
        assert module is not None
        rows += [f":doc:`{name} <{name}>`", f"   {inline((module.__doc__ or '').splitlines()[0])}"]
    said = [
        "The maths of every method",
        "=" * 25,
        "",
        "One page a method: the equation that it minimises, in the letters of its code; its options and",
        "where they come from; the recipe, and the parts that it is made of. They are made from the source,",
        "so they are what runs. Terms are nats per row; axes are (K draws, E experts, B rows, D latent",
        "dimensions).",
        "",
        *rows,
        "",
        ".. toctree::",
        "   :hidden:",
        "",
        *(f"   {name}" for name in names),
        "",
    ]
    return "\n".join(said)


def api_page(name: str) -> str:
    """Return the page of a module: what it says of itself, then its public names."""
    module = importlib.import_module(name)
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:", ""]
    for each in public(module):
        first = homes()[id(getattr(module, each))]
        said = (
            _entry(module, name, each)
            if first == f"{name}.{each}"
            else [f"``{each}``: see :py:obj:`{first}`."]
        )
        lines += [*said, ""]
    return "\n".join(lines)


@cache
def homes() -> dict[int, str]:
    """Return where everything is described: the first module of the reference that has it."""
    found: dict[int, str] = {}
    for name in listed():
        module = importlib.import_module(name)
        for each in public(module):
            found.setdefault(id(getattr(module, each)), f"{name}.{each}")
    return found


def _entry(module: ModuleType, where: str, name: str) -> list[str]:
    thing: Any = getattr(module, name)
    if not str(getattr(thing, "__module__", "counterpoint")).startswith("counterpoint"):
        return [f".. py:data:: {where}.{name}", "", f"   That of ``{thing.__module__}``."]
    if inspect.isclass(thing):
        kept = ["   :members:", "   :inherited-members: Module, Protocol"]
        return [f".. autoclass:: {where}.{name}", *kept]
    if inspect.isroutine(thing):
        return [f".. autofunction:: {where}.{name}"]
    words = thing if isinstance(thing, dict | tuple | list | frozenset | set) else ()
    said = f"Holds {', '.join(map(repr, words))}." if words else f"Is {thing!r}."
    return [f".. py:data:: {where}.{name}", "", f"   {inline(said)}"]


def api_index() -> str:
    """Return the page that lists the modules of the reference."""
    there = set(listed())
    lines = [
        "Reference",
        "=" * 9,
        "",
        "What can be imported: ``counterpoint`` has what most people need, the other modules are for those",
        "who write methods, data sets or measures. Every example has been run.",
        "",
    ]
    for heading, names in REFERENCE.items():
        pages = [f"   {name}" for name in names if name in there]
        lines += [heading, "-" * len(heading), "", ".. toctree::", "   :maxdepth: 1", "", *pages, ""]
    return "\n".join(lines)


def write(docs: Path) -> None:
    """Write all pages, and take away those of methods and modules that are gone."""
    made: dict[str, Callable[[], str]] = {"maths/index": lambda: maths_index(METHODS), "api/index": api_index}
    made |= {f"maths/{name}": lambda name=name: maths_page(name) for name in METHODS}
    made |= {f"api/{name}": lambda name=name: api_page(name) for name in listed()}
    for path, text in made.items():
        file = docs / f"{path}.rst"
        file.parent.mkdir(exist_ok=True)
        content = text()
        if not file.is_file() or file.read_text() != content:  # an unchanged page is not read again
            file.write_text(content)
    for file in [*docs.glob("maths/*.rst"), *docs.glob("api/*.rst")]:
        if str(file.relative_to(docs).with_suffix("")) not in made:
            file.unlink()


def without_strangers(name: str, thing: object) -> bool | None:
    """Return True for members of a class that other libraries wrote, and for `forward` without words."""
    module = getattr(thing, "__module__", None)
    if name == "forward" or (module is not None and not str(module).startswith("counterpoint")):
        return True
    return None


__all__ = ["METHODS", "Method", "api_index", "api_page", "documented", "listed", "maths_page", "packages"]
__all__ += ["maths_index", "public", "without_strangers", "write"]
