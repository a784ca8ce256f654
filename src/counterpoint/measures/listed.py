"""All measures of a fitted model on a task: one small file each.

A measure takes an `Asked` (model, task, seed) and returns a `Section`: headline numbers, all the rest for a
report, the rows behind the headlines, and what nulls reach. To add one, write a file and a line.
"""

from counterpoint.measures.agreement import agreement
from counterpoint.measures.clusters import clusters
from counterpoint.measures.coherence import coherence
from counterpoint.measures.collapse import collapse
from counterpoint.measures.consistency import consistency
from counterpoint.measures.generation import generation
from counterpoint.measures.imputation import imputation
from counterpoint.measures.log_likelihood import log_likelihood
from counterpoint.measures.prediction import prediction
from counterpoint.measures.probe import probe
from counterpoint.measures.probe_subsets import probe_subsets
from counterpoint.measures.reconstruction import reconstruction
from counterpoint.measures.sessions import sessions
from counterpoint.measures.unconditional import unconditional
from counterpoint.measures.variance import variance

MEASURES = {
    "probe": probe,
    "coherence": coherence,
    "reconstruction": reconstruction,
    "agreement": agreement,
    "imputation": imputation,
    "variance": variance,
    "collapse": collapse,
    "consistency": consistency,
    "clusters": clusters,
    "log_likelihood": log_likelihood,
    "generation": generation,
    "unconditional": unconditional,
    "prediction": prediction,
    "probe_subsets": probe_subsets,
    "sessions": sessions,
}
PAPER = ("probe", "coherence", "reconstruction")  # what the papers' tables hold; the others cost more
