"""Consistency: does one modality's latent tell, linearly, that of another?"""

from counterpoint.evaluation.consistency import consistency as measured
from counterpoint.measures.asked import Asked, Section


def consistency(asked: Asked) -> Section:
    """Measure R2 of linear regressions between the modalities' latents, fitted on training rows.

    Source: Schneider, Lee & Mathis 2023 (CEBRA); scored on the test rows here.
    """
    if len(asked.names) < 2:
        return Section({}, {"why_not": "there is one modality only"})
    present = asked.on.train.present()
    found = measured(asked.known, asked.held, train_present=present, test_present=asked.there)
    detail = {"names": list(found.names), "matrix": found.matrix.tolist(), "rows": found.rows.tolist()}
    return Section({"consistency": found.mean}, detail)
