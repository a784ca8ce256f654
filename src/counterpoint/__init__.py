"""counterpoint: learning from several kinds of measurement of the same things at once.

Names are resolved on first use, so that importing the package loads neither torch nor Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoint.comparison import compare
    from counterpoint.data import MultimodalData, read
    from counterpoint.errors import InputError, TrainingDivergedError
    from counterpoint.estimator import Counterpoint
    from counterpoint.methods import METHODS, method
    from counterpoint.runs import load
    from counterpoint.sweeps.grid import read_grid
    from counterpoint.sweeps.run import sweep
    from counterpoint.tuning import tune

__version__ = "0.1.0"

_WHERE = {
    "Counterpoint": "counterpoint.estimator",
    "InputError": "counterpoint.errors",
    "METHODS": "counterpoint.methods",
    "MultimodalData": "counterpoint.data",
    "TrainingDivergedError": "counterpoint.errors",
    "compare": "counterpoint.comparison",
    "load": "counterpoint.runs",
    "method": "counterpoint.methods",
    "read": "counterpoint.data",
    "read_grid": "counterpoint.sweeps.grid",
    "sweep": "counterpoint.sweeps.run",
    "tune": "counterpoint.tuning",
}

__all__ = [
    "METHODS",
    "Counterpoint",
    "InputError",
    "MultimodalData",
    "TrainingDivergedError",
    "compare",
    "load",
    "method",
    "read",
    "read_grid",
    "sweep",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"counterpoint has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
