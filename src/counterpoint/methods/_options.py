"""What recipes share: options of private latents, and presets, where a paper and its released code differ."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from counterpoint.errors import choose, whole
from counterpoint.schedules import Schedule, Scheduled, schedule


def resolve(
    preset: str | None,
    presets: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Any],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Return every option's value: what was given, else what the preset says, else the default.

    Args:
        preset: None, or a key of `presets`.
        presets: preset -> option -> value.
        defaults: option -> value.
        given: option -> value, None where nothing was given.

    Raises:
        InputError: If the preset is unknown.

    Example:
        >>> resolve("official", {"official": {"n": 2, "k": 3}}, {"n": 0, "k": 0, "l": 0}, {"n": 1})
        {'n': 1, 'k': 3, 'l': 0}
    """
    chosen = {} if preset is None else presets[choose("preset", preset, presets)]
    said = {k: v for k, v in given.items() if v is not None}
    return {k: said.get(k, chosen.get(k, d)) for k, d in defaults.items()}


class PrivateLatents(NamedTuple):
    """Columns of the private latents, and what they add to a method's hyperparameters and record."""

    dim: int
    hyper: Mapping[str, Schedule]
    options: Mapping[str, Any]


def private_latents(private_dim: int, beta_private: Scheduled) -> PrivateLatents:
    """Return what a recipe needs for private latents; without any, the weight is no hyperparameter.

    Raises:
        InputError: If the columns are not a whole number of at least 0, or the weight is no schedule.

    Example:
        >>> private_latents(0, 1.0)
        PrivateLatents(dim=0, hyper={}, options={'private_dim': 0, 'beta_private': '1'})
    """
    weight = schedule("beta_private", beta_private)
    dim = whole("private_dim", private_dim, least=0)
    return PrivateLatents(
        dim, {"beta_private": weight} if dim else {}, {"private_dim": dim, "beta_private": str(weight)}
    )
