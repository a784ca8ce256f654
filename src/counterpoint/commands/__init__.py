"""The verbs of the command line. Signatures and docstrings are what `counterpoint VERB --help` shows."""

from counterpoint.commands.adapt import adapt
from counterpoint.commands.again import replay
from counterpoint.commands.ask import embed, impute, predict, translate
from counterpoint.commands.generate import sample
from counterpoint.commands.hub import pull, push
from counterpoint.commands.many import sweep
from counterpoint.commands.reproduce import reproduce
from counterpoint.commands.score import compare, evaluate, export, report
from counterpoint.commands.show import cite, demo, inspect, methods
from counterpoint.commands.train import fit
from counterpoint.commands.tune import tune

__all__ = [
    "adapt",
    "cite",
    "compare",
    "demo",
    "embed",
    "evaluate",
    "export",
    "fit",
    "impute",
    "inspect",
    "methods",
    "predict",
    "pull",
    "push",
    "replay",
    "report",
    "reproduce",
    "sample",
    "sweep",
    "translate",
    "tune",
]
