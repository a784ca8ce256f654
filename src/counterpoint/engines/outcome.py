"""A job, what became of it, and running it in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Job = Callable[[str], dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Args:
        job: Its name.
        result: What the function returned, or None.
        error: Why there is no result, or None.
        tries: How often it was started.
    """

    job: str
    result: dict[str, Any] | None
    error: str | None
    tries: int = 1


def here(function: Job, job: str, poll: Callable[[], None]) -> Outcome:
    """Run a job in this process."""
    poll()
    try:
        return Outcome(job, function(job), None)
    except Exception as error:
        return Outcome(job, None, said(error))


def said(error: BaseException) -> str:
    """Return an error as one line."""
    return f"{type(error).__name__}: {error}"
