"""What a fitted estimator can be asked, in the names and units of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from counterpoint import costs, generating, inference
from counterpoint.batch import Batch
from counterpoint.batches import average_of, fitted_with, prepared_batch, unshifted
from counterpoint.data import MultimodalData, Preparation
from counterpoint.data.backed import Backed
from counterpoint.data.matching import warn
from counterpoint.data.multimodal import expand
from counterpoint.data.query import read_for
from counterpoint.densities import Density
from counterpoint.errors import InputError, choose, whole
from counterpoint.model import MultimodalVAE
from counterpoint.row_noise import ByRow
from counterpoint.seeds import derive, generator

Mask = Mapping[str, Any] | None
AsBatch = Mapping[str, Any] | None


@dataclass(frozen=True)
class Imputation:
    """One modality, imputed.

    Args:
        filled: (N, *event) in the data's units: what was observed, with the holes filled by the mean (or by
            the most probable category's code).
        mean: (N, *event), the mean of every value, observed or not; (N, *event, V) probabilities for
            categories.
        spread: Standard deviation, with the shape of `mean`.
        draws: (K, N, *event) predictive draws.
    """

    filled: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    draws: np.ndarray


class Questions:
    """The verbs of a fitted estimator; `model_`, `preparation_`, `device` and `seed` come from it.

    Every verb takes `X` as `fit` does (modalities may be absent), and `mask` for data that cannot hold NaN.
    `given` hides all modalities but the named. `how` is `"mixture"`, `"precision"` (weighed by it) or
    `"product"` of the observed posteriors, for methods without a joint one. `draws` = 0 decodes the posterior
    means; otherwise that many latent draws are averaged, with noise from `seed` and from what the row holds,
    so that a row is answered alone as it is in a table. Of a model that was fitted
    with `batch`, rows are told by their labels, and `as_batch`, such as `{"donor": "A"}`, decodes all of them
    as if they came from there. All raise `InputError` if the data do not fit what was trained on, or a name
    or an option is unknown.
    """

    model_: MultimodalVAE
    preparation_: Preparation
    densities_: dict[str, Density]
    device: str
    seed: int

    @property
    def modalities_(self) -> tuple[str, ...]:
        """The modalities, in order; a target is none of them."""
        model = self._fitted_model()
        return tuple(name for name in model.names if name != model.target)

    def _fitted_model(self) -> MultimodalVAE:
        if not hasattr(self, "model_"):
            raise InputError(
                "this Counterpoint is not fitted; call fit(data) first, or counterpoint.load(run)."
            )
        return self.model_

    def _batch(self, X: Any, mask: Mask = None, given: Sequence[str] | None = None) -> Batch:
        names, dtype = self._fitted_model().names, next(self.model_.parameters()).dtype
        batch = prepared_batch(self._rows(X, mask), self.preparation_, dtype, self.device)
        return batch if given is None else batch.given(inference.check_names(given, names, "given"))

    def _rows(self, X: Any, mask: Mask) -> MultimodalData:
        """Return what is asked about, columns in the order of the fit, without a target."""
        names = self.modalities_  # refuses an estimator that is not fitted
        found: Any = read_for(X, self.preparation_, names, mask=mask, said=warn)
        return found

    def _seed(self, seed: int | None) -> int:
        return self.seed if seed is None else whole("seed", seed, least=0)

    def _noise(self, use: str, seed: int | None) -> torch.Generator:
        return generator(self._seed(seed), use, device=self.device)

    def _as_batch(self, given: AsBatch, names: Sequence[str]) -> torch.Tensor | None:
        """Return the columns that stand in place of the rows' own, (C,); NaN where those stay."""
        if given is None:
            return None
        columns = fitted_with(self.preparation_, "as_batch").as_batch(given, names)
        dtype = next(self._fitted_model().parameters()).dtype
        return torch.tensor(columns, dtype=dtype, device=self.device)

    def embed(
        self,
        X: Any,
        given: Sequence[str] | None = None,
        *,
        how: str = "mixture",
        mask: Mask = None,
        remove_batch: Any = False,
    ) -> np.ndarray:
        """Return the mean of the joint posterior given what each row has, (N, D).

        A row with nothing observed gets the prior's mean, zero; one name in `given` gives its own posterior.
        `remove_batch` takes away what is left of the mean shift of every batch, which assumes that batches
        hold like mixtures of rows: True finds it in these rows, other rows (as `X`) are where it is found.
        """
        if isinstance(X, Backed) and mask is None and remove_batch is False:
            return X.each(lambda part: self.embed(part, given, how=how))
        model, batch = self._fitted_model(), self._batch(X, mask, given)
        found = inference.joint_mean(model, batch, how)
        if remove_batch is not False:
            fitted_with(self.preparation_, "remove_batch")
            of = batch if remove_batch is True else self._batch(remove_batch, None, given)
            found = unshifted(found, batch, inference.joint_mean(model, of, how), of)
        return found.cpu().numpy()

    def embed_each(self, X: Any, *, mask: Mask = None) -> dict[str, np.ndarray]:
        """Return each modality's own posterior means, name -> (N, D); NaN in rows that lack it."""
        if isinstance(X, Backed) and mask is None:
            return X.each(self.embed_each)
        means = inference.unimodal_mean(self._fitted_model(), self._batch(X, mask)).cpu().numpy()
        named = dict(zip(self._fitted_model().names, means, strict=True))
        return {name: named[name] for name in self.modalities_}

    def transform(self, X: Any) -> np.ndarray:
        """Return `embed(X)`, (N, D)."""
        return self.embed(X)

    def get_latent_representation(self, X: Any) -> np.ndarray:
        """Return `embed(X)`, (N, D), under the name that scvi-tools uses."""
        return self.embed(X)

    def reconstruct(
        self,
        X: Any,
        given: Sequence[str] | None = None,
        *,
        draws: int = 0,
        how: str = "mixture",
        seed: int | None = None,
        mask: Mask = None,
        as_batch: AsBatch = None,
    ) -> dict[str, np.ndarray]:
        """Return every modality's mean given what each row has, name -> (N, *event) in the data's units.

        Where every modality keeps its own latent, a modality that is given is decoded from its own;
        categories come as probabilities.
        """
        batch, told = self._batch(X, mask, given), self._as_batch(as_batch, self.modalities_)
        return {name: self._decoded(batch, name, draws, how, seed, told) for name in self.modalities_}

    def translate(
        self,
        X: Any,
        source: str | Sequence[str],
        target: str,
        *,
        draws: int = 0,
        how: str = "mixture",
        seed: int | None = None,
        mask: Mask = None,
        as_batch: AsBatch = None,
    ) -> np.ndarray:
        """Return the mean of `target` given only `source`, (N, *event) in the data's units."""
        choose("target", target, self.modalities_)
        names = inference.check_names(
            (source,) if isinstance(source, str) else source, self.modalities_, "source"
        )
        told = self._as_batch(as_batch, (target,))
        return self._decoded(self._batch(X, mask, names), target, draws, how, seed, told)

    def _decoded(
        self,
        batch: Batch,
        target: str,
        draws: int,
        how: str,
        seed: int | None,
        as_batch: torch.Tensor | None = None,
    ) -> np.ndarray:
        whole("draws", draws, least=0)
        noise = ByRow(derive(self._seed(seed), f"decode/{target}"), self.device)
        mean = inference.reconstruct(
            self._fitted_model(), batch, target, draws=draws, noise=noise, how=how, as_batch=as_batch
        )
        return self._units(target, mean)

    def _units(self, name: str, mean: torch.Tensor) -> np.ndarray:
        return self.preparation_.inverse(name, mean.double().cpu().numpy())

    def impute(
        self,
        X: Any,
        to: str | Sequence[str] | None = None,
        *,
        draws: int = 32,
        how: str = "mixture",
        seed: int | None = None,
        mask: Mask = None,
        as_batch: AsBatch = None,
    ) -> dict[str, Imputation]:
        """Impute every row from whatever it has, name -> `Imputation`.

        The latent is drawn from the joint posterior over what the row has, a mixture where every modality
        keeps its own. `to` names the modalities, all of them unless given; `draws` are K predictive draws.
        """
        whole("draws", draws)
        wanted = inference.check_names(self.modalities_ if to is None else to, self.modalities_, "to")
        data = self._rows(X, mask)
        batch, told = self._batch(data), self._as_batch(as_batch, wanted)
        options: dict[str, Any] = {"draws": draws, "how": how, "as_batch": told}
        return {name: self._imputed(data, batch, name, seed, options) for name in wanted}

    def _imputed(
        self, data: MultimodalData, batch: Batch, name: str, seed: int | None, options: Mapping[str, Any]
    ) -> Imputation:
        """Return an imputation in the data's units."""
        noise = ByRow(derive(self._seed(seed), f"impute/{name}"), self.device)
        mean, spread, drawn = inference.impute(self._fitted_model(), batch, name, noise=noise, **options)
        one = self.preparation_[name]
        scale = self.preparation_.inverse_scale(name, spread.double().cpu().numpy())
        filled = self._units(name, mean if one.n_categories is None else mean.argmax(-1))
        if name in data.x:  # the data's own values, not standardised and back; codes as they were fitted
            x = data.x[name] if one.n_categories is None else batch.x[name].cpu().numpy()
            filled = np.where(expand(data.mask[name], x.shape), x, filled)
        return Imputation(filled, self._units(name, mean), scale, self._units(name, drawn))

    def fit_density(
        self, X: Any, kind: str = "gmm", *, components: int | None = None, seed: int | None = None,
        mask: Mask = None,
    ) -> Self:  # fmt: skip
        """Fit a density over the joint latents of the training rows, from which `sample` draws.

        Every row gives one draw from its joint posterior given what it has; rows with nothing observed are
        left out: `densities_[kind].settings` says how many. Kinds are `"gmm"`, `"flow"`, `"hyperprior"` and
        `"vamp"`, see `counterpoint.densities`; `components` is for gmm and vamp, which choose unless given.
        """
        model, batch = self._fitted_model(), self._batch(X, mask)
        made = generating.fit(model, batch, kind, seed=self._seed(seed), components=components)
        self.densities_ = {**self.densities_, kind: made}
        return self

    def sample(
        self,
        n: int,
        *,
        density: str | None = None,
        noise: bool = False,
        seed: int | None = None,
        as_batch: AsBatch = None,
    ) -> dict[str, np.ndarray]:
        """Return n new rows, name -> (n, *event) in the data's units; row i of all comes from one latent.

        `density` is a kind that was fitted, or `"standard"`, the prior of methods trained against N(0, I);
        unless given, the first of gmm, flow, hyperprior, vamp that was fitted, or that prior if none was.
        `noise` draws from the likelihood (categories come as codes) instead of taking its mean. Without
        `as_batch`, decoders are told the average of the training rows.
        """
        model, asked = self._fitted_model(), self._as_batch(as_batch, self.modalities_)
        z = generating.draw(model, self.densities_, density, n, self._seed(seed))
        streams = {name: self._noise(f"sample/{name}", seed) for name in model.names}
        made = generating.decode(model, z, streams, noise, average_of(self.preparation_, asked))
        return {name: self._units(name, rows) for name, rows in made.items()}

    def score_terms(
        self, X: Any, *, seed: int | None = None, mask: Mask = None
    ) -> dict[str, dict[str, float]]:
        """Return reconstruction and rate per modality, in nats per row of the standardised data.

        Names and values as in `counterpoint.costs.terms`; fixed likelihood constants are included.
        """
        batch = self._batch(X, mask)
        streams = {use: self._noise(f"score/{use}", seed) for use in costs.uses(self.modalities_)}
        return costs.terms(self._fitted_model(), batch, self.modalities_, streams)

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the training loss per row at the final hyperparameters, in nats: larger is better.

        Comparable between fits of one method on the same standardised data, not between methods.
        """
        model, batch = self._fitted_model(), self._batch(X)
        hyper, noise = model.method.final(), self._noise("score", None)
        dtype = next(model.parameters()).dtype

        def ask(part: Batch) -> torch.Tensor:
            return model.loss(part, model.noise(part.rows, noise, dtype), hyper).total

        return -inference.by_chunk(batch, ask).mean().item()
