"""From an estimator's arguments to what it trains: options, method, rows, preparation, model."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoint.assembly import assemble
from counterpoint.data import MultimodalData, Preparation
from counterpoint.data.categories import names_of
from counterpoint.errors import InputError, choose, whole
from counterpoint.methods import METHODS, method, takes
from counterpoint.model import Method, MultimodalVAE
from counterpoint.targets import likelihoods, with_target
from counterpoint.training.options import TrainOptions, check_device

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint

UNTIED = ("independent", "ae")  # each modality by itself


def train_options(estimator: "Counterpoint", rows: int) -> TrainOptions:
    """Check every argument that does not depend on the modalities; return how so many rows are trained on.

    Raises:
        InputError: If an argument cannot be used.
    """
    whole("latent_dim", estimator.latent_dim)
    whole("seed", estimator.seed, least=0)
    for units in _hidden(estimator):
        whole("hidden", units)
    if estimator.width is not None:
        whole("width", estimator.width)
    verbose = estimator.verbose
    whole("verbose", int(verbose) if isinstance(verbose, bool) else verbose, least=0)
    check_device(estimator.device)
    chosen_method(estimator)
    names_of(estimator.batch)
    size = estimator.batch_size
    if isinstance(size, str):
        if size != "auto":
            raise InputError(f"batch_size is {size!r}; give a whole number of at least 1, or 'auto'.")
        size = min(256, max(16, 2 ** int(np.log2(max(rows, 8) / 8))))
    same = {f.name: getattr(estimator, f.name) for f in fields(TrainOptions) if f.name != "batch_size"}
    return TrainOptions(batch_size=size, **same)


def _hidden(estimator: "Counterpoint") -> tuple[int, ...]:
    """Return the units of the hidden layers."""
    hidden = estimator.hidden
    if isinstance(hidden, (str, int)) or not hasattr(hidden, "__iter__"):
        raise InputError(
            f"hidden is {hidden!r}; give the units of every hidden layer, such as (256,) or (256, 128)."
        )
    return tuple(hidden)


def chosen_method(estimator: "Counterpoint") -> Method:
    """Return the method with the estimator's options.

    Raises:
        InputError: If there is no such method, or it takes no such option.
    """
    if estimator.options is not None and not isinstance(estimator.options, Mapping):
        raise InputError(
            f"options is {estimator.options!r}; give a dict, option -> value, such as {{'rate': 'mixture'}}."
        )
    options: dict[str, Any] = dict(estimator.options or {})
    if "beta" in options:
        raise InputError("options holds 'beta'; give it as beta=... itself.")
    name = choose("method", estimator.method, METHODS)
    return method(name, {**({"beta": estimator.beta} if takes(name, "beta") else {}), **options})


def training_rows(estimator: "Counterpoint", data: MultimodalData, y: Any = None) -> MultimodalData:
    """Return training rows with the target as a modality, if there is one."""
    return data if estimator.target is None else with_target(data, estimator.target, y)


def check_ties(present: Mapping[str, np.ndarray], method: Method) -> None:
    """Refuse several modalities of which no row has two, for a method that is to tie them.

    Args:
        present: Modality -> (N,) bool.
        method: The method.

    Raises:
        InputError: If nothing ties any two modalities.

    Example:
        >>> from counterpoint.methods import independent, mmvm
        >>> apart = {"rna": np.array([True, False]), "protein": np.array([False, True])}
        >>> check_ties(apart, independent())
        >>> check_ties(apart, mmvm())  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: no row has two of the modalities (rna 1, protein 1 rows), so ...
    """
    tied = len(present) < 2 or (np.sum(list(present.values()), axis=0) > 1).any()
    if not tied and method.name not in UNTIED:
        counts = ", ".join(f"{name} {int(rows.sum())}" for name, rows in present.items())
        raise InputError(
            f"no row has two of the modalities ({counts} rows), so nothing ties them; give rows that have "
            "both, in one order or with ids by which they are joined, or a condition that they share "
            f"(pair_on=...). Methods that tie nothing: {', '.join(UNTIED)}."
        )


def prepare(estimator: "Counterpoint", data: MultimodalData) -> Preparation:
    """Return likelihoods, units and names of training rows."""
    data = training_rows(estimator, data)
    if data.pairs is None:  # else a condition ties them
        check_ties(data.present(), chosen_method(estimator))
    words = likelihoods(data, estimator.target, estimator.likelihood)
    how = {"standardise": estimator.standardise, "constant": estimator.constant}
    return Preparation.fit(data, words, **how, batch=_batch(estimator, data))


def _batch(estimator: "Counterpoint", data: MultimodalData) -> tuple[str, ...] | None:
    """Return the labels that are covariates, if the rows can have them."""
    names = names_of(estimator.batch)
    if estimator.target in names:
        raise InputError(
            f"batch names {estimator.target!r}, which is the target: what is to be told from the modalities "
            "would be told to them. Leave it out of one."
        )
    if names and data.pairs is not None:
        raise InputError(
            f"batch is {estimator.batch!r}, and the rows are paired anew in every epoch (pair_on): the parts "
            "of a row come from several trials, so it has no one batch. Leave out one of the two."
        )
    return names or None


def new_model(estimator: "Counterpoint", prepared: Preparation) -> MultimodalVAE:
    """Return a model with the estimator's method and networks, its weights drawn from the seed."""
    return assemble(
        prepared,
        chosen_method(estimator),
        latent_dim=estimator.latent_dim,
        network=estimator.network,
        hidden=_hidden(estimator),
        width=estimator.width,
        weights=estimator.weights,
        target=estimator.target,
        seed=estimator.seed,
    )
