"""Plain autoencoders, one per modality: what no VAE with the same networks can beat in reconstruction."""

from counterpoint.aggregation import Separate
from counterpoint.distributions import Point
from counterpoint.methods._papers import MMVM
from counterpoint.model import Method
from counterpoint.objectives import ELBO
from counterpoint.priors import NoPrior
from counterpoint.schedules import Schedule

PAPER = MMVM


def ae() -> Method:
    """Return the vanilla autoencoder bound.

        L = sum_m NLL_m(x_m; e_m(x_m))

    with e_m the encoder's mean. At their optima E(x_m) <= E_q log p(x_m|z) for no prior: it bounds the
    reconstruction that any of the other methods reaches with the same networks and likelihood.

    Source: Sutter et al. 2024 (MMVM), Appendix A and Figure 5.

    Example:
        >>> ae().name
        'ae'
    """
    return Method("ae", Separate(), NoPrior(), ELBO(), Point, {"beta": Schedule("constant", 0.0, 0.0)})
