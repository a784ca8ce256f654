"""Shape annotations of floors 0-4: read by people always, checked by beartype under pytest only.

`Float[Tensor, "E B D"]` says floating point with three axes; one letter means one size within a signature.
jaxtyping is a development dependency: without it the annotations mean nothing and cost nothing.
"""

from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Shaped
else:
    try:
        from jaxtyping import Bool, Float, Shaped
    except ImportError:

        class _Anything:
            def __class_getitem__(cls, item: Any) -> Any:
                return item[0]

        Bool = Float = Shaped = _Anything

__all__ = ["Bool", "Float", "Shaped", "Tensor"]
