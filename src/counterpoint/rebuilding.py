"""A model made again from what a run tells of it, in no more memory than its weights can need."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from counterpoint.building import new_model
from counterpoint.errors import InputError
from counterpoint.model import MultimodalVAE

if TYPE_CHECKING:
    from counterpoint.data import Preparation
    from counterpoint.estimator import Counterpoint

TIMES, SLACK = 16, 2**26  # bytes that may be asked for while a model is made: TIMES its weights, and SLACK


class TooMuchError(Exception):
    """More memory was asked for than a model of these weights can need."""


class Budget(TorchDispatchMode):
    """Counts the bytes of the tensors that are made, and stops before there are too many.

    Args:
        most: Bytes, of all of them together.

    Example:
        >>> with Budget(1000):
        ...     torch.zeros(2, 3).shape
        torch.Size([2, 3])
        >>> with Budget(1000):
        ...     torch.zeros(1000, 1000)
        Traceback (most recent call last):
        counterpoint.rebuilding.TooMuchError: 4000000 bytes
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.asked = most, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if str(kwargs.get("device")) != "meta":
            self.asked += _numbers(func, args) * getattr(kwargs.get("dtype"), "itemsize", 4)
            if self.asked > self.most:
                raise TooMuchError(f"{self.asked} bytes")
        return func(*args, **kwargs)


def _numbers(func: Any, args: tuple[Any, ...]) -> int:
    """Return how many numbers a function that makes a tensor is asked for; 0 for any other."""
    first = args[0] if args else None
    if isinstance(first, (list, tuple)) and first and all(isinstance(n, int) for n in first):
        return math.prod(first)
    return first.numel() if isinstance(first, torch.Tensor) and "_like" in str(func) else 0


def rebuilt(
    estimator: "Counterpoint", prepared: "Preparation", tensors: Mapping[str, torch.Tensor], where: object
) -> MultimodalVAE:
    """Return the model of a run with its weights.

    Args:
        estimator: With the options of the run.
        prepared: Its preparation.
        tensors: Its weights by name.
        where: The run, for the messages.

    Raises:
        InputError: If options and preparation make no model, or one that the weights do not fit.
    """
    held = sum(v.numel() * v.element_size() for v in tensors.values())
    try:
        with Budget(TIMES * held + SLACK):
            model = new_model(estimator, prepared)
    except InputError:
        raise
    except TooMuchError as error:
        raise InputError(
            f"the weights in {where} do not fit its configuration, which describes a model many times their "
            "size; take both from one run."
        ) from error
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"configuration and data card of {where} describe no model ({said}); restore them, or fit again."
        ) from error
    wanted = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    found = {k: tuple(v.shape) for k, v in tensors.items()}
    if wanted != found:
        wrong = sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))[0]
        raise InputError(
            f"the weights in {where} do not fit its configuration: {wrong} is {found.get(wrong)}, not "
            f"{wanted.get(wrong)}."
        )
    kinds = {v.dtype for v in tensors.values()}
    if not kinds <= {torch.float32, torch.float64} or len(kinds) > 1:
        said = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
        raise InputError(f"the weights in {where} are {said}; they must all be float32 or all float64.")
    model.to(next(iter(tensors.values())).dtype).load_state_dict(tensors)
    return model
