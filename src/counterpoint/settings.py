"""The options of a fit, as the command line reads them.

Names, defaults and words are those of `Counterpoint`, without torch; a test keeps the two alike.
"""

from dataclasses import dataclass
from typing import Any


@dataclass
class Settings:
    """Options of a fit.

    Args:
        latent_dim: Dimensions of the latent.
        beta: Weight of the rate: a number, or a schedule KIND:START:END:STEPS such as linear:0:1:2000.
        batch: Labels that encoders and decoders are told, with commas, such as donor,lane.
        target: A label that is to be told from the modalities; it is known in training alone.
        likelihood: auto, a name for all modalities, or {modality: name}.
        network: auto, a kind (mlp, conv, resnet, text, square, radiograph, portrait, dcgan, characters,
            words, portrait_mopoe, characters_mopoe), or {modality: kind}.
        hidden: Units of the hidden layers.
        width: Channels of the convolutional kinds.
        weights: {modality: factor of its distortion}.
        standardise: Bring real-valued tables to mean 0 and standard deviation 1.
        constant: refuse or keep columns that never vary.
        epochs: At most so many passes.
        batch_size: Rows a step, or auto.
        learning_rate: Of Adam; the largest one where it moves.
        warmup: Epochs over which the learning rate rises from 0.
        decay: none, or cosine (down to 0 at the last epoch).
        ema: Share of itself that a running mean of the weights keeps at every step, such as 0.99.
        clip: Largest gradient norm.
        validation: Share of rows held back to choose the best epoch; 0 for none.
        patience: Epochs to wait for a better validation loss; null to never stop early.
        retries: How often a loss that is not finite sends the fit back an epoch, to half the learning rate.
        precision: float32, bfloat16 or float64.
        device: cpu or cuda.
        seed: Decides everything.
        verbose: 0 silent, 1 a progress line.
    """

    latent_dim: int = 20
    beta: float | str = 1.0
    batch: str | None = None
    target: str | None = None
    likelihood: str | dict[str, str] = "auto"
    network: str | dict[str, str] = "auto"
    hidden: list[int] | tuple[int, ...] = (256,)
    width: int | None = None
    weights: dict[str, float] | None = None
    standardise: bool = True
    constant: str = "refuse"
    epochs: int = 200
    batch_size: int | str = "auto"
    learning_rate: float = 1e-3
    warmup: float = 0.0
    decay: str = "none"
    ema: float | None = None
    clip: float | None = None
    validation: float = 0.1
    patience: int | None = 20
    retries: int = 0
    precision: str = "float32"
    device: str = "cpu"
    seed: int = 0
    verbose: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return the options as keyword arguments.

        Example:
            >>> Settings(epochs=3).to_dict()["epochs"]
            3
        """
        return dict(vars(self))
