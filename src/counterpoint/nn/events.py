"""What the networks' constructors ask of the shapes and words they are given."""

from collections.abc import Sequence

from torch import nn

from counterpoint.errors import InputError, choose, whole

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation_layer(name: str) -> nn.Module:
    """Return a new activation layer by its name, with torch's default settings.

    Args:
        name: A key of `ACTIVATIONS`.

    Raises:
        InputError: If there is no such activation.

    Example:
        >>> activation_layer("leaky_relu")
        LeakyReLU(negative_slope=0.01)
    """
    return ACTIVATIONS[choose("activation", name, ACTIVATIONS)]()


def sizes(what: str, given: Sequence[int]) -> tuple[int, ...]:
    """Return `given` as a tuple of whole numbers of at least 1; it may be empty.

    Args:
        what: The argument's name, for the message.
        given: Any sequence of whole numbers.

    Raises:
        InputError: If it is no such sequence.

    Example:
        >>> sizes("hidden", [400, 20])
        (400, 20)
        >>> sizes("hidden", 400)
        Traceback (most recent call last):
        counterpoint.errors.InputError: hidden is 400; it must be a tuple of whole numbers, such as (256,).
    """
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise InputError(f"{what} is {given!r}; it must be a tuple of whole numbers, such as (256,).")
    return tuple(whole(f"{what}[{place}]", size) for place, size in enumerate(given))


def image_shape(what: str, given: Sequence[int], least: int = 1, multiple: int = 1) -> tuple[int, int, int]:
    """Return `given` as (C, H, W).

    Args:
        what: The argument's name, for the message.
        given: The shape of one event.
        least: What H and W must reach.
        multiple: What must divide H and W.

    Raises:
        InputError: If it is no such shape.

    Example:
        >>> image_shape("shape", [3, 28, 28], multiple=4)
        (3, 28, 28)
        >>> image_shape("shape", (28, 28), least=8)
        Traceback (most recent call last):
        counterpoint.errors.InputError: shape is (28, 28); it must be (C, H, W) with H and W at least 8.
    """
    shape = sizes(what, given)
    if len(shape) == 3 and min(shape[1:]) >= least and all(size % multiple == 0 for size in shape[1:]):
        return shape
    demands = [f"at least {least}"] * (least > 1) + [f"divisible by {multiple}"] * (multiple > 1)
    condition = f" with H and W {' and '.join(demands)}" if demands else ""
    raise InputError(f"{what} is {shape}; it must be (C, H, W){condition}.")


def square_halvings(what: str, given: Sequence[int], least: int) -> tuple[int, int]:
    """Return the channels of (C, S, S), S a power of two, and how often S is halved until 4 are left.

    Raises:
        InputError: If it is no such shape, or S is less than `least`.

    Example:
        >>> square_halvings("shape", (3, 64, 64), least=16)
        (3, 4)
    """
    channels, high, wide = image_shape(what, given)
    if high != wide or high < least or high & (high - 1):
        raise InputError(
            f"{what} is {(channels, high, wide)}; it must be (C, H, W) with H = W a power of two of at least "
            f"{least}: resize the images, or take 'conv' or 'resnet'."
        )
    return channels, high.bit_length() - 3


def text_shape(what: str, given: Sequence[int], least: int) -> tuple[int, int]:
    """Return `given` as (L, V): positions and symbols.

    Args:
        what: The argument's name, for the message.
        given: The shape of one event.
        least: What L must reach.

    Raises:
        InputError: If it is no such shape.

    Example:
        >>> text_shape("shape", [8, 71], least=4)
        (8, 71)
    """
    shape = sizes(what, given)
    if len(shape) == 2 and shape[0] >= least:
        return shape
    raise InputError(f"{what} is {shape}; it must be (L, V), positions by symbols, with L at least {least}.")


def text_halvings(
    what: str, given: Sequence[int], least: int, axes: str = "positions by symbols"
) -> tuple[int, int, int]:
    """Return (L, V), L a power of two, and how often L is halved until 4 are left.

    Raises:
        InputError: If it is no such shape, or L is less than `least`; it calls the two sizes `axes`.

    Example:
        >>> text_halvings("shape", (32, 1868), least=8)
        (32, 1868, 3)
    """
    length, symbols = text_shape(what, given, least)
    if length & (length - 1):
        raise InputError(
            f"{what} is {(length, symbols)}; it must be (L, V), {axes}, with L a power of two of at least "
            f"{least}: pad the texts, or take 'text'."
        )
    return length, symbols, length.bit_length() - 3
