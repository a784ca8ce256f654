"""A grid: which data, which fits, which measures; read from YAML and spelled out as single points."""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoint.data import MultimodalData, read
from counterpoint.data.named import check_named, named, place
from counterpoint.errors import InputError, choose, nearest, whole
from counterpoint.estimator import Counterpoint
from counterpoint.evaluation.oracles import kinds_of
from counterpoint.measures.listed import MEASURES, PAPER
from counterpoint.methods import METHODS
from counterpoint.protocol import hold_out, label_of
from counterpoint.sweeps.published import check_published
from counterpoint.sweeps.values import alternatives, read_yaml

# What is said once for all runs, and its value unless it is said.
ONCE: dict[str, Any] = {
    "data": None,
    "test_data": None,
    "label": None,
    "labels": None,
    "modalities": None,
    "test": 0.25,
    "split_seed": 0,
    "measures": list(PAPER),
    "probe_size": None,
    "judges": "auto",
    "show": 1,
    "published": [],
}
BESIDE = ("claims", "small")  # lines of a recipe that `reproduce` reads, and a sweep does not
CONTROL = "control"  # an axis of its own: whether the modalities' rows are shuffled against one another
MOST = 100_000  # points


@dataclass(frozen=True)
class Point:
    """One fit of a grid.

    Args:
        name: Of its run directory: the method and whatever varies.
        params: Arguments of `Counterpoint`.
        control: Whether it is trained on shuffled pairs.
    """

    name: str
    params: dict[str, Any]
    control: bool = False

    def estimator(self) -> Counterpoint:
        """Return the unfitted estimator."""
        return Counterpoint(**self.params)


@dataclass(frozen=True)
class Grid:
    """A grid as it was read.

    Args:
        once: What holds for all runs, see `ONCE`; paths are absolute.
        points: The fits.
        varied: Options that take several values, with them.
    """

    once: dict[str, Any]
    points: tuple[Point, ...]
    varied: dict[str, list[Any]]

    def rows(self) -> tuple[MultimodalData, MultimodalData, str]:
        """Read the data; return training rows, test rows and the label that is probed.

        Raises:
            InputError: If they cannot be read, or have no such label.
        """
        once = self.once
        if isinstance(once["data"], Mapping):
            train, held = named(once["data"])
            return train, held, label_of(train, once["label"])
        how = {"modalities": once["modalities"], "labels": once["labels"]}
        data = read(once["data"], **how)
        key = label_of(data, once["label"])
        if once["test_data"] is not None:
            return data, read(once["test_data"], **how), key
        return *hold_out(data, once["test"], key, once["split_seed"]), key

    def to_dict(self) -> dict[str, Any]:
        """Return the grid as JSON holds it."""
        points = [{"name": p.name, "params": p.params, "control": p.control} for p in self.points]
        return {"once": self.once, "points": points, "varied": self.varied}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Grid":
        """Make a grid from what `to_dict` returned."""
        points = tuple(Point(p["name"], dict(p["params"]), p["control"]) for p in given["points"])
        return cls(dict(given["once"]), points, dict(given["varied"]))


def read_grid(path: str | Path, *, small: bool = False, **override: Any) -> Grid:
    """Read a grid from a YAML file.

    Lines are options of a fit (`beta: 2**[-8:3]`, `options.rate: [pairwise, mixture]`), of one method alone
    (`mopoe.options.draw: all`), or one of `ONCE`. Several values make an axis; the grid is their product.

    Args:
        path: The file; paths in it are meant from its folder.
        small: Let the lines of the file's table `small` win over its others: the same path, within minutes.
        override: Options that win over the file's, such as `data`.

    Raises:
        InputError: If the file or a line of it cannot be used.
    """
    path = Path(path)
    given = {**lines_of(path, small), **{k: v for k, v in override.items() if v is not None}}
    for name in ("data", "test_data"):
        given[name] = place(given.get(name), Path() if override.get(name) is not None else path.parent)
    return grid(given, str(path))


def lines_of(path: Path, small: bool = False) -> dict[str, Any]:
    """Return the lines of a grid's file; those of its table `small` over them if that is asked for.

    Raises:
        InputError: If the file cannot be read, or has no such table.
    """
    given = read_yaml(path)
    over = given.get("small")
    if small and not (isinstance(over, Mapping) and over):
        raise InputError(f"{path} has no table 'small' of lines to run it in minutes; run it as it is.")
    return {**{k: v for k, v in given.items() if k not in BESIDE}, **(over if small and over else {})}


