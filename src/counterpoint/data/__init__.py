"""Where batches come from: arrays, tables and files, as `MultimodalData`; and their preparation."""

from counterpoint.data.arrays import MultimodalData, read
from counterpoint.data.files import read_path
from counterpoint.data.kinds import Kind, infer
from counterpoint.data.preparation import Preparation

__all__ = ["Kind", "MultimodalData", "Preparation", "infer", "read", "read_path"]
