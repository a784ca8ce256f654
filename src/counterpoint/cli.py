"""The command line: one function a verb, read by jsonargparse; nothing heavy is imported before a verb runs."""

import re
import sys
from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from typing import Any

from counterpoint.errors import InputError, TrainingDivergedError, nearest
from counterpoint.settings import Settings

VERBS = {
    "demo": "three baselines and mmvm on embedded pictures: a table and a page",
    "methods": "the methods and where they come from",
    "inspect": "what is in a data file, and how it would be modelled",
    "fit": "train one method and write a run directory",
    "embed": "latents of rows, to an .npz",
    "translate": "one modality from another, to an .npz",
    "impute": "what is missing, with its spread, to an .npz",
    "evaluate": "probes, coherence, reconstruction of a run",
    "compare": "several methods on the same rows, seeds as mean and spread",
}


def main(argv: list[str] | None = None) -> int:
    """Run a verb; return the exit status: 0, or 2 after one clear error."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        from counterpoint import __version__

        print(f"counterpoint {__version__}")
        return 0
    verb, rest = argv[0], argv[1:]
    if verb not in VERBS:
        print(f"counterpoint: there is no verb {verb!r}.{nearest(verb, VERBS)}\n\n{usage()}", file=sys.stderr)
        return 2
    from counterpoint import commands

    try:
        arguments = parse(verb, getattr(commands, verb), rest)
        getattr(commands, verb)(**arguments)
    except (InputError, TrainingDivergedError, ImportError) as error:
        print(f"counterpoint {verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nstopped; a fit with --run goes on from its last checkpoint with --resume true", file=sys.stderr
        )
        return 130
    return 0


def usage() -> str:
    """Return the first screen.

    Example:
        >>> usage().splitlines()[0]
        'usage: counterpoint VERB ...      (counterpoint VERB --help)'
    """
    verbs = "\n".join(f"  {k:<10} {v}" for k, v in VERBS.items())
    return (
        "usage: counterpoint VERB ...      (counterpoint VERB --help)\n\n"
        "Learning from several kinds of measurement of the same things, where some are missing.\n\n"
        f"{verbs}\n\n"
        "start:  counterpoint demo        counterpoint inspect DATA"
    )


def parse(verb: str, function: Callable[..., None], argv: list[str]) -> dict[str, Any]:
    """Read a verb's arguments from its function's signature; config files in with --config, out with --print_config."""
    from jsonargparse import ActionConfigFile, ArgumentParser

    class Parser(ArgumentParser):
        def error(self, message: str, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
            raise InputError(explained(message, self))

    summary = (function.__doc__ or "").strip().splitlines()[0]
    parser = Parser(prog=f"counterpoint {verb}", description=summary)
    parser.add_argument("--config", action=ActionConfigFile, help="Options from a YAML file.")
    parser.add_function_arguments(function, as_positional=True, skip={"settings"})
    own = set(signature(function).parameters)
    if "settings" in own:
        parser.add_class_arguments(Settings)
    given = vars(parser.instantiate_classes(parser.parse_args(argv)))
    mine = {k: v for k, v in given.items() if k in own}
    if "settings" in own:
        mine["settings"] = {f.name: given[f.name] for f in fields(Settings)}
    return mine


def explained(message: str, parser: Any) -> str:
    """Add the nearest option to a parser's complaint about one that does not exist."""
    known = [o for a in parser._actions for o in a.option_strings if o.startswith("--")]
    found = re.search(r"--[\w.-]+", message)
    if "nrecognized" in message and found:
        word = found.group()
        return f"there is no option {word}.{nearest(word, known)} `{parser.prog} --help` lists them."
    return message.strip()
