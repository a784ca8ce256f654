"""What a model reads: values and, always, which of them were observed."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from counterpoint.shapes import Bool, Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of several modalities with the mask of what was observed.

    Both mappings have the same keys in the same order: the order of the modalities.

    Args:
        x: name -> (B, *event). Zero where not observed; a NaN never gets this far.
        mask: name -> bool, (B,) if rows are observed whole or not at all, or (B, *event) for single values.
        covariates: (B, C), what encoders and decoders are told of every row beside its values: the one-hot
            columns of its categories, such as its donor's. None where there are none.

    Example:
        >>> import torch
        >>> b = Batch({"a": torch.zeros(2, 3)}, {"a": torch.tensor([True, False])})
        >>> b.present.tolist(), b.at(slice(1)).rows
        ([[True, False]], 1)
    """

    x: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    covariates: Tensor | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities, in order."""
        return tuple(self.x)

    @property
    def rows(self) -> int:
        """B, the number of rows."""
        return next(iter(self.x.values())).shape[0]

    @property
    def present(self) -> Bool[Tensor, "M B"]:
        """(M, B): whether any value of the modality is observed in the row."""
        return torch.stack([_any(m) for m in self.mask.values()])

    def given(self, names: tuple[str, ...]) -> "Batch":
        """Return the batch as if only the named modalities had been observed."""
        mask = {n: m if n in names else torch.zeros_like(m) for n, m in self.mask.items()}
        x = {n: v if n in names else torch.zeros_like(v) for n, v in self.x.items()}
        return Batch(x, mask, self.covariates)

    def at(self, rows: slice | Tensor) -> "Batch":
        """Return some of the rows; a slice gives views."""
        told = None if self.covariates is None else self.covariates[rows]
        x, mask = ({k: v[rows] for k, v in part.items()} for part in (self.x, self.mask))
        return Batch(x, mask, told)


def _any(mask: Tensor) -> Tensor:
    return mask if mask.dim() == 1 else mask.flatten(1).any(1)


def real(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return values as a model reads them: in a precision, bytes of pictures as 255ths, codes as they are.

    Example:
        >>> import torch
        >>> real(torch.tensor([0, 51, 255], dtype=torch.uint8), torch.float32)
        tensor([0.0000, 0.2000, 1.0000])
    """
    if x.dtype == torch.uint8:
        # In float32 whatever the precision; by a tensor, since a GPU takes a number's reciprocal.
        return (x.to(torch.float32) / torch.full((), 255.0, device=x.device)).to(dtype)
    return x.to(dtype) if x.is_floating_point() else x
