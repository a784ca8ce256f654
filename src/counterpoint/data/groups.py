"""One DataFrame parted into modalities: by groups of columns, or by the first level of their names."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from counterpoint.data.multimodal import check_names
from counterpoint.data.values import check_name
from counterpoint.errors import InputError, nearest


def split_frame(frame: Any, groups: Any, labels: Any) -> tuple[dict[Any, Any], Any]:
    """Part one DataFrame into modalities by `groups` or by the first level of its columns; and its labels.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"g1": [1.0, 2.0], "g2": [3.0, 4.0], "p": [5.0, 6.0]})
        >>> parts, _ = split_frame(frame, {"gene": ["g1", "g2"], "protein": ["p"]}, None)
        >>> list(parts), parts["gene"].shape
        (['gene', 'protein'], (2, 2))
    """
    if getattr(frame.columns, "nlevels", 1) > 1:
        if groups is not None:
            raise InputError(
                "groups is given for a DataFrame whose columns have levels; give one or the other."
            )
        first = frame.columns.get_level_values(0)
        parts = {}
        for name in dict.fromkeys(first):
            parts[name] = frame.loc[:, first == name]
            parts[name].columns = parts[name].columns.droplevel(0)
        return parts, labels
    columns = list(frame.columns)
    if not isinstance(groups, Mapping) or not groups:
        raise InputError(
            f"groups is {groups!r}; a DataFrame with {len(columns)} columns needs "
            f"groups={{'modality': [columns], ...}}, or "
            "columns of two levels (modality, feature)."
        )
    owner: dict[Any, str] = {}
    counts, place = Counter(columns), {column: i for i, column in enumerate(columns)}
    parts: dict[Any, Any] = {}
    for name, chosen in groups.items():
        check_name(name)
        if isinstance(chosen, (str, bytes)) or not isinstance(chosen, Iterable):
            raise InputError(f"groups[{name!r}] is {chosen!r}; give a list of columns.")
        chosen = list(chosen)
        if not chosen:
            raise InputError(f"groups[{name!r}] is empty; give it at least one column, or leave it out.")
        for column in chosen:
            _own_column(owner, name, column, counts)
        parts[name] = frame.iloc[:, [place[column] for column in chosen]]
    asked = labels
    if labels is not None and not isinstance(labels, Mapping):
        asked = {}
        for label in check_names("labels", labels, [c for c in columns if isinstance(c, str)]):
            if label in owner:
                raise InputError(f"Column {label!r} is a label and in group {owner[label]!r}; name it once.")
            asked[label] = frame.iloc[:, place[label]]
    return parts, asked


def _own_column(owner: dict[Any, str], name: str, column: Any, counts: Counter[Any]) -> None:
    """Note that a column belongs to a group, once."""
    if column not in counts:
        columns = list(counts)
        raise InputError(
            f"groups[{name!r}] names the column {column!r}, which the DataFrame does not have; it has "
            f"{len(columns)}, such as "
            f"{', '.join(map(repr, columns[:5]))}.{nearest(str(column), map(str, columns))}"
        )
    if counts[column] > 1:
        raise InputError(
            f"Column {column!r} (groups[{name!r}]) stands in the DataFrame twice; rename one of them."
        )
    if column in owner:
        where = (
            f"twice in group {name!r}"
            if owner[column] == name
            else f"in two groups, {owner[column]!r} and {name!r}"
        )
        raise InputError(f"Column {column!r} is {where}; a column belongs to one modality.")
    owner[column] = name
