"""The linear baseline: what partial least squares between the modalities makes of the same rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoint.evaluation.baselines import pls
from counterpoint.evaluation.coherence import coherence
from counterpoint.evaluation.imputation import imputation_r2
from counterpoint.evaluation.probes import probe_modalities
from counterpoint.measures.asked import mean
from counterpoint.protocol import Task
