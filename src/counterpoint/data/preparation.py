"""`Preparation`: likelihoods, units and names of the training data, which travel with the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from counterpoint.data.arrays import MultimodalData, read
from counterpoint.data.categories import names_of
from counterpoint.data.checks import LIKELIHOODS
from counterpoint.data.covariates import Covariates
from counterpoint.data.prepared import Prepared, apply_one, fit_one
from counterpoint.data.stored import from_plain, origin_from, to_plain
from counterpoint.data.values import check_name
from counterpoint.errors import InputError, choose, nearest

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Preparation:
    """How data become what the model reads, and back; fitted on the training rows.

    Attributes:
        modalities: name -> `Prepared`, in the order of the modalities.
        covariates: what encoders and decoders are told of a row beside its values; None for nothing.
        origin: name -> how it was found in the training data, for modalities that are not found by their name
            alone, see `MultimodalData`.

    Example:
        >>> import numpy as np
        >>> from counterpoint.data import read
        >>> data = read({"a": [[1.5, 5.0], [3.5, np.nan], [5.5, 9.0]]})
        >>> preparation = Preparation.fit(data)
        >>> x, mask = preparation.apply(data)
        >>> x["a"][:, 1], preparation.inverse("a", x["a"])[2].round(3)
        (array([-1.,  0.,  1.], dtype=float32), array([5.5, 9. ]))
    """

    modalities: dict[str, Prepared]
    covariates: Covariates | None = None
    origin: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        data: Any,
        likelihood: str | Mapping[str, str] = "auto",
        standardise: bool = True,
        constant: str = "refuse",
        batch: str | Sequence[str] | None = None,
    ) -> "Preparation":
        """Fit on the observed values of the training rows.

        Args:
            data: `MultimodalData`, or whatever `counterpoint.data.read` reads.
            likelihood: "auto", one name for all modalities, or modality -> name (the others are inferred).
            standardise: bring real values to mean 0 and standard deviation 1 per feature.
            constant: "refuse" or "keep" columns that never vary.
            batch: labels that are covariates, such as "donor"; none unless given.

        Raises:
            InputError: an unknown likelihood or modality, a modality that is never observed, values out of
                range, constant columns; a label that is no covariate.
        """
        data = data if isinstance(data, MultimodalData) else read(data)
        if not isinstance(standardise, (bool, np.bool_)):
            raise InputError(f"standardise is {standardise!r}; it must be True or False.")
        choose("constant", constant, ("refuse", "keep"))
        if isinstance(likelihood, Mapping):
            for name in likelihood:
                choose("likelihood: modality", name, data.names)
        chosen = {
            n: likelihood.get(n, "auto") if isinstance(likelihood, Mapping) else likelihood
            for n in data.names
        }
        for name, word in chosen.items():
            choose(f"likelihood of modality {name!r}", word, ("auto", *LIKELIHOODS))
        names = names_of(batch)
        covariates = Covariates.fit(data.labels, data.present(), names) if names else None
        return cls(
            {
                name: fit_one(
                    name,
                    data.x[name],
                    data.mask[name],
                    data.features[name],
                    data.categories[name],
                    likelihood=chosen[name],
                    standardise=bool(standardise),
                    constant=constant,
                )
                for name in data.names
            },
            covariates,
            {name: found for name, found in data.origin.items() if found},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities, in their order."""
        return tuple(self.modalities)

    @property
    def likelihoods(self) -> dict[str, str]:
        """Modality -> name of its likelihood."""
        return {name: one.likelihood for name, one in self.modalities.items()}

    def __getitem__(self, name: str) -> Prepared:
        return self.modalities[choose("modality", name, self.modalities)]

    def apply(
        self, data: Any, allow_absent: bool = True, keep_bytes: bool = False
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return what the model reads: name -> x and name -> mask, in the fitted order.

        Args:
            data: `MultimodalData`, or whatever `counterpoint.data.read` reads.
            allow_absent: take a modality that the data lack as absent in every row, instead of refusing.
            keep_bytes: leave pictures of 0..255 that are uint8 and have a mask of rows as they are, a quarter
                of the memory; they may be the data's own array. What reads them divides by 255.

        Returns:
            x (N, *event) float32, contiguous, int64 codes for `categorical`, uint8 for bytes that are kept, 0
            where absent; mask bool, (N,) or (N, *event).

        Raises:
            InputError: other modalities, shapes, columns or categories than fitted, or values out of range.
        """
        data = data if isinstance(data, MultimodalData) else read(data)
        lacking = [name for name in self.names if name not in data.x]
        for name in data.names:
            if name not in self.modalities:
                hint = nearest(name, lacking)
                raise InputError(
                    f"modality {name!r} was not fitted; fitted are {', '.join(self.names)}.{hint} Leave it "
                    "out (modalities=[...])."
                )
        if lacking and not allow_absent:
            raise InputError(
                f"The data lack {', '.join(map(repr, lacking))}; fitted are {', '.join(self.names)}. Give "
                "all of them; NaN stands "
                "for what is missing."
            )
        x: dict[str, np.ndarray] = {}
        mask: dict[str, np.ndarray] = {}
        for name, one in self.modalities.items():
            if name in data.x:
                mask[name] = np.ascontiguousarray(data.mask[name])
                parts = (data.x[name], data.mask[name], data.features[name], data.categories[name])
                x[name] = apply_one(name, one, *parts, keep_bytes=keep_bytes)
            else:
                dtype = np.int64 if one.likelihood == "categorical" else np.float32
                dtype = np.uint8 if keep_bytes and one.pixels == "byte" else dtype
                x[name] = np.zeros((len(data), *one.event), dtype=dtype)
                mask[name] = np.zeros(len(data), dtype=bool)
        return x, mask

    def inverse(self, name: str, array: Any) -> np.ndarray:
        """Return values in the data's own units: array * scale + shift, (..., *event).

        Raises:
            InputError: an unknown modality, or last dimensions other than its event.
        """
        values = self._fitting(name, array)
        one = self.modalities[name]
        values = self.inverse_scale(name, values)
        return values if one.shift is None else values + one.shift

    def inverse_scale(self, name: str, array: Any) -> np.ndarray:
        """Return standard deviations in the data's own units: array * scale; (..., *event).

        Raises:
            InputError: an unknown modality, or last dimensions other than its event.

        Example:
            >>> preparation = Preparation.fit({"a": [[-1.0], [3.0]]})
            >>> preparation.inverse_scale("a", [[0.5]])
            array([[1.]])
        """
        values = self._fitting(name, array)
        scale = self.modalities[name].scale
        return values if scale is None else values * (scale if scale.ndim else float(scale))

    def _fitting(self, name: str, array: Any) -> np.ndarray:
        """Check the last dimensions of model values."""
        one = self[name]
        values = np.asarray(array)
        event = one.event
        if (
            one.n_categories is not None
            and values.shape[-1:] == (one.n_categories,)
            and values.ndim > len(event)
        ):
            fine = values.shape[-1 - len(one.event) :] == (*one.event, one.n_categories)
            fine = fine or values.shape[-len(one.event) :] == one.event
        else:
            fine = values.shape[max(values.ndim - len(event), 0) :] == event
        if not fine:
            raise InputError(
                f"The values for {name!r} have shape {values.shape}; their last dimensions must be "
                f"{one.event}."
            )
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, text, lists and dicts, ready for JSON.

        Example:
            >>> import json
            >>> preparation = Preparation.fit({"a": [[-1.0], [5.0]]})
            >>> again = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
            >>> again["a"].shift
            array([2.])
        """
        plain = [{"name": name, **to_plain(one)} for name, one in self.modalities.items()]
        told = {} if self.covariates is None else {"covariates": self.covariates.to_plain()}
        told |= {"origin": self.origin} if self.origin else {}
        return {"format": FORMAT, "modalities": plain, **told}

    @classmethod
    def from_dict(cls, given: Any) -> "Preparation":
        """Make a preparation from what `to_dict` returned.

        Raises:
            InputError: parts lack, are unknown, or contradict one another.
        """
        if (
            not isinstance(given, Mapping)
            or not isinstance(given.get("modalities"), list)
            or not given["modalities"]
        ):
            raise InputError(
                "The preparation is not a dict with a list 'modalities'; it is damaged: save the model again."
            )
        if given.get("format") != FORMAT:
            raise InputError(
                f"The preparation has format {given.get('format')!r}; this version reads {FORMAT}. Save it "
                "again, or use the "
                "version of counterpoint that wrote it."
            )
        found: dict[str, Prepared] = {}
        for entry in given["modalities"]:
            name = check_name(entry.get("name") if isinstance(entry, Mapping) else entry)
            if name in found:
                raise InputError(f"The preparation names modality {name!r} twice; it is damaged.")
            found[name] = from_plain(name, entry)
        covariates = None  # of a version that knew none, or a model without
        if "covariates" in given:
            covariates = Covariates.from_plain(given["covariates"], list(found))
        return cls(found, covariates, origin_from(given.get("origin", {}), list(found)))
