"""What was asked for, as YAML and as a hash: every argument of an estimator, written and read."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from counterpoint import bounded
from counterpoint.errors import InputError, nearest
from counterpoint.schedules import Schedule

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint

OWN = "own modules"  # stands for a user's networks, which no file of ours can hold


def config_text(estimator: "Counterpoint") -> str:
    """Return every constructor argument as YAML."""
    return _text(estimator, "device", "verbose")


def _text(estimator: "Counterpoint", *without: str) -> str:
    params = estimator.get_params(deep=False)
    plain = {k: _plain(v) for k, v in params.items() if k not in without}
    return yaml.safe_dump(plain, sort_keys=False)


def read_config(path: Path) -> dict[str, Any]:
    """Return the constructor arguments of a config file.

    Raises:
        InputError: If it is no YAML mapping, or names an unknown option (the nearest is told).
    """
    from counterpoint.estimator import Counterpoint

    remedy = "give lines such as 'method: mmvm'."
    text = bounded.yaml_text(path, remedy)
    try:
        given = bounded.plain_yaml(text)
    except ValueError as error:
        raise InputError(f"{path} cannot be read as YAML ({error}); {remedy}") from error
    if not isinstance(given, dict):
        raise InputError(f"{path} holds no options; it must be a mapping such as 'method: mmvm'.")
    allowed = Counterpoint().get_params(deep=False)
    for key in given:
        if key not in allowed:
            raise InputError(f"{path} has an option {key!r} that does not exist.{nearest(str(key), allowed)}")
    return given


def data_digest(
    x: Mapping[str, torch.Tensor],
    mask: Mapping[str, torch.Tensor],
    codes: torch.Tensor | None = None,
    blocks: torch.Tensor | None = None,
    covariates: torch.Tensor | None = None,
) -> str:
    """Return a hash of prepared data, of which rows may be paired anew or stay together, of covariates."""
    digest = hashlib.sha256()
    beside = (("pairs", codes), ("blocks", blocks), ("covariates", covariates))
    for name, tensor in (*x.items(), *mask.items(), *((k, v) for k, v in beside if v is not None)):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fingerprint(estimator: "Counterpoint", data: str) -> str:
    """Return a hash of configuration and data, the data by their `data_digest`.

    How often a fit is retried is left out, so that one that diverged can be resumed with retries.
    """
    text = _text(estimator, "device", "verbose", "retries")
    return hashlib.sha256(f"{text}{data}".encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return an option as YAML can hold it."""
    if hasattr(value, "tolist"):  # numpy's numbers and arrays; a numpy float is a float that YAML refuses
        value = value.tolist()
    if isinstance(value, Mapping):
        by_name = {str(k): v for k, v in value.items()}
        return {k: _plain(by_name[k]) for k in sorted(by_name)}  # whoever wrote them down in what order
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, torch.nn.Module) for v in value):
            return OWN
        return [_plain(v) for v in value]
    if isinstance(value, Schedule):  # every digit: str() rounds for the reader
        return f"{value.kind}:{value.start!r}:{value.end!r}:{value.steps}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
