"""Whose noise is whose: one stream of random numbers for all rows, or one for each row.

What is said of a row should not depend on the rows beside it. `ByRow` gives every row a stream that follows
from the seed and from what the row holds, so that it draws the same alone, in a table and in a part of a
file. A plain generator draws for all rows in their order, which is quicker: for averages over rows.
Shapes: rows N, draws K.
"""

from collections import Counter
from hashlib import blake2b

import torch

from counterpoint.batch import Batch
from counterpoint.data.multimodal import expand
from counterpoint.shapes import Float

Streams = list[tuple[torch.Generator, slice]]  # which generator draws for which rows, in order


class ByRow:
    """Streams of single rows, for one pass over a table.

    Rows that hold the same, to the bit, are told apart by how many of them came before: each draws anew, the
    first as if it stood alone.

    Args:
        seed: What they follow from, beside the rows.
        device: Where they draw.

    Example:
        >>> x = torch.tensor([[1.0], [2.0], [1.0]])
        >>> rows = Batch({"a": x}, {"a": torch.ones(3, dtype=torch.bool)})
        >>> u, last = uniform(ByRow(0).of(rows)), uniform(ByRow(0).of(rows.at(slice(1, 3))))
        >>> (u[1] == last[0]).item(), (u[0] == last[1]).item(), (u[0] == u[2]).item()
        (True, True, False)
    """

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        self.seed, self.device = seed, device
        self._met: Counter[bytes] = Counter()

    def of(self, batch: Batch) -> Streams:
        """Return the streams of the next rows."""
        held = [x.detach().cpu().numpy() for x in batch.x.values()]
        # Of values, always: whether a mask is of rows or of values tells of the rows beside.
        held += [expand(batch.mask[k].cpu().numpy(), x.shape) for k, x in batch.x.items()]
        if batch.covariates is not None:
            held.append(batch.covariates.detach().cpu().numpy())
        key = self.seed.to_bytes(8, "big")
        streams: Streams = []
        for i in range(batch.rows):
            content = blake2b(key=key, digest_size=16)
            for part in held:
                content.update(part[i].tobytes())
            digest = content.digest()
            again = self._met[digest]
            self._met[digest] += 1
            own = blake2b(again.to_bytes(8, "big"), key=digest, digest_size=8).digest()
            one = torch.Generator(self.device).manual_seed(int.from_bytes(own, "big") >> 1)
            streams.append((one, slice(i, i + 1)))
        return streams


Noise = torch.Generator | ByRow


def streams_of(noise: Noise, batch: Batch) -> Streams:
    """Return who draws for the rows of a batch: every row itself, or the one generator for all."""
    return noise.of(batch) if isinstance(noise, ByRow) else [(noise, slice(0, batch.rows))]


def uniform(streams: Streams, dtype: torch.dtype | None = None) -> Float[torch.Tensor, "N"]:
    """Return one number in [0, 1) a row, (N,)."""
    return torch.cat(
        [torch.rand(s.stop - s.start, generator=g, dtype=dtype, device=g.device) for g, s in streams]
    )


def normal(
    streams: Streams, draws: int, width: int, dtype: torch.dtype | None = None
) -> Float[torch.Tensor, "K N width"]:
    """Return standard normal numbers, (K, N, width)."""
    return torch.cat(
        [
            torch.randn(draws, s.stop - s.start, width, generator=g, dtype=dtype, device=g.device)
            for g, s in streams
        ],
        1,
    )
