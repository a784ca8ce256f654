"""A new modality joins a trained model: its encoder and decoder are trained, all else stays to the bit."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from counterpoint import configuration, runs
from counterpoint.asking import Mask
from counterpoint.building import new_model, train_options, training_rows
from counterpoint.data import MultimodalData, Preparation, read
from counterpoint.data.backed import Backed
from counterpoint.data.covariates import Covariates
from counterpoint.data.multimodal import check_names
from counterpoint.errors import InputError, choose, nearest
from counterpoint.model import Method, MultimodalVAE
from counterpoint.targets import likelihoods
from counterpoint.training.pairs import codes_of

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint


class Adapting:
    """The verb of a fitted estimator that another modality joins.

    Beside `Questions`; `self` is the estimator.
    """

    def adapt(
        self: Any,
        X: Any,
        modalities: Sequence[str] | None = None,
        *,
        mask: Mask = None,
        pair_on: str | Mapping[str, Any] | None = None,
        likelihood: str | Mapping[str, str] | None = None,
        network: str | Mapping[str, Any] | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        seed: int | None = None,
        run: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        checkpoint_seconds: float = 20.0,
    ) -> "Counterpoint":
        """Return a new estimator with the modalities of this one, as they are, and those that are new in X.

        The new encoders and decoders minimise the method's own loss, schedules from their start, on the rows
        that have a new modality, with whatever else these have; of sessions that are paired anew, on all rows
        of the conditions that a new one has. Nothing else moves: no weight, mean or scale of an old modality.
        This estimator stays as it is. Options of the training are its own where none are given.

        Args:
            X: The data, as `fit` takes them: the new modalities beside old ones.
            modalities: Only these of the data, new and old; all of them unless given.
            mask: As in `fit`.
            pair_on: As in `fit`.
            likelihood: Of the new modalities: a name, or name -> name. Unless given, what `fit` was given for
                all of them, or `"auto"`.
            network: Their kind, or name -> kind or (encoder, decoder); likewise.
            epochs: At most so many.
            learning_rate: Of Adam.
            seed: Of the new networks, split, order and noise.
            run: As in `fit`: where the new estimator is saved, an ordinary run.
            resume: As in `fit`: it must be the same model, with the same data.
            overwrite: As in `fit`.
            checkpoint_seconds: As in `fit`.

        Raises:
            InputError: If the method reads all modalities at once, no modality is new, nothing in the data
                ties a new one to old ones, or data or options cannot be used; before any training.
            TrainingDivergedError: If a loss term stops being finite.

        Example:
            >>> from counterpoint import Counterpoint
            >>> rng = np.random.default_rng(0)
            >>> rna = rng.normal(size=(60, 4))
            >>> protein, atac = rna @ rng.normal(size=(4, 3)), rna @ rng.normal(size=(4, 2))
            >>> m = Counterpoint("mmvm", latent_dim=2, epochs=3).fit({"rna": rna, "protein": protein})
            >>> new = m.adapt({"protein": protein, "atac": atac})
            >>> new.modalities_, new.translate({"atac": atac}, "atac", "rna").shape
            (('rna', 'protein', 'atac'), (60, 4))
            >>> bool((new.embed_each({"rna": rna})["rna"] == m.embed_each({"rna": rna})["rna"]).all())
            True
        """
        old = self._fitted_model()
        check_method(old.method)
        if isinstance(X, Backed):
            raise InputError(
                "the data stay in their file, and adapt reads rows in memory; load those that have the new "
                "modality: data[rows].load()."
            )
        data = read(X, mask=mask, pair_on=pair_on)
        if modalities is not None:
            kept = check_names("modalities", modalities, data.names)
            data = data.select(kept)
        new = [name for name in data.names if name not in self.preparation_.names and name != self.target]
        given = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
        made = _unfitted(self, new, likelihood, network, {k: v for k, v in given.items() if v is not None})
        train_options(made, len(data))  # refuse bad options before anything else
        if self.target is not None and (self.target in data.labels or self.target in data.x):
            data = training_rows(self, data)
        data = tied_rows(data, self.preparation_.names, new)
        prepared = _prepared(made, data, new, self.preparation_)
        model = new_model(made, prepared)
        free = _take_over(model, old)
        trainer = made._trainer(data, prepared, model)
        ties = codes_of(data.pairs), codes_of(data.blocks), trainer.covariates
        digest = f"{configuration.data_digest(trainer.x, trainer.mask, *ties)} {_digest(old)}"
        made.data_summary_ = _summary(made, data, prepared, digest, self.data_summary_, new)
        with runs.held(run):
            keeper = made._keeper(trainer, run, resume, overwrite, checkpoint_seconds)
            made._train(trainer, prepared, run, keeper)
        for parameter, moves in free:
            parameter.requires_grad_(moves)
        return made


def check_method(method: Method) -> None:
    """Refuse a method of which a part reads all modalities at once.

    Raises:
        InputError: If it is one.

    Example:
        >>> from counterpoint.methods import jmvae, mmvm
        >>> check_method(mmvm())
        >>> check_method(jmvae())  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: a modality cannot join a trained jmvae: its network that reads ...
    """
    if method.joint or method.conditional:
        raise InputError(
            f"a modality cannot join a trained {method.name}: its network that reads all modalities at once "
            "has no place for another, and would have to change. Fit again on all modalities, or take a "
            "method with an encoder for each alone, such as mmvm or poe."
        )


def tied_rows(data: MultimodalData, old: Sequence[str], new: Sequence[str]) -> MultimodalData:
    """Return the rows that new modalities are trained on.

    Those that have one of them, or, if rows are paired anew, all of a condition that has one.

    Raises:
        InputError: If there is no new modality, or nothing ties one of them to an old one.

    Example:
        >>> data = read({"a": [[1.0], [2.0], [np.nan]], "b": [[np.nan], [4.0], [5.0]]})
        >>> tied_rows(data, ["a"], ["b"]).x["a"].ravel().tolist()
        [2.0, 0.0]
    """
    known = [name for name in data.names if name in old]
    if not new:
        raise InputError(
            f"the data hold no new modality, only {', '.join(data.names)}, which the model has; give the new "
            "one's values under a name of its own, beside old ones."
        )
    if not known:
        hints = "".join(dict.fromkeys(nearest(name, old) for name in new))
        raise InputError(
            f"the data hold {', '.join(new)} alone and none of the model's modalities ({', '.join(old)}), so "
            f"nothing ties the new one to them.{hints} Give old ones in the same rows, or sessions of old "
            "ones to pair on a shared condition."
        )
    present = data.present()
    there = {name: _anywhere(data, present[name]) for name in new}
    beside = np.logical_or.reduce([_anywhere(data, present[name]) for name in known])
    for name in new:
        if not (there[name] & beside).any():
            where = "row" if data.pairs is None else "condition"
            raise InputError(
                f"no {where} has {name!r} beside a modality of the model ({', '.join(known)}), so nothing "
                f"ties it to them; give {where}s that have both."
            )
    return data[np.logical_or.reduce(list(there.values()))]


def _anywhere(data: MultimodalData, present: np.ndarray) -> np.ndarray:
    """Return which rows have a modality, or may be given it when rows are paired anew."""
    return present if data.pairs is None else np.isin(data.pairs, data.pairs[present])


def _unfitted(
    old: "Counterpoint",
    new: Sequence[str],
    likelihood: str | Mapping[str, str] | None,
    network: str | Mapping[str, Any] | None,
    given: Mapping[str, Any],
) -> "Counterpoint":
    """Return an estimator with the arguments of the old one, and what is said of the new modalities."""
    arguments = {**old.get_params(deep=False), **given}
    for what, said in (("likelihood", likelihood), ("network", network)):
        before = arguments[what]
        if isinstance(before, Mapping):  # own modules of the old model would be trained under its hands
            before = {k: v if isinstance(v, str) else copy.deepcopy(v) for k, v in before.items()}
        if said is not None:
            for name in said if isinstance(said, Mapping) else ():
                choose(f"{what}: modality", name, new)
            named = before if isinstance(before, Mapping) else dict.fromkeys(old.modalities_, before)
            before = {**named, **(said if isinstance(said, Mapping) else dict.fromkeys(new, said))}
        arguments[what] = before
    return type(old)(**arguments)


def _prepared(
    made: "Counterpoint", data: MultimodalData, new: Sequence[str], old: Preparation
) -> Preparation:
    """Return the old preparation with that of the new modalities, fitted on their rows, behind it."""
    rows = data.select(new)
    said = made.likelihood
    if isinstance(said, Mapping):
        said = {name: said.get(name, "auto") for name in new}
    words = likelihoods(rows, None, said)
    fitted = Preparation.fit(rows, words, standardise=made.standardise, constant=made.constant)
    covariates = old.covariates and _told(old.covariates, data, new)
    origin = {**old.origin, **fitted.origin}
    return Preparation({**old.modalities, **fitted.modalities}, covariates, origin)


def _told(covariates: Covariates, data: MultimodalData, new: Sequence[str]) -> Covariates:
    """Return the covariates with the categories of which new modalities have rows."""
    if data.pairs is not None:
        raise InputError(
            f"the model is told {', '.join(covariates.names)} of every row, and these rows are paired anew "
            "in every epoch: their parts come from several trials. Give rows of their own, without pair_on."
        )
    columns, present, each, end = covariates.columns(data.labels, len(data)), data.present(), [], 0
    for one in covariates.each:
        start, end = end, end + len(one.categories)
        there = columns[:, start:end] == 1  # where the category is not known, the average stands
        having = {name: tuple(there[present[name]].sum(0).tolist()) for name in new}
        for name, counts in having.items():
            if not sum(counts):
                raise InputError(
                    f"no row that has {name!r} says its {one.name!r}, which the model is told; give those "
                    f"rows one of {', '.join(one.categories)}."
                )
        each.append(replace(one, having={**one.having, **having}))
    return Covariates(tuple(each))


def _take_over(model: MultimodalVAE, old: MultimodalVAE) -> list[tuple[torch.nn.Parameter, bool]]:
    """Give a model all that an old one has, and hold it; return what may move in training otherwise.

    The old modalities are the first of both, so what is the same has the same name.
    """
    tensors = old.state_dict()
    dtype = next(old.parameters()).dtype
    model.to(dtype).load_state_dict({**model.state_dict(), **tensors})
    held = [parameter for name, parameter in model.named_parameters() if name in tensors]
    free = [(parameter, parameter.requires_grad) for parameter in held]
    for parameter in held:
        parameter.requires_grad_(False)
    return free


def _digest(model: MultimodalVAE) -> str:
    """Return a hash of a model's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _summary(
    made: "Counterpoint",
    data: MultimodalData,
    prepared: Preparation,
    digest: str,
    before: Mapping[str, Any],
    new: Sequence[str],
) -> dict[str, Any]:
    """Return what is noted of the training, and where the model came from."""
    present = {name: int(there.sum()) for name, there in data.present().items()}
    classes = {"classes": before["classes"]} if "classes" in before else {}
    return {
        "rows": len(data),
        "present": {name: present.get(name, 0) for name in prepared.names},
        "validation": made.validation,
        "seed": made.seed,
        "fingerprint": configuration.fingerprint(made, digest),
        **classes,
        "adapted": {"from": before["fingerprint"], "added": list(new)},
    }
