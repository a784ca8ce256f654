"""One quiet line of progress: every loss term of the last epoch, and the time left."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoint.training.population import Progress


class ProgressLine:
    """A line that rewrites itself on a terminal, and one line per tenth of the epochs elsewhere.

    Args:
        epochs: Epochs at most.
        verbose: 0 for silence, 1 for the line.

    Example:
        >>> with ProgressLine(10, verbose=0) as line:
        ...     pass
    """

    def __init__(self, epochs: int, verbose: int) -> None:
        self.epochs, self.verbose = epochs, verbose
        self._live: Any = None
        self._retried = 0

    def __enter__(self) -> "ProgressLine":
        self._started = time.perf_counter()
        if self.verbose and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: "Progress") -> None:
        """Show the last epoch."""
        if not self.verbose:
            return
        if len(progress.retried) > self._retried:
            self._retried = len(progress.retried)
            said = f"{progress.retried[-1]}; going back to its start, at half the learning rate"
            print(said, file=sys.stderr, flush=True)
        if not progress.history:
            return
        if self._live is not None:
            self._live.update(self.text(progress))
        elif progress.stopped or progress.epoch % max(1, self.epochs // 10) == 0:
            print(self.text(progress), file=sys.stderr, flush=True)

    def text(self, progress: "Progress") -> str:
        """Return the line: epochs, validation loss, every term, time left (if no early stop)."""
        last = progress.history[-1]
        kind = "validation" if "validation/total" in last else "train"
        terms = " · ".join(
            f"{k.removeprefix(kind + '/').replace('distortion/', '')} {v:.4g}"
            for k, v in last.items()
            if k.startswith(kind + "/") and not k.endswith("/total")
        )
        left = (time.perf_counter() - self._started) / max(progress.epoch, 1) * (self.epochs - progress.epoch)
        name = "val" if kind == "validation" else "train"
        return (
            f"{progress.epoch}/{self.epochs} epochs · {name} loss {last[kind + '/total']:.5g} · {terms} · "
            f"{int(left) // 60}:{int(left) % 60:02d} left"
        )
