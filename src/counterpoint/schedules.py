"""Hyperparameters that move during training: a number, or a rule that gives one at each optimiser step."""

import math
from dataclasses import dataclass
from typing import TypeAlias

from counterpoint.errors import InputError, choose, number, whole

KINDS = ("constant", "linear", "cosine", "exp", "step")
_FLOOR = 1e-10  # keeps the logarithm of a zero end value finite, as in the released MMVM code


@dataclass(frozen=True)
class Schedule:
    """A value between `start` (step 0) and `end` (step `steps` and later).

    With t the optimiser step and T = `steps`::

        linear   (1 - t/T) start + (t/T) end
        cosine   end + (start - end)/2 (1 + cos(pi t/T))
        exp      max(start exp(t/T (log(end + 1e-10) - log(start + 1e-10))), end)
        step     start while t < T, then end

    Args:
        kind: `constant`, `linear`, `cosine`, `exp` or `step`.
        start: Value at step 0, at least 0.
        end: Value at the last step; for `constant` the same as `start`.
        steps: T, in optimiser steps.

    Raises:
        InputError: If the kind is unknown, a value is negative or not finite, or `steps` is below 1.

    Source: the `exp` kind is the alpha schedule of the released MMVM code (Sutter et al. 2024), where
    start = 1, end = 0 and T = 150000.

    Example:
        >>> alpha = Schedule("exp", 1.0, 0.0, 150_000)
        >>> round(alpha.at(4515), 3), round(alpha.at(30_000), 3)
        (0.5, 0.01)
    """

    kind: str
    start: float
    end: float
    steps: int = 1

    def __post_init__(self) -> None:
        choose("schedule", self.kind, KINDS)
        number("schedule start", self.start)
        number("schedule end", self.end)
        whole("schedule steps", self.steps)

    def at(self, step: int) -> float:
        """Return the value at an optimiser step, counted from 0."""
        share = min(step / self.steps, 1.0)
        if self.kind == "constant":
            return self.start
        if share == 1.0:
            return self.end
        if self.kind == "step":
            return self.start
        if self.kind == "linear":
            return (1 - share) * self.start + share * self.end
        if self.kind == "cosine":
            return self.end + (self.start - self.end) / 2 * (1 + math.cos(math.pi * share))
        fall = share * (math.log(self.end + _FLOOR) - math.log(self.start + _FLOOR))
        return max(self.start * math.exp(fall), self.end)

    def __str__(self) -> str:
        if self.kind == "constant":
            return _exact(self.start)
        return f"{self.kind}:{_exact(self.start)}:{_exact(self.end)}:{self.steps}"


def _exact(value: float) -> str:
    """The shortest text that reads back as the same number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


Scheduled: TypeAlias = float | str | Schedule


def schedule(what: str, given: Scheduled) -> Schedule:
    """Return a schedule from a number, from text such as `"linear:0:1:2000"`, or from a schedule itself.

    Args:
        what: Name of the hyperparameter, for the error.
        given: The number, the text `kind:start:end:steps`, or the schedule.

    Raises:
        InputError: If it is none of the three.

    Example:
        >>> schedule("beta", 0.5).at(100)
        0.5
        >>> schedule("beta", "linear:0:1:200").at(100)
        0.5
        >>> two_stages = schedule("classifier_weight", "step:0:10:2000")
        >>> two_stages.at(1999), two_stages.at(2000)
        (0.0, 10.0)
    """
    if isinstance(given, Schedule):
        return given
    if isinstance(given, str):
        parts = given.split(":")
        try:
            if len(parts) == 1:
                return schedule(what, float(given))
            kind, start, end, steps = parts
            return Schedule(kind, float(start), float(end), int(steps))
        except InputError:
            raise
        except ValueError:
            raise InputError(
                f"{what} is {given!r}; give a number, or KIND:START:END:STEPS such as 'linear:0:1:2000', "
                f"where KIND is one of {', '.join(KINDS)}."
            ) from None
    value = number(what, given)
    return Schedule("constant", value, value)
