"""What the GPU benchmark trains, and the loop of published codes that trains it too."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from gpu_common import Bench
from torch import Tensor, nn
from torch.distributions import Laplace as OfficialLaplace
from torch.distributions import Normal as OfficialNormal
from torch.distributions import kl_divergence

from counterpoint.likelihoods import Laplace, Normal
from counterpoint.methods import METHODS
from counterpoint.model import Modality, MultimodalVAE
from counterpoint.nn import networks
from counterpoint.seeds import generator


@dataclass(frozen=True)
class Task:
    """Networks and data; the data lie on the device."""

    kind: str
    shapes: tuple[tuple[int, ...], ...]
    latent: int
    batch: int
    rows: int
    hidden: tuple[int, ...] = ()
    width: int | None = None

    @property
    def pictures(self) -> bool:
        return self.kind != "mlp"

    def data(self, device: torch.device, last: bool) -> dict[str, Tensor]:
        """Bytes (N, C, H, W), or with channels last; tables are single precision."""
        g = torch.Generator().manual_seed(1)
        found = {}
        for m, s in enumerate(self.shapes):
            if self.pictures:
                v = torch.randint(0, 256, (self.rows, *s), generator=g, dtype=torch.uint8)
                v = v.permute(0, 2, 3, 1).contiguous() if last else v
            else:
                v = torch.randn(self.rows, *s, generator=g)
            found[f"m{m}"] = v.to(device)
        return found

    def nets(self, seed: int, last: bool) -> list[tuple[nn.Module, nn.Module]]:
        kind, made = {"plain": "conv"}.get(self.kind, self.kind), []
        for m, s in enumerate(self.shapes):
            s = (*s[1:], s[0]) if last else s
            draw = generator(seed, "init", m)
            pair = networks(
                kind, s, s, self.latent, generator=draw, hidden=self.hidden, width=self.width
            )  # fmt: skip
            made.append(pair)
        return made

    def model(self, seed: int, last: bool = False, method: str = "mmvm") -> MultimodalVAE:
        parts = {}
        for m, (encoder, decoder) in enumerate(self.nets(seed, last)):
            s = self.shapes[m]
            s = (*s[1:], s[0]) if last else s
            if last:
                stay_last(decoder)
            parts[f"m{m}"] = Modality(encoder, decoder, Laplace(s, 0.75) if self.pictures else Normal(s))
        return MultimodalVAE(parts, METHODS[method](), self.latent)


class Last(nn.Module):
    """Keep pictures with their channels last in memory from here on."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


def stay_last(decoder: nn.Module) -> None:
    """Let a decoder's pictures have their channels last from where they begin."""
    inner: Any = decoder.network
    layers = list(inner.layers)
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Unflatten))
    inner.layers = nn.Sequential(*layers[: at + 1], Last(), *layers[at + 1 :])


# ---- contenders


def official(bench: Bench, task: Task) -> Callable[[], Tensor | None]:
    """Distribution objects, a double loop over the modalities, Adam as it comes, single precision."""
    x, nets = task.data(bench.device, False), [n for pair in task.nets(0, False) for n in pair]
    body = nn.ModuleList(nets).to(bench.device)
    adam = torch.optim.Adam(body.parameters(), lr=5e-4)
    index = torch.arange(task.batch, device=bench.device)

    def step() -> Tensor:
        rows = [v.index_select(0, index) for v in x.values()]
        rows = [v.float() / 255 for v in rows] if task.pictures else rows
        posteriors, loss = [], torch.zeros((), device=bench.device)
        for v, encoder, decoder in zip(rows, body[::2], body[1::2], strict=True):
            mu, log_variance = encoder(v).chunk(2, -1)
            q = OfficialNormal(mu, torch.exp(0.5 * log_variance), validate_args=False)
            out = decoder(q.rsample())
            scale = torch.tensor(0.75 if task.pictures else 1.0).to(bench.device)
            p = (OfficialLaplace if task.pictures else OfficialNormal)(out, scale, validate_args=False)
            loss = loss - p.log_prob(v).flatten(1).sum(1).mean()
            posteriors.append(q)
        for q in posteriors:
            each = [kl_divergence(q, other).sum(-1) for other in posteriors]
            loss = loss + torch.stack(each).sum(0).mean() / len(posteriors)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.detach()

    return step
