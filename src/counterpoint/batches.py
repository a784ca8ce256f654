"""From data to the batch that a model reads, and what covariates leave in an embedding."""

import torch

from counterpoint.batch import Batch
from counterpoint.data import MultimodalData, Preparation
from counterpoint.data.covariates import Covariates
from counterpoint.errors import InputError


def prepared_batch(
    data: MultimodalData,
    prepared: Preparation,
    dtype: torch.dtype,
    device: str,
    *,
    keep_bytes: bool = False,
) -> Batch:
    """Return the data as the model reads them, on a device.

    With `keep_bytes`, pictures of 0..255 that are uint8 stay so, in the data's own memory where they can:
    only a trainer, which reads them as 255ths and never writes, may ask for it.
    """
    x, mask = prepared.apply(data, keep_bytes=keep_bytes)
    told = None
    if prepared.covariates is not None:
        told = torch.from_numpy(prepared.covariates.columns(data.labels, len(data))).to(device, dtype)
    # torch warns of what it may not write to, such as a file that was mapped to be read
    x = {k: v if v.flags.writeable else v.copy() for k, v in x.items()}
    tensors = {k: torch.from_numpy(v).to(device) for k, v in x.items()}
    tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}
    return Batch(tensors, {k: torch.from_numpy(v).to(device) for k, v in mask.items()}, told)


def fitted_with(prepared: Preparation, what: str) -> Covariates:
    """Return the covariates that a model was fitted with, for an option that needs them.

    Raises:
        InputError: If there are none.

    Example:
        >>> fitted_with(Preparation.fit({"a": [[1.0], [2.0]]}), "as_batch")
        Traceback (most recent call last):
        counterpoint.errors.InputError: as_batch is for models that were fitted with batch='label', and this \
one was not; leave it out, or fit again.
    """
    if prepared.covariates is None:
        raise InputError(
            f"{what} is for models that were fitted with batch='label', and this one was not; leave it out, "
            "or fit again."
        )
    return prepared.covariates


def average_of(prepared: Preparation, as_batch: torch.Tensor | None = None) -> torch.Tensor | None:
    """Return what decoders are told of a row that comes from nowhere, (C,): the average where NaN.

    Example:
        >>> average_of(Preparation.fit({"a": [[1.0], [2.0]]})) is None
        True
    """
    if prepared.covariates is None:
        return None
    average = torch.from_numpy(prepared.covariates.average)
    return average if as_batch is None else torch.where(as_batch.cpu().isnan(), average, as_batch.cpu())


def unshifted(z: torch.Tensor, rows: Batch, z_of: torch.Tensor, of: Batch) -> torch.Tensor:
    """Return latents (N, D) without the mean shift of their categories, as other rows show it.

        z' = z - (c - c_mean) B,    B = argmin sum_n |z_n - z_mean - (c_n - c_mean) B|^2,  the smallest such

    with c the one-hot columns of all covariates; means and sums are over the other rows, whose mean so stays
    where it is. Rows with nothing observed tell nothing and stay where they are.

    Args:
        z: Latents (N, D).
        rows: Their rows, with covariates.
        z_of: Latents (R, D) of the rows that the shift is found in.
        of: These rows.

    Example:
        >>> donor = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> rows = Batch({"a": torch.zeros(4, 1)}, {"a": torch.ones(4, dtype=torch.bool)}, donor)
        >>> z = torch.tensor([[0.0], [2.0], [10.0], [12.0]])
        >>> unshifted(z, rows, z, rows).ravel().round().tolist()
        [5.0, 7.0, 5.0, 7.0]
    """
    assert rows.covariates is not None
    assert of.covariates is not None
    there, seen = rows.present.any(0).unsqueeze(-1), of.present.any(0)
    told, latents = of.covariates[seen].double(), z_of[seen].double()
    if not len(latents):
        return z
    centre = told.mean(0)
    shift = torch.linalg.pinv(told - centre, rtol=1e-9) @ (latents - latents.mean(0))
    return torch.where(there, z - ((rows.covariates.double() - centre) @ shift).to(z.dtype), z)
