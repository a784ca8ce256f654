"""A modality: its encoder, its decoder, its likelihood, and what both networks are told of the row."""

from collections.abc import Callable

import torch
from torch import nn

from counterpoint.errors import InputError, number
from counterpoint.likelihoods import Likelihood
from counterpoint.shapes import Float, Tensor


class Modality(nn.Module):
    """One kind of measurement: its encoder, its decoder, its likelihood and its weight in the loss.

    With private latents of W columns, an encoder gives heads * W columns more; a decoder reads (B, D + W).
    With covariates c (B, C) of the rows, the encoder reads and the decoder is given

        x' = e(x) + A c          where x was observed, A learned, (*input_shape, C)
        o  = decoder([z, c])     so it reads (B, D + W + C)

    with e(x) what the likelihood makes of the values. Both see c K instead of c, with K (C, C) `known`.

    Args:
        encoder: Module from (B, *likelihood.input_shape) to (B, heads * D).
        decoder: Module from (B, D) to (B, *likelihood.output_shape).
        likelihood: p(x | decoder output).
        weight: Factor of its distortion in the loss, above 0.
        auxiliary: Numbers that describe an auxiliary prior, see `Method.auxiliary`.
        known: How it is told of covariates, (C, C): the identity, but for categories of which no training row
            has this modality, whose rows hold what stands for them. None without covariates.

    Raises:
        InputError: If the weight is not above 0; where rows come without covariates, and it reads them.

    Example:
        >>> from counterpoint.likelihoods import Normal
        >>> one = Modality(nn.Linear(3, 4), nn.Linear(2 + 5, 3), Normal((3,)), known=torch.eye(5))
        >>> one.decode(torch.zeros(7, 2), covariates=torch.eye(5)[:1].expand(7, -1)).shape
        torch.Size([7, 3])
        >>> one.decode(torch.zeros(7, 2))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: the model reads 5 columns of covariates, and the rows came ...
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        weight: float = 1.0,
        auxiliary: int = 0,
        known: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.weight = number("modality weight", weight, open_=True)
        self.auxiliary = nn.Parameter(torch.zeros(auxiliary)) if auxiliary else None
        self.known: Tensor | None
        self.register_buffer("known", known, persistent=False)  # of the preparation, not learned
        shape = None if known is None else (known.shape[0], *likelihood.input_shape)
        self.shift = None if shape is None else nn.Parameter(torch.zeros(shape))  # A, C first
        self.network_dtype: torch.dtype | None = None  # lower precision of the two networks, set by a trainer

    def run(self, network: Callable[[Tensor], Tensor], read: Tensor) -> Tensor:
        """Run a network on what it reads (B, ...), in the networks' precision; the result has the input's."""
        if self.network_dtype is None:
            return network(read).to(read.dtype)
        with torch.autocast(read.device.type, dtype=self.network_dtype):
            return network(read).to(read.dtype)

    def told(self, covariates: Float[Tensor, "B C"] | None) -> Float[Tensor, "B C"] | None:
        """Return the covariates as both networks are told of them, None where they read none."""
        if self.known is None:
            return None
        if covariates is None:
            count = self.known.shape[0]
            raise InputError(
                f"the model reads {count} columns of covariates, and the rows came without; give them as "
                "Batch(..., covariates=...), and hand batch.covariates to decode and log_prob."
            )
        return covariates @ self.known

    def read(self, x: Tensor, mask: Tensor, covariates: Float[Tensor, "B C"] | None = None) -> Tensor:
        """Return what the encoder is given, (B, *input_shape)."""
        given, told = self.likelihood.encode(x, mask), self.told(covariates)
        if told is None:
            return given
        assert self.shift is not None
        seen = mask.reshape(*mask.shape, *[1] * (given.dim() - mask.dim()))
        return torch.where(seen, given + torch.tensordot(told, self.shift, 1), given)

    def decode(
        self,
        z: Float[Tensor, "*axes D"],
        covariates: Float[Tensor, "B C"] | None = None,
        decoder: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return the decoder's (or another's) output for latents with any axes, (..., *output_shape).

        Where there are covariates, B is the last axis of the latents but one.
        """
        told = self.told(covariates)
        if told is not None:
            z = torch.cat([z, told.expand(*z.shape[:-1], -1)], -1)
        out = self.run(self.decoder if decoder is None else decoder, z.reshape(-1, z.shape[-1]))
        return out.reshape(*z.shape[:-1], *out.shape[1:])

    def log_prob(
        self,
        z: Float[Tensor, "*axes B D"],
        x: Tensor,
        mask: Tensor,
        covariates: Float[Tensor, "B C"] | None = None,
    ) -> Float[Tensor, "*axes B"]:
        """Return log p(x | z) in nats over the observed values."""
        return self.likelihood.log_prob(self.decode(z, covariates), x, mask)

    forward = log_prob  # what `functional_call` calls
