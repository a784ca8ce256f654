"""The verbs of the command line. Signatures and docstrings are what `counterpoint VERB --help` shows."""

from counterpoint.commands.ask import embed, impute, translate
from counterpoint.commands.score import compare, evaluate
from counterpoint.commands.show import demo, inspect, methods
from counterpoint.commands.train import fit

__all__ = ["compare", "demo", "embed", "evaluate", "fit", "impute", "inspect", "methods", "translate"]
