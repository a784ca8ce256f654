"""Baselines: models of a comparison that are no variational autoencoders, one paper per file."""

from counterpoint.baselines.base import Baseline
from counterpoint.baselines.cca import CCA
from counterpoint.baselines.classifier import Classifier
from counterpoint.baselines.dbm import DeepBoltzmann
from counterpoint.baselines.kernel_cca import KernelCCA
from counterpoint.baselines.multiset_cca import MultisetCCA
from counterpoint.baselines.rbm_mdl import RestrictedBoltzmann
from counterpoint.baselines.regularised_cca import RegularisedCCA

BASELINES: dict[str, type[Baseline]] = {
    "cca": CCA,
    "rcca": RegularisedCCA,
    "kcca": KernelCCA,
    "mcca": MultisetCCA,
    "rbm_mdl": RestrictedBoltzmann,
    "dbm": DeepBoltzmann,
    "classifier": Classifier,
}

__all__ = [
    "BASELINES",
    "CCA",
    "Baseline",
    "Classifier",
    "DeepBoltzmann",
    "KernelCCA",
    "MultisetCCA",
    "RegularisedCCA",
    "RestrictedBoltzmann",
]
