"""Clusters: do labels stand apart in the embedding, and are the modalities mixed in it?"""

import numpy as np

from counterpoint import inference
from counterpoint.evaluation.clusters import ClusterScores, cluster_scores
from counterpoint.measures.asked import Asked, Section

MOST = 3000  # rows of each


def clusters(asked: Asked) -> Section:
    """Score the joint embedding against the labels, and all modalities' latents against the modality.

    High is good of the label, low of the modality.

    Source: Luecken et al. 2022 (scIB).
    """
    summary, detail = {}, {}
    y, rows = asked.on.test_y, slice(MOST)
    z = inference.joint_mean(asked.model, asked.test).double().cpu().numpy()
    if y.ndim == 1 and 1 < len(np.unique(y[rows])) < len(y[rows]):
        found = cluster_scores(z[rows], y[rows], seed=asked.seed)
        detail["label"] = _told(found)
        summary = {"silhouette": found.silhouette, "ari": found.ari, "nmi": found.nmi}
    few = MOST // len(asked.names)
    parts = {name: z[:few][asked.there[name][:few]] for name, z in asked.held.items()}
    parts = {name: part for name, part in parts.items() if len(part)}
    if len(parts) > 1:
        points, groups = (
            np.concatenate(list(parts.values())),
            np.repeat(list(parts), list(map(len, parts.values()))),
        )
        found = cluster_scores(points, groups, seed=asked.seed)
        detail["modality"] = _told(found)
        summary["nmi_modality"] = found.nmi
    return Section(summary, detail)


def _told(found: ClusterScores) -> dict[str, float]:
    return {key: getattr(found, key) for key in ("silhouette", "ari", "nmi", "n_rows")}
