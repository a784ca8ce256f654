"""One kind of error for everything a user hands in: what was given, what is allowed, what to do."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A value that a user gave and that cannot be used.

    The message says what was given, what is allowed and what to do about it.

    Example:
        >>> raise InputError("latent_dim is 0; it must be a whole number of at least 1.")
        Traceback (most recent call last):
        counterpoint.errors.InputError: latent_dim is 0; it must be a whole number of at least 1.
    """


class TrainingDivergedError(RuntimeError):
    """Training met a value that is not finite; names the term and the epoch."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` if one of the allowed words is near, else nothing.

    Example:
        >>> nearest("mmvn", ["mmvm", "mopoe"])
        " Did you mean 'mmvm'?"
        >>> nearest("zzz", ["mmvm", "mopoe"])
        ''
    """
    found = difflib.get_close_matches(str(word), list(allowed), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""


def choose(what: str, given: object, allowed: Iterable[str]) -> str:
    """Return `given` if it is one of the allowed words; otherwise say which there are and which is nearest.

    Example:
        >>> choose("method", "mmvm", ["mmvm", "mopoe"])
        'mmvm'
        >>> choose("method", "mopo", ["mmvm", "mopoe"])
        Traceback (most recent call last):
        counterpoint.errors.InputError: method is 'mopo'; allowed are mmvm, mopoe. Did you mean 'mopoe'?
    """
    allowed = list(allowed)
    if isinstance(given, str) and given in allowed:
        return given
    raise InputError(f"{what} is {given!r}; allowed are {', '.join(allowed)}.{nearest(str(given), allowed)}")


def whole(what: str, given: object, least: int = 1) -> int:
    """Return `given` as a whole number of at least `least`.

    Example:
        >>> whole("epochs", 3)
        3
        >>> whole("epochs", -1)
        Traceback (most recent call last):
        counterpoint.errors.InputError: epochs is -1; it must be a whole number of at least 1.
    """
    fine = not isinstance(given, bool) and hasattr(given, "__index__")
    if not fine or int(given) < least:  # type: ignore[call-overload]
        raise InputError(f"{what} is {given!r}; it must be a whole number of at least {least}.")
    return int(given)  # type: ignore[call-overload]


def number(
    what: str, given: object, least: float = 0.0, most: float = float("inf"), open_: bool = False
) -> float:
    """Return `given` as a finite number within [least, most]; `open_` shuts out `least` itself.

    Example:
        >>> number("learning_rate", 1e-3, open_=True)
        0.001
        >>> number("learning_rate", 0, open_=True)
        Traceback (most recent call last):
        counterpoint.errors.InputError: learning_rate is 0; it must be a finite number above 0.
    """
    try:
        value = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = float("nan")
    fine = (
        value == value
        and abs(value) != float("inf")
        and least <= value <= most
        and not (open_ and value == least)
    )
    if not fine or isinstance(given, (bool, str)):
        low = f"above {least:g}" if open_ else f"of at least {least:g}"
        high = "" if most == float("inf") else f" and at most {most:g}"
        raise InputError(f"{what} is {given!r}; it must be a finite number {low}{high}.")
    return value
