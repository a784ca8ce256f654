"""Times as people write them: `"10ms"`, `"250:500ms"`, `"0.25:0.5s"`; numbers are seconds."""

import re
from typing import Any

from counterpoint.errors import InputError, number

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_TIME = re.compile(r"\s*([-+]?\d*\.?\d+(?:e[-+]?\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def seconds(what: str, given: Any) -> float:
    """Return a length of time in seconds.

    Raises:
        InputError: If it is not above 0, or text without a unit that is known.

    Example:
        >>> seconds("bin", "10ms"), seconds("bin", 0.01)
        (0.01, 0.01)
        >>> seconds("bin", "10")
        Traceback (most recent call last):
        counterpoint.errors.InputError: bin is '10'; give a number with its unit (s, ms, us), such as 10ms.
    """
    return number(what, _one(what, given, "") if isinstance(given, str) else given, open_=True)


def span(given: Any, what: str = "window") -> tuple[float, float] | None:
    """Return from and to in seconds; the unit of the end serves for a start without one. None stays None.

    Raises:
        InputError: If there are not two times, the first before the second.

    Example:
        >>> span("250:500ms"), span("0.25:0.5s"), span((0.25, 0.5))
        ((0.25, 0.5), (0.25, 0.5), (0.25, 0.5))
    """
    if given is None:
        return None
    parts = given.split(":") if isinstance(given, str) else given
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        raise InputError(f"{what} is {given!r}; give from and to, such as 250:500ms.")
    if isinstance(given, str):
        unit = _TIME.fullmatch(parts[1])
        start, end = _one(what, parts[0], unit[2] if unit else ""), _one(what, parts[1], "")
    else:
        start, end = (number(what, part, least=float("-inf")) for part in parts)
    if not start < end:
        raise InputError(f"{what} is {given!r}, which ends before it starts; give from and to.")
    return start, end


def _one(what: str, text: str, unit: str) -> float:
    """Return one time in seconds; `unit` serves where it has none."""
    found = _TIME.fullmatch(text)
    if found is None or (found[2] or unit).lower() not in UNITS:
        raise InputError(
            f"{what} is {text!r}; give a number with its unit ({', '.join(UNITS)}), such as 10ms."
        )
    return float(found[1]) * UNITS[(found[2] or unit).lower()]
