"""The values of a grid as they are typed: lists, ranges, powers; and YAML without its old surprises."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from counterpoint import bounded
from counterpoint.errors import InputError

# Options whose one value is a list: a list of numbers is a value, a list of lists varies.
LISTS = frozenset({"hidden", "measures", "modalities", "labels"})
MOST = 10_000  # values of one range

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*:\s*({_NUMBER})\s*(?::\s*({_NUMBER})\s*)?")
_SCALED = re.compile(rf"\s*(?:({_NUMBER})\s*(\*\*|\*)\s*)?\[(.*)\]\s*")


class _Loader(yaml.SafeLoader):
    """YAML 1.2's numbers: `1e-3` is a number, and `1:30` is no count of seconds but a range of ours."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, rule) for tag, rule in rules if tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
    ]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9]\d*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^(?:[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.inf|\.nan)$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises:
        InputError: If the file cannot be read, or holds something else, or one key twice.
    """
    text = bounded.yaml_text(path, "give a YAML file.")
    try:
        given = bounded.plain_yaml(text, _Loader)
        node = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} is not YAML ({said}); see docs/sweeps.md.") from error
    if not isinstance(given, Mapping) or not isinstance(node, yaml.MappingNode):
        raise InputError(f"{path} holds no mapping; a grid has lines such as 'method: [mmvm, poe]'.")
    keys = [key.value for key, _ in node.value]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise InputError(f"{path} names {twice[0]!r} twice; the second would win silently. Keep one.")
    return {str(k): v for k, v in given.items()}


def alternatives(key: str, given: Any) -> list[Any]:
    """Return the values that an option takes in a grid; one value is a list of one.

    Ranges are Python's, without their end: `[0:3]` is 0, 1, 2; `[0:1:0.25]` has a step; `2**[-8:3]` are
    eleven powers, `0.5*[1:4]` multiples.

    Args:
        key: The option, for the error and because some options are lists themselves.
        given: As YAML gave it.

    Raises:
        InputError: If a list is empty, holds a value twice, or a range cannot be read.

    Example:
        >>> alternatives("beta", "2**[-2:2]")
        [0.25, 0.5, 1, 2]
        >>> alternatives("seed", "[0:3]"), alternatives("beta", [0.5, "10**[0:2]"])
        ([0, 1, 2], [0.5, 1, 10])
        >>> alternatives("hidden", [256, 128]), alternatives("hidden", [[256], [128]])
        ([[256, 128]], [[256], [128]])
    """
    one = not isinstance(given, list)
    if not one and key.rpartition(".")[2] in LISTS and not any(isinstance(v, list) for v in given):
        one = True
    values: list[Any] = []
    for value in [given] if one else given:
        values += _expanded(key, value, within=not one)
    if not values:
        raise InputError(f"{key} is an empty list; give at least one value.")
    shown = [repr(v) for v in values]
    twice = [v for v in shown if shown.count(v) > 1]
    if twice:
        raise InputError(f"{key} has the value {twice[0]} twice; each run differs in something. Keep one.")
    return values


def _expanded(key: str, value: Any, within: bool) -> list[Any]:
    """Return what one entry stands for; within a list a range may come without its brackets."""
    if not isinstance(value, str):
        return [value]
    if found := _SCALED.fullmatch(value):
        base, how, inner = found.groups()
        numbers = [n for part in inner.split(",") for n in _numbers(key, value, part)]
        if base is None:
            return numbers
        return [_scaled(key, value, _number(base), how, n) for n in numbers]
    if within and _RANGE.fullmatch(value):
        return _numbers(key, value, value)
    return [value]


def _numbers(key: str, value: str, part: str) -> list[Any]:
    """Return the numbers of a range `a:b` or `a:b:step`, or a single one."""
    if re.fullmatch(rf"\s*{_NUMBER}\s*", part):
        return [_number(part)]
    found = _RANGE.fullmatch(part)
    if found is None:
        raise InputError(f"{key} is {value!r}; a range is [start:end] or [start:end:step], as in 2**[-8:3].")
    start, end = _number(found[1]), _number(found[2])
    step = _number(found[3]) if found[3] else 1
    count = -(-(end - start) // step) if step else 0
    if not all(map(math.isfinite, (start, end, step, count))):
        raise InputError(f"{key} is {value!r}, a range that is not finite; give smaller numbers.")
    if step == 0 or count < 1:
        raise InputError(f"{key} is {value!r}, a range without values; its end is not part of it.")
    if count > MOST:
        raise InputError(f"{key} is {value!r}, a range of {count:.0f} values; at most {MOST} are allowed.")
    return [_short(start + i * step) for i in range(int(count))]


def _scaled(key: str, value: str, base: float, how: str, number: float) -> float:
    """Return base ** number or base * number, every digit of it."""
    try:
        result = float(base) ** float(number) if how == "**" else base * number
    except (OverflowError, ZeroDivisionError) as error:
        raise InputError(f"{key} is {value!r}, which has no finite value; give smaller numbers.") from error
    if isinstance(result, complex) or abs(result) == float("inf"):
        raise InputError(f"{key} is {value!r}, which is no finite real number; give other numbers.")
    return int(result) if float(result).is_integer() and abs(result) < 1e15 else result


def _number(text: str) -> Any:
    text = text.strip()
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


def _short(value: Any) -> Any:
    """Return a number of a range without the noise of adding steps, a whole one as an int."""
    if isinstance(value, int):
        return value
    value = float(f"{value:.12g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
