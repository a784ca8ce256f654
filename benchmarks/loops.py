"""The contenders: ours, one model or a stack, and three loops that people write instead.

All train the MMVM loss with pairwise rates (`counterpoint.methods.mmvm`) on complete data, with the same
networks from the same seed. `loss(x, noise)` of the rivals' states is there to be compared with ours.
"""

import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
from peers import Paused
from torch import Tensor, nn
from torch.distributions import Laplace, Normal, kl_divergence
from torch.utils.data import DataLoader, Dataset, TensorDataset
from workloads import LEARNING_RATE, SCALE, Workload

from counterpoint.training.options import TrainOptions
from counterpoint.training.population import Population

LOGGED = 9  # terms that the ordinary loops log at every step
ENDLESS = 10**9  # epochs; the race ends the run


class Ours:
    """`Population`: one model, or a stack of models of one method; pictures as (C, H, W) or (H, W, C)."""

    def __init__(self, models: int = 1, precision: str = "float32", last: bool = False) -> None:
        self.models, self.precision, self.last = models, precision, last
        kind = "one" if models == 1 else f"stack of {models}"
        self.name = f"ours, {kind}" + ("" if precision == "float32" else f", {precision}")
        self.name += ", channels last" if last else ""

    def prepare(self, workload: Workload) -> Paused:
        workload = workload.last() if self.last else workload
        x, mask = workload.arrays()
        options = TrainOptions(
            ENDLESS,
            workload.batch,
            learning_rate=LEARNING_RATE,
            validation=0.0,
            patience=None,
            precision=self.precision,
        )
        models = [workload.model(seed) for seed in range(self.models)]
        return Paused(Population(models, x, mask, options, range(self.models)).run)

    def epoch(self, state: Paused) -> None:
        state.epoch()

    def version(self) -> str:
        return f"counterpoint {version('counterpoint')}"


