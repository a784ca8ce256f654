"""Presets: the places where a paper and its released code disagree, set together."""

from collections.abc import Mapping
from typing import Any

from counterpoint.errors import choose


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