def grid(given: Mapping[str, Any], where: str = "the grid") -> Grid:
    """Return the grid that a mapping describes; see `read_grid`.

    Example:
        >>> found = grid({"data": "a.npz", "method": ["mmvm", "poe"], "beta": "2**[-1:2]", "latent_dim": 4})
        >>> [p.name for p in found.points][:4]
        ['mmvm-beta=0.5', 'mmvm-beta=1', 'mmvm-beta=2', 'poe-beta=0.5']
        >>> found.points[0].params
        {'method': 'mmvm', 'beta': 0.5, 'latent_dim': 4}
    """
    once = {**ONCE, **{k: v for k, v in given.items() if k in ONCE}}
    _check_once(once, where)
    lines = {k: alternatives(k, v) for k, v in given.items() if k not in ONCE}
    general, special = _sorted(lines, where)
    general.setdefault("method", ["mmvm"])
    points: list[Point] = []
    varied = {k: v for k, v in lines.items() if len(v) > 1}
    for method in general.pop("method"):
        choose(f"{where}: method", method, METHODS)
        axes = {**general, **special.get(method, {})}
        count = 1
        for values in axes.values():
            count *= len(values)
        if count + len(points) > MOST:
            raise InputError(f"{where} has over {MOST} points; shorten an axis.")
        for chosen in itertools.product(*axes.values()):
            points.append(_point(method, dict(zip(axes, chosen, strict=True)), varied))
    _check_points(points, special, where)
    return Grid(once, tuple(points), varied)


def _check_once(once: Mapping[str, Any], where: str) -> None:
    if isinstance(once["data"], Mapping):
        check_named(once["data"])
    elif not isinstance(once["data"], str):
        raise InputError(f"{where} names no data; give a line 'data: FILE.npz', or --data PATH.")
    measures = once["measures"]
    for name in [] if measures == "all" else [measures] if isinstance(measures, str) else measures:
        choose(f"{where}: measures", name, MEASURES)
    kinds_of(f"{where}: judges", once["judges"])
    whole(f"{where}: split_seed", once["split_seed"], least=0)
    whole(f"{where}: show", once["show"], least=0)
    check_published(once["published"], where)


def _sorted(
    lines: Mapping[str, list[Any]], where: str
) -> tuple[dict[str, list[Any]], dict[str, dict[str, list[Any]]]]:
    """Return the axes of all methods, and those of single ones, each checked by name."""
    allowed = {*Counterpoint().get_params(deep=False), CONTROL}
    general: dict[str, list[Any]] = {}
    special: dict[str, dict[str, list[Any]]] = {}
    for key, values in lines.items():
        first, _, rest = key.partition(".")
        name, into = (rest, special.setdefault(first, {})) if first in METHODS and rest else (key, general)
        head = name.partition(".")[0]
        if head not in allowed or (head == "method" and into is not general):
            raise InputError(
                f"{where} has a line {key!r}, which is no option of a fit nor one of {', '.join(ONCE)}."
                f"{nearest(head, [*allowed, *ONCE])}"
            )
        into[name] = values
    return general, special


def _point(method: str, chosen: dict[str, Any], varied: Mapping[str, Any]) -> Point:
    """Return one point: dotted options put together, its name made of what varies."""
    control = bool(chosen.pop(CONTROL, False))
    usual = Counterpoint().get_params(deep=False)
    params: dict[str, Any] = {"method": method}
    said = [method]
    for key, value in chosen.items():
        head, _, inner = key.partition(".")
        if inner:
            outer = params.get(head) or {}
            if not isinstance(outer, Mapping):
                raise InputError(f"the grid has {head}: {outer!r} and a line for {key!r} in it; keep one.")
            params[head] = {**outer, inner: value}
        elif isinstance(params.get(head), dict) and isinstance(value, dict):
            params[head] = {**value, **params[head]}
        else:  # a whole number where a real one is usual is that real one, as on the command line
            params[head] = float(value) if type(value) is int and type(usual[head]) is float else value
        if key in varied or f"{method}.{key}" in varied:
            said.append(f"{key.rpartition('.')[2]}={_slug(value)}")
    return Point("-".join(said) + ("-shuffled" if control else ""), params, control)


def _slug(value: Any) -> str:
    """Return a value as a part of a directory's name."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    if re.fullmatch(r"[\w.+-]{1,40}", text):
        return text
    short = re.sub(r"[^\w.+-]+", "_", text).strip("_")[:24]
    return f"{short}~{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _check_points(points: list[Point], special: Mapping[str, Any], where: str) -> None:
    methods = {p.params["method"] for p in points}
    for name in special:
        if name not in methods:
            raise InputError(f"{where} has lines for {name!r}, which is not among its methods; add it.")
    names = [p.name for p in points]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise InputError(f"{where} gives two runs the name {twice!r}; change one of their values.")
