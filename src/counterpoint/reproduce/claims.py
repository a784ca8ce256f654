"""What a paper states of a figure without numbers, held against runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoint.errors import InputError, choose
from counterpoint.report.bound import bound
from counterpoint.report.records import Record
from counterpoint.report.tables import groups

NEEDED, ALLOWED = ("source", "says"), ("source", "says", "check", "of", "method")
QUALITIES = {
    "accuracy": "probe accuracy",
    "coherence": "coherence",
    "own_trial": "accuracy of a session's own probe",
    "other_trial": "accuracy of the others' probe",
}
SLACK = 0.05  # of the gaps' spread: fits of neighbouring small betas differ by the chance of their training


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Args:
        source: Paper and figure.
        says: The claim, in our words.
        holds: Whether it does in these runs; None if that is not for a machine, or was not measured.
        found: The numbers behind it, as a sentence.
        where: In which settings.
    """

    source: str
    says: str
    holds: bool | None
    found: str
    where: str = "here"

    def told(self) -> str:
        """Return it as one line.

        Example:
            >>> Verdict("A 2024, Figure 1", "more is better", None, "not measured").told()
            'A 2024, Figure 1: more is better. To be looked at: not measured.'
        """
        holds = {True: f"Holds {self.where}", False: f"Does not hold {self.where}", None: "To be looked at"}
        said = holds[self.holds]
        return f"{self.source}: {self.says}. {said}: {self.found}."


def check_claims(given: Any, where: str) -> None:
    """Check the `claims` of a recipe: mappings with `source`, `says` and, where a machine can tell, `check`.

    Args:
        given: The claims; `check` is one of `CHECKS`; `of` a quality and `method` a method for `front`.
        where: The recipe, for errors.

    Raises:
        InputError: If a key is missing or unknown, or a check is.

    Example:
        >>> check_claims([{"source": "A 2024, Figure 5", "says": "it is bounded", "check": "bund"}], "recipe")
        Traceback (most recent call last):
        counterpoint.errors.InputError: recipe: check is 'bund'; allowed are bound, front. Did you mean \
'bound'?
    """
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise InputError(f"{where}: claims are {given!r}; give a list of claims with {', '.join(ALLOWED)}.")
    for one in given:
        for key in one:
            choose(f"{where}: key of a claim", key, ALLOWED)
        if missing := [key for key in NEEDED if not isinstance(one.get(key), str)]:
            raise InputError(f"{where}: a claim lacks {' and '.join(missing)}, as text.")
        if "check" in one:
            choose(f"{where}: check", one["check"], CHECKS)
        if "of" in one:
            choose(f"{where}: of", one["of"], QUALITIES)


def judge(
    claims: Sequence[Mapping[str, Any]], records: Sequence[Record], where: str = "here"
) -> list[Verdict]:
    """Hold every claim against runs that were scored; `where` says in which settings.

    Example:
        >>> judge([{"source": "A 2024, Figure 1", "says": "more is better"}], [])[0].holds is None
        True
    """
    own = [r for r in records if r.sections and not r.control]
    found = []
    for one in claims:
        said = CHECKS[one["check"]](one, own) if "check" in one else (None, "see the figures of the report")
        found.append(Verdict(one["source"], one["says"], *said, where))
    return found


def _bound(claim: Mapping[str, Any], records: Sequence[Record]) -> tuple[bool | None, str]:
    """The objective never exceeds the autoencoder's, and at its smallest beta it is as near as it comes."""
    found = bound(records)
    if found is None:
        return None, "there are no runs of ae and of several betas"
    holds, said = True, []
    for name, curve in found.curves.items():
        gaps = {beta: [top - value for top, value in zip(found.top, pair, strict=True)]
                for beta, pair in curve.items()}  # fmt: skip
        first, last = min(gaps), max(gaps)
        for at, rows in enumerate(("test", "training")):
            below = [gaps[beta][at] for beta in gaps]
            holds &= min(below) >= 0 and gaps[first][at] <= min(below) + SLACK * (max(below) - min(below))
            said.append(
                f"{name} on {rows} rows lies {gaps[first][at]:.2f} nats below at beta {first:g} and "
                f"{gaps[last][at]:.2f} at {last:g} (least {min(below):.2f})"
            )
    return holds, f"{'; '.join(said)}; the autoencoder is at {found.top[0]:.2f} and {found.top[1]:.2f}"


def _front(claim: Mapping[str, Any], records: Sequence[Record]) -> tuple[bool | None, str]:
    """No other method's beta has more of a quality than every beta of `method` that reconstructs as well.

    One that reconstructs better than all of `method` has nothing there to be held against: it counts where it
    has more of the quality than `method` has anywhere, and is told where it has less.
    """
    quality, method = claim.get("of", "accuracy"), claim.get("method", "mmvm")
    points: dict[str, list[tuple[float, float, str]]] = {}
    measured = [r for r in records if {quality, "reconstruction"} <= r.summary.keys()]
    for name, group in groups(measured).items():
        x, y = (sum(r.summary[k] for r in group) / len(group) for k in ("reconstruction", quality))
        points.setdefault(group[0].method, []).append((x, y, name))
    own = points.pop(method, [])
    if not own or not points:
        return None, f"there are no runs of {method} and others with {quality}"
    others = [point for listed in points.values() for point in listed]
    top, least = max(own, key=lambda point: point[1]), min(x for x, _, _ in own)
    outside = []
    for x, y, name in others:
        best = max((q for r, q, _ in own if r <= x), default=top[1])  # default: x is below `least`
        if y > best:
            outside.append((y - best, name))
    said = f"best {QUALITIES[quality]} of {method} {top[1]:.3f} at {top[0]:.1f} nats"
    said += f" ({top[2].removeprefix(method + ', ')})" if top[2] != method else ""
    said += f"; of {len(others)} points of the others {len(outside) or 'none'} outside its front"
    if outside:
        gap, worst = max(outside)
        said += f", the farthest {gap:.3f} above it ({worst})"
    if beyond := [point for point in others if point[0] < least]:
        x, y, name = min(beyond)
        said += f"; {len(beyond)} at fewer nats than any of {method} has, least {x:.1f} with {y:.3f} ({name})"
    return not outside, said


CHECKS: dict[str, Callable[[Mapping[str, Any], Sequence[Record]], tuple[bool | None, str]]] = {
    "bound": _bound,
    "front": _front,
}
