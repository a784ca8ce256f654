"""Log-likelihood: one importance-sampled estimate for every method that was trained against N(0, I)."""

import numpy as np

from counterpoint.estimates import log_likelihood as estimated
from counterpoint.estimates import why_no_likelihood
from counterpoint.measures.asked import Asked, Section, mean, rows_of

DRAWS, ROWS = 100, 300  # decodings of every modality: draws times rows


def log_likelihood(asked: Asked) -> Section:
    """Estimate log p(X) of what every test row has, and log p(x_m) of each modality, in nats a row.

    Methods whose prior depends on the data have none, and say so.

    Source: Burda et al. 2016 (IWAE), eq. 8.
    """
    why = why_no_likelihood(asked.model)
    if why is not None:
        return Section({}, {"joint": None, "modalities": {}, "draws": 0, "why_not": why})
    some = asked.few(ROWS)
    batch = rows_of(asked.test, some)
    there = np.stack([asked.there[name][some] for name in asked.names])
    found = estimated(asked.model, batch, draws=DRAWS, generator=asked.noise("log p"))
    log_p = found.log_p.double().cpu().numpy()
    any_ = there.any(0)
    each = {}
    for name, here in zip(asked.names, there, strict=True):
        noise = asked.noise(f"log p/{name}")
        alone = estimated(asked.model, batch, targets=(name,), draws=DRAWS, generator=noise)
        each[name] = mean(alone.log_p.double().cpu().numpy()[here])
    rows = np.full(len(asked.on.test), np.nan)
    rows[some] = np.where(any_, log_p, np.nan)
    detail = {
        "joint": mean(log_p[any_]),
        "modalities": each,
        "draws": DRAWS,
        "effective": mean(found.effective.double().cpu().numpy()[any_]),
        "rows": int(any_.sum()),
        "why_not": None,
    }
    return Section({"log_likelihood": detail["joint"]}, detail, {"log_likelihood": rows})
