"""Recipes by name: the grids that come with the package, one a table or figure of a paper."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoint.errors import InputError, nearest
from counterpoint.reproduce.claims import check_claims
from counterpoint.sweeps.grid import Grid, lines_of, read_grid
from counterpoint.sweeps.values import read_yaml

FOLDER = Path(__file__).parent.parent / "recipes"
VARIABLE = "$COUNTERPOINT_DATA"  # stands in a recipe where the folder of the data goes


@dataclass(frozen=True)
class Recipe:
    """A grid in a file, with what its paper says of the result.

    Args:
        name: `PAPER/EXPERIMENT`, or the stem of a file of one's own.
        path: The file.
        claims: What the paper states, see `claims.check_claims`.

    Example:
        >>> recipe("mmvm/figure5-bound").path.name
        'figure5-bound.yaml'
    """

    name: str
    path: Path
    claims: tuple[Mapping[str, Any], ...]

    @property
    def data(self) -> Any:
        """What the full experiment reads: a path, or the name and options of a benchmark set."""
        return lines_of(self.path)["data"]

    def folder_name(self, small: bool) -> str:
        """Return a name that differs wherever a line of the recipe does (comments are no lines)."""
        said = [lines_of(self.path, small), list(self.claims), small]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
        return f"{self.name.replace('/', '-')}{'-small' if small else ''}-{digest[:8]}"

    def grid(self, folder: str | Path | None = None, small: bool = False) -> Grid:
        """Return the grid, its data in `folder`; None leaves that to the environment's COUNTERPOINT_DATA."""
        lines = lines_of(self.path, small)
        if folder is None:
            return read_grid(self.path, small=small)
        at = str(Path(folder).absolute())
        placed = {k: _put_in(lines[k], at) for k in ("data", "test_data") if lines.get(k) is not None}
        return read_grid(self.path, small=small, **placed)


def names() -> list[str]:
    """Return the recipes that come with the package.

    Example:
        >>> "mmvm/figure5-bound" in names()
        True
    """
    return sorted(f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*.yaml"))


def recipe(name: str) -> Recipe:
    """Return a recipe by its name, or that of a file.

    Args:
        name: One of `names()`, or the path of a YAML file.

    Raises:
        InputError: If there is none, or it cannot be read.

    Example:
        >>> recipe("mmvm/figure5-bond")
        Traceback (most recent call last):
        counterpoint.errors.InputError: there is no recipe 'mmvm/figure5-bond'; `counterpoint reproduce \
--list` shows them all, or give the path of a .yaml file. Did you mean 'mmvm/figure5-bound'?
    """
    known = names()
    path = FOLDER / f"{name}.yaml" if name in known else Path(name)
    if name not in known and not (name.endswith(".yaml") and path.is_file()):
        raise InputError(
            f"there is no recipe {name!r}; `counterpoint reproduce --list` shows them all, or give the path "
            f"of a .yaml file.{nearest(name, known)}"
        )
    claims = read_yaml(path).get("claims", [])
    check_claims(claims, name)
    return Recipe(name if name in known else path.stem, path, tuple(claims))


def _put_in(data: Any, folder: str) -> Any:
    """Return data as a recipe names them with the folder in the place of the variable."""
    if isinstance(data, Mapping):
        return {k: _put_in(v, folder) if isinstance(v, str) else v for k, v in data.items()}
    return data.replace(VARIABLE, folder) if isinstance(data, str) else data
