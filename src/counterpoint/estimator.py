"""The estimator: fit on data of any kind, then ask. Manners of scikit-learn; names and units of the data."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin

from counterpoint import atomic, configuration, forecast, runs
from counterpoint.adapting import Adapting
from counterpoint.asking import Questions, prepared_batch
from counterpoint.assembly import Networks
from counterpoint.building import new_model, prepare, train_options, training_rows
from counterpoint.data import MultimodalData, Preparation, read
from counterpoint.data.backed import Backed
from counterpoint.errors import InputError, TrainingDivergedError, number
from counterpoint.hub import Shared
from counterpoint.model import MultimodalVAE
from counterpoint.reading import Reading
from counterpoint.schedules import Scheduled
from counterpoint.streaming import Finished, fit_backed
from counterpoint.targets import Predictions, classes_of
from counterpoint.training.checkpoint import NAME as CHECKPOINT
from counterpoint.training.checkpoint import Checkpoint
from counterpoint.training.pairs import codes_of
from counterpoint.training.population import Population
from counterpoint.training.progress import ProgressLine


class Counterpoint(Questions, Predictions, Reading, Adapting, Shared, TransformerMixin, BaseEstimator):
    """Learn from several modalities of the same rows, some of them missing.

    Args:
        method: A name in `counterpoint.METHODS`.
        latent_dim: D, dimensions of the latent.
        beta: Weight of the rate: a number, or a schedule such as `"linear:0:1:2000"` (start, end, steps).
        options: Further options of the method, such as `{"rate": "mixture"}`.
        batch: Labels that encoders and decoders are told, such as `"donor"` or `["donor", "lane"]`, so that
            the latent need not hold them.
        target: A label that `predict` tells from the modalities: modelled as one more, never read when asked.
        likelihood: `"auto"`, a name for all modalities, or name -> name.
        network: `"auto"`, a kind (one of `counterpoint.nn.KINDS`), or name -> kind or own (encoder,
            decoder).
        hidden: Units of the hidden layers.
        width: Channels of the convolutional kinds; their own default unless given.
        weights: name -> factor of the modality's distortion in the loss.
        standardise: Bring real-valued tables to mean 0 and standard deviation 1, by the training rows.
        constant: `"refuse"` or `"keep"` columns that never vary.
        epochs: At most so many passes.
        batch_size: Rows a step; `"auto"` is the power of two near an eighth of the rows, within 16 and 256.
        learning_rate: Of Adam; the largest one where it moves.
        warmup: Epochs over which the learning rate rises from 0.
        decay: `"none"`, or `"cosine"`, down to 0 at the last of `epochs`.
        ema: Share of itself that a running mean of the weights keeps at every step, such as 0.99; the mean
            is then what is validated and kept. None for no mean.
        clip: Largest gradient norm, or None.
        validation: Share of rows held back to choose the best epoch; 0 for none.
        patience: Epochs to wait for a better validation loss, or None.
        retries: How often, if a loss is not finite, the fit goes back to where the epoch began and on at half
            the learning rate, before it gives up.
        precision: `"float32"`, `"bfloat16"` or `"float64"`.
        device: `"cpu"` or `"cuda"`.
        seed: Decides everything: initial weights, split, order, noise.
        verbose: 0 silent, 1 a progress line.

    Attributes:
        model_: The fitted `MultimodalVAE`.
        preparation_: Likelihoods, units and names, fitted on the training rows.
        history_: One dict an epoch with every loss term, in nats per row.
        best_epoch_: The epoch whose weights the model holds.
        source_: Where `counterpoint fit` had the rows from; kept with the run for `counterpoint replay`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(60, 4))
        >>> data = {"rna": x, "protein": x @ rng.normal(size=(4, 3))}
        >>> data["protein"][:10] = np.nan                         # ten rows lack the protein
        >>> m = Counterpoint("mmvm", latent_dim=2, epochs=3).fit(data)
        >>> m.transform(data).shape, m.impute(data)["protein"].filled.shape
        ((60, 2), (60, 3))
    """

    source_: dict[str, Any]

    def __init__(
        self,
        method: str = "mmvm",
        *,
        latent_dim: int = 20,
        beta: Scheduled = 1.0,
        options: Mapping[str, Any] | None = None,
        batch: str | Sequence[str] | None = None,
        target: str | None = None,
        likelihood: str | Mapping[str, str] = "auto",
        network: Networks = "auto",
        hidden: Sequence[int] = (256,),
        width: int | None = None,
        weights: Mapping[str, float] | None = None,
        standardise: bool = True,
        constant: str = "refuse",
        epochs: int = 200,
        batch_size: int | str = "auto",
        learning_rate: float = 1e-3,
        warmup: float = 0.0,
        decay: str = "none",
        ema: float | None = None,
        clip: float | None = None,
        validation: float = 0.1,
        patience: int | None = 20,
        retries: int = 0,
        precision: str = "float32",
        device: str = "cpu",
        seed: int = 0,
        verbose: int = 0,
    ) -> None:
        self.method = method
        self.latent_dim = latent_dim
        self.beta = beta
        self.options = options
        self.batch = batch
        self.target = target
        self.likelihood = likelihood
        self.network = network
        self.hidden = hidden
        self.width = width
        self.weights = weights
        self.standardise = standardise
        self.constant = constant
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.decay = decay
        self.ema = ema
        self.clip = clip
        self.validation = validation
        self.patience = patience
        self.retries = retries
        self.precision = precision
        self.device = device
        self.seed = seed
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        mask: Mapping[str, Any] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        pair_on: str | Mapping[str, Any] | None = None,
        batch: str | Sequence[str] | None = None,
        run: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        checkpoint_seconds: float = 20.0,
    ) -> "Counterpoint":
        """Fit on a dict of arrays, a DataFrame with column groups, a path, or `MultimodalData`.

        Args:
            X: The data; NaN, or False in `mask`, is what was not observed.
            y: The target, if it is not among the data's labels; ignored where there is none.
            mask: name -> bool (N,) or (N, *event), for data that cannot hold NaN.
            groups: name -> columns, for a DataFrame.
            pair_on: What sessions without rows in common share, as `read` takes it: session -> the condition
                of each of its trials, or the name of that label in their files.
            batch: Takes the place of the estimator's own, for good.
            run: A directory to save the run in; nothing is written without it.
            resume: Continue the run in that directory from its last checkpoint, exactly.
            overwrite: Replace a finished run in that directory.
            checkpoint_seconds: Least time between checkpoints there; 0 writes one after every epoch.

        Raises:
            InputError: If data or options cannot be used; before any training.
            TrainingDivergedError: If a loss term stops being finite and no retry is left; the estimator then
                holds the best epoch before, and the run directory the last.
        """
        self.batch = self.batch if batch is None else batch
        if isinstance(X, Backed):
            refused = {"mask": mask, "groups": groups, "pair_on": pair_on, "resume": resume}
            return fit_backed(self, X, run=run, overwrite=overwrite, refused=refused)
        data = read(X, mask=mask, groups=groups, pair_on=pair_on)
        train_options(self, len(data))  # refuse bad options before anything else
        data = training_rows(self, data, y)
        prepared = prepare(self, data)
        model, said = new_model(self, prepared), self.verbose > 0
        told = forecast.of_fit(self, data, prepared, model, written=run is not None, said=said)
        trainer = self._trainer(data, prepared, model)
        ties = codes_of(data.pairs), codes_of(data.blocks), trainer.covariates
        self._summarise(data, configuration.data_digest(trainer.x, trainer.mask, *ties))
        with runs.held(run):
            keeper = self._keeper(trainer, run, resume, overwrite, checkpoint_seconds)
            if told is not None and said:
                print(f"{self.method}: {told.line(trainer.progress[0].epoch)}", file=sys.stderr, flush=True)
            self._train(trainer, prepared, run, keeper)
        return self

    def _train(
        self, trainer: Population, prepared: Preparation, run: str | Path | None, keeper: Checkpoint | None
    ) -> None:
        """Train to the end, take over the model, and save the run if there is a directory for one."""
        with ProgressLine(self.epochs, self.verbose) as line:

            def each_epoch(p: Population) -> None:
                if keeper is not None:
                    keeper.after_epoch(p)
                line.show(p.progress[0])

            try:
                trainer.run(each_epoch)
            except (KeyboardInterrupt, TrainingDivergedError) as stop:
                if keeper is not None:
                    keeper.interrupted(trainer, stop)
                if isinstance(stop, TrainingDivergedError) and trainer.progress[0].best_epoch:
                    self._fitted(trainer, 0, prepared)
                raise
        self._fitted(trainer, 0, prepared)
        if run is not None and keeper is not None:
            self.save(run)
            keeper.remove()

    def _summarise(self, data: MultimodalData | Backed, digest: str) -> None:
        """Note what is trained on."""
        data = data if isinstance(data, Backed) else training_rows(self, data)
        self.data_summary_ = {
            "rows": len(data),
            "present": {k: int(v.sum()) for k, v in data.present().items()},
            "validation": self.validation,
            "seed": self.seed,
            "fingerprint": configuration.fingerprint(self, digest),
        }
        if self.target is not None:
            self.data_summary_["classes"] = classes_of(data.labels[self.target])

    def _keeper(
        self, trainer: Population, run: str | Path | None, resume: bool, overwrite: bool, seconds: float
    ) -> Checkpoint | None:
        """Make the run directory ready, and take up its checkpoint if asked to."""
        number("checkpoint_seconds", seconds)
        if run is None:
            if resume or overwrite:
                raise InputError("resume or overwrite came without run=DIRECTORY; name the run.")
            return None
        folder = runs.check_folder(run, overwrite)
        keeper = Checkpoint(folder / CHECKPOINT, [self.data_summary_["fingerprint"]], seconds)
        if resume:
            keeper.restore(trainer)
        else:
            keeper.remove()
            (folder / runs.MANIFEST).unlink(missing_ok=True)
            atomic.write(folder / "config.yaml", configuration.config_text(self))
        return keeper

    def _trainer(
        self, data: MultimodalData, prepared: Preparation, model: MultimodalVAE | None = None
    ) -> Population:
        how = train_options(self, len(data))
        b = prepared_batch(data, prepared, how.dtype, self.device, keep_bytes=True)
        models, codes, blocks = (
            [model or new_model(self, prepared)],
            codes_of(data.pairs),
            codes_of(data.blocks),
        )
        beside: dict[str, Any] = {"codes": codes, "blocks": blocks, "covariates": b.covariates}
        return Population(models, b.x, b.mask, how, [self.seed], **beside)

    def _fitted(self, trainer: Population | Finished, e: int, prepared: Preparation) -> None:
        """Take over model e of a finished trainer."""
        progress = trainer.progress[e]
        self.model_, self.preparation_ = trainer.models[e].eval(), prepared
        self.history_, self.best_epoch_ = progress.history, progress.best_epoch
        self.densities_ = {}  # those of an earlier fit were over other latents
        self.data_summary_["best_epoch"] = progress.best_epoch
        if progress.retried:
            self.data_summary_["retried"] = progress.retried

    def save(self, run: str | Path) -> Path:
        """Write the run directory: configuration, weights, data card, metrics, environment, model card.

        Args:
            run: The directory; it is made, or replaced file by file.

        Raises:
            InputError: If the estimator is not fitted, or the directory holds something else.
        """
        return runs.save(self, run)