class BareLoop:
    """State of `Bare`: the least that could be written by hand."""

    def __init__(self, workload: Workload, **adam: Any) -> None:
        self.w, self.x = workload, list(workload.data().values())
        nets = workload.nets()
        self.encoders, self.decoders = [e for e, _ in nets], [d for _, d in nets]
        parameters = [p for pair in nets for net in pair for p in net.parameters()]
        self.adam = torch.optim.Adam(parameters, lr=LEARNING_RATE, **adam)
        self.noise = torch.Generator().manual_seed(0)
        self.mean = math.nan

    def run(self, pause: Callable[[], None]) -> None:
        while True:
            self.epoch()
            pause()

    def epoch(self) -> None:
        shape = (len(self.x), self.w.batch, self.w.latent)
        running = torch.zeros(())
        for index in torch.randperm(self.w.rows, generator=self.noise).split(self.w.batch):
            x = [v.index_select(0, index) for v in self.x]
            loss = self.loss(x, torch.randn(shape, generator=self.noise))
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            running += loss.detach()
        self.mean = running.item() / self.w.steps

    def loss(self, x: Sequence[Tensor], noise: Tensor) -> Tensor:
        """The mean loss of rows x, M of (B, *shape), with noise (M, B, D)."""
        heads = torch.stack([f(v) for f, v in zip(self.encoders, x, strict=True)])
        mu, logvar = heads.chunk(2, -1)  # (M, B, D)
        z = torch.addcmul(mu, noise, torch.exp(0.5 * logvar))
        total = self.rate(mu, logvar)
        for f, v, drawn in zip(self.decoders, x, z, strict=True):
            total = total + self.nll(f(drawn), v)
        return total.mean()

    def rate(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """1/M sum_mn KL(q_m || q_n) by moments about the modalities' mean: O(M)."""
        count = len(mu)
        variance, precision = torch.exp(logvar), torch.exp(-logvar)
        square = (mu - mu.mean(0)) ** 2
        spread = (variance + square).sum(0) * precision.sum(0) + count * (square * precision).sum(0)
        return 0.5 * (spread - count**2).sum(-1) / count

    def nll(self, out: Tensor, x: Tensor) -> Tensor:
        size = x[0].numel()
        if self.w.laplace:
            return (x - out).abs().flatten(1).sum(1) / SCALE + math.log(2 * SCALE) * size
        return 0.5 * ((x - out) ** 2).flatten(1).sum(1) + 0.5 * math.log(2 * math.pi) * size


class _Loop:
    """What the rivals have in common: their state runs in a thread, as ours does."""

    def prepare(self, workload: Workload) -> Paused:
        return Paused(self.state(workload).run)

    def state(self, workload: Workload) -> Any:
        raise NotImplementedError

    def epoch(self, state: Paused) -> None:
        state.epoch()

    def version(self) -> str:
        return f"torch {version('torch')}"


class Bare(_Loop):
    """Rows by `index_select`, formulas, fused Adam, nothing logged but the mean loss of an epoch."""

    name = "bare loop"

    def state(self, workload: Workload) -> BareLoop:
        return BareLoop(workload, fused=True)


class OfficialModel(nn.Module):
    """The model as published codes write it: distribution objects and a double loop over the modalities."""

    def __init__(self, workload: Workload) -> None:
        super().__init__()
        nets = workload.nets()
        self.encoders = nn.ModuleList([e for e, _ in nets])
        self.decoders = nn.ModuleList([d for _, d in nets])
        self.laplace = workload.laplace

    def forward(self, x: Sequence[Tensor], noise: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss and its terms for rows x, M of (B, *shape)."""
        posteriors, nlls = [], []
        for m, (encoder, decoder, v) in enumerate(zip(self.encoders, self.decoders, x, strict=True)):
            mu, logvar = encoder(v).chunk(2, -1)
            q = Normal(mu, torch.exp(0.5 * logvar))
            out = decoder(q.rsample() if noise is None else mu + q.stddev * noise[m])
            p = Laplace(out, SCALE) if self.laplace else Normal(out, 1.0)
            nlls.append(-p.log_prob(v).flatten(1).sum(1))
            posteriors.append(q)
        rates = []
        for q in posteriors:
            each = [kl_divergence(q, other).sum(-1) for other in posteriors]
            rates.append(torch.stack(each).sum(0) / len(posteriors))
        nll, rate = torch.stack(nlls).sum(0).mean(), torch.stack(rates).sum(0).mean()
        loss = nll + rate
        terms = {"loss": loss, "nll": nll, "rate": rate}
        terms |= {f"nll_{m}": v.mean() for m, v in enumerate(nlls)}
        terms |= {f"rate_{m}": v.mean() for m, v in enumerate(rates)}
        terms |= {f"scale_{m}": q.stddev.mean() for m, q in enumerate(posteriors)}
        return loss, dict(list(terms.items())[:LOGGED])


class _PerSample(Dataset):
    """Rows one by one, as dicts."""

    def __init__(self, x: Mapping[str, Tensor]) -> None:
        self.x = dict(x)

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {k: v[i] for k, v in self.x.items()}


class OfficialLoop:
    """State of `Official`."""

    def __init__(self, workload: Workload) -> None:
        self.model = OfficialModel(workload)
        self.loader = DataLoader(_PerSample(workload.data()), workload.batch, shuffle=True)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self.log: dict[str, float] = {}

    def run(self, pause: Callable[[], None]) -> None:
        while True:
            for batch in self.loader:
                self.adam.zero_grad()
                loss, terms = self.model(list(batch.values()))
                loss.backward()
                self.adam.step()
                self.log = {k: v.item() for k, v in terms.items()}
            pause()

    def loss(self, x: Sequence[Tensor], noise: Tensor) -> Tensor:
        return self.model(x, noise)[0]


class Official(_Loop):
    """DataLoader over samples, torch.distributions, default Adam, nine terms read at every step."""

    name = "official-like loop"

    def state(self, workload: Workload) -> OfficialLoop:
        return OfficialLoop(workload)


class LightningLoop:
    """State of `InLightning`."""

    def __init__(self, workload: Workload) -> None:
        from lightning.pytorch import LightningModule

        class Module(LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.model = OfficialModel(workload)

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return torch.optim.Adam(self.parameters(), lr=LEARNING_RATE)

            def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
                loss, terms = self.model(batch)
                self.log_dict(terms)
                return loss

        self.module = Module()
        rows = TensorDataset(*workload.data().values())
        self.loader = DataLoader(rows, workload.batch, shuffle=True)

    def run(self, pause: Callable[[], None]) -> None:
        from lightning.pytorch import Callback, Trainer

        class Pause(Callback):
            def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
                pause()

        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")  # recommendations of worker processes, few batches
            Trainer(
                accelerator="cpu",
                devices=1,
                max_epochs=-1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                callbacks=[Pause()],
                default_root_dir=folder,
            ).fit(self.module, self.loader)

    def loss(self, x: Sequence[Tensor], noise: Tensor) -> Tensor:
        return self.module.model(x, noise)[0]


class InLightning(_Loop):
    """The official-like model in a LightningModule with an ordinary training step that logs nine terms."""

    name = "Lightning"

    def state(self, workload: Workload) -> LightningLoop:
        return LightningLoop(workload)

    def version(self) -> str:
        return f"lightning {version('lightning')}, torch {version('torch')}"


RIVALS = (Bare, Official, InLightning)
