"""The space of a search: options with choices or ranges, as Optuna's distributions."""

import json
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_type_hints

from counterpoint import configuration
from counterpoint.errors import InputError, choose
from counterpoint.estimator import Counterpoint
from counterpoint.methods import METHODS, takes

# Goal -> its headline, in the measure of that name or in the history; and whether more of it is better.
GOALS = {
    "validation": ("validation/total", False),
    "probe": ("accuracy", True),
    "coherence": ("coherence", True),
    "reconstruction": ("reconstruction", False),
    "prediction": ("target_accuracy", True),
}
_NEVER = ("method", "options", "seed", "device", "verbose")  # a search has one method; a seed is no setting
_SCALES = {"likelihood", "standardise"}  # other units of the same distortion
_WEIGHTS = {"beta", "weights", "validation", *(f"options.{k}" for k in ("alpha", "rate", "preset"))}
_WEIGHTS |= {f"options.{k}" for k in ("kl_weight", "mmd_weight", "mmd_scale", "classifier_weight", "kl")}
_WEIGHTS |= {f"options.{k}" for k in ("observed", "generate", "weight", "margin", "objective")}
_WEIGHTS |= {"options.regularisation", "target"}
_WEIGHTS |= {"constant", *(f"options.{k}" for k in ("kl_count", "beta_power", "random_subsets"))}
INCOMPARABLE = {"validation": _SCALES | _WEIGHTS, "reconstruction": _SCALES}


def axes_of(space: Any, method: str, goal: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return option -> distribution, by name: the order in which they came must not matter."""
    choose("goal", goal, GOALS)
    recipe = get_type_hints(METHODS[choose("method", method, METHODS)])
    hints = get_type_hints(Counterpoint.__init__)
    hints = {k: v for k, v in hints.items() if k != "return"}
    for key in params:
        choose("argument", key, [k for k in hints if k not in ("method", "seed")])
    fixed = {*params, *(f"options.{k}" for k in params.get("options") or {})}
    allowed = {k: v for k, v in hints.items() if k not in _NEVER and (k != "beta" or takes(method, "beta"))}
    allowed |= {f"options.{k}": v for k, v in recipe.items() if k not in ("beta", "return")}
    allowed["options.impartial"] = str
    if not isinstance(space, Mapping) or not space:
        raise InputError(f"space is {space!r}; give option -> choices, such as {{'latent_dim': [8, 32]}}.")
    for name in space:
        choose("space: option", name, allowed)
        if name in fixed:
            raise InputError(f"{name} is in the space and fixed as an argument; give it once.")
        if name in INCOMPARABLE.get(goal, ()):
            raise InputError(
                f"the space has {name}, which changes what goal {goal!r} measures: its values would not "
                f"compare. Fix {name}, or take goal='probe' or 'coherence'."
            )
    return {name: _axis(name, space[name], allowed[name]) for name in sorted(space)}


def _axis(name: str, given: Any, hint: Any) -> Any:
    """Return one option's distribution; choices are kept as JSON, so that they may be lists."""
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    except ImportError as error:
        raise ImportError("tuning needs Optuna; pip install 'counterpoint[tune]'.", name="optuna") from error
    given = configuration._plain(given)
    if isinstance(given, list) and given:
        choices = [json.dumps(v, sort_keys=True) for v in given]
        if len(set(choices)) < len(choices):
            raise InputError(f"space: {name} is {given!r}, which holds a choice twice; keep one.")
        return CategoricalDistribution(choices)
    if not isinstance(given, Mapping) or not {"low", "high"} <= given.keys():
        raise InputError(f"space: {name} is {given!r}; give a list of choices, or {{'low': A, 'high': B}}.")
    for part in given:
        choose(f"space: {name}", part, ("low", "high", "log", "int", "step"))
    kinds = get_args(hint) or (hint,)
    is_int = given.get("int", int in kinds and float not in kinds)
    ends = {k: v for k, v in given.items() if k in ("low", "high", "step") and v is not None}
    sound = all(
        type(v) is int or (type(v) is float and math.isfinite(v) and not is_int) for v in ends.values()
    )
    if not sound or not ends["low"] < ends["high"] or not {given.get("log", False), is_int} <= {True, False}:
        what = "whole numbers" if is_int else "numbers"
        raise InputError(f"space: {name} is {given!r}; low, high and step are {what}, low below high.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a step that does not divide the range, which it would shorten
            return (IntDistribution if is_int else FloatDistribution)(**ends, log=given.get("log", False))
    except (ValueError, UserWarning) as error:
        raise InputError(f"space: {name} is {given!r}: {' '.join(str(error).split())}") from error


def told_of(axes: Mapping[str, Any]) -> dict[str, str]:
    """Return a space as JSON holds it."""
    from optuna.distributions import distribution_to_json

    return {name: distribution_to_json(axis) for name, axis in axes.items()}


def parsed(choices: Iterable[Any]) -> list[Any]:
    """Return choices as they were before they were kept as JSON."""
    return [json.loads(v) if isinstance(v, str) else v for v in choices]
