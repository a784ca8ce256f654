"""Measures of what a model learned: functions of arrays and callables that know no model class."""

from counterpoint.evaluation.coherence import (
    CoherenceTable,
    SubsetCell,
    agreeing,
    coherence,
    subset_coherence,
)
from counterpoint.evaluation.imputation import ImputationResult, coverage, imputation_r2
from counterpoint.evaluation.oracles import Oracle, train_oracles
from counterpoint.evaluation.probes import ProbeResult, linear_probe, probe_modalities
from counterpoint.evaluation.spread import Spread, bootstrap_interval, mean_and_spread
from counterpoint.evaluation.tables import Column, Row, collect, format_table, table_cells, to_markdown

__all__ = [
    "CoherenceTable",
    "Column",
    "ImputationResult",
    "Oracle",
    "ProbeResult",
    "Row",
    "Spread",
    "SubsetCell",
    "agreeing",
    "bootstrap_interval",
    "coherence",
    "collect",
    "coverage",
    "format_table",
    "imputation_r2",
    "linear_probe",
    "mean_and_spread",
    "probe_modalities",
    "subset_coherence",
    "table_cells",
    "to_markdown",
    "train_oracles",
]
