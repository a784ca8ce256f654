"""The command line: one function a verb, read by jsonargparse; nothing heavy is loaded before one runs."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence

from counterpoint.errors import InputError, TrainingDivergedError, nearest

VERBS = {
    "demo": "three baselines and mmvm on embedded pictures: a table and a page",
    "methods": "the methods and where they come from",
    "cite": "the papers of methods, as BibTeX",
    "inspect": "what is in a data file, and how it would be modelled",
    "fit": "train one method and write a run directory",
    "adapt": "a new modality or session joins a run: only its own networks are trained",
    "embed": "latents of rows, to an .npz",
    "translate": "one modality from another, to an .npz",
    "impute": "what is missing, with its spread, to an .npz",
    "predict": "the label that a run was given as its target, to an .npz",
    "sample": "new rows of all modalities from nothing, to an .npz",
    "evaluate": "every measure of a run, beside chance and controls",
    "compare": "several methods on the same rows, seeds as mean and spread",
    "sweep": "a grid of fits from a YAML file, in stacks and on several workers",
    "tune": "a search for the best options, on validation rows",
    "reproduce": "a table or figure of the papers, beside what they published",
    "report": "one HTML file of one run or of hundreds",
    "replay": "a run once more on the same rows: are the weights the same, to the byte?",
    "push": "a run to the Hugging Face Hub, with a model card and without rows",
    "pull": "a run from the Hub, every file checked",
    "export": "the figures and tables of a report as SVG, PNG, CSV, LaTeX",
}
EXTRAS = {
    "plots": ("matplotlib", "pandas", "skimage", "PIL"),
    "tables": ("pyarrow",),
    "omics": ("anndata", "mudata", "zarr", "h5py"),
    "report": ("jinja2",),
    "data": ("pooch",),
    "hub": ("huggingface_hub",),
    "ray": ("ray",),
    "slurm": ("submitit",),
    "tune": ("optuna",),
    "flow": ("zuko",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; return the exit status: 0, 2 after one clear error, 130 after Ctrl-C.

    Args:
        argv: The words after `counterpoint`; those of the process unless given.
    """
    if argv is None:
        _leave_processors_to_others()
        argv = sys.argv[1:]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        from counterpoint import __version__

        print(f"counterpoint {__version__}")
        return 0
    verb, rest = argv[0], argv[1:]
    if verb not in VERBS:
        what = f"there is no verb {verb!r}.{nearest(verb, VERBS)}"
        return _complain(f"counterpoint: {what} `counterpoint --help` lists them.")
    from counterpoint import commands

    return _run(verb, getattr(commands, verb), rest)


def _run(verb: str, function: Callable[..., None], argv: Sequence[str]) -> int:
    from counterpoint.parsing import as_typed, parse

    try:
        arguments = parse(verb, function, argv)
        if arguments is not None:
            function(**arguments)
            sys.stdout.flush()
    except (InputError, TrainingDivergedError) as error:
        said = "\n".join([str(error), *getattr(error, "__notes__", [])])
        return _complain(f"counterpoint {verb}: {as_typed(said, function)}")
    except ImportError as error:
        return _complain(f"counterpoint {verb}: {_what_to_install(error)}")
    except BrokenPipeError:  # the reader of our output has gone, as in `counterpoint methods | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"counterpoint {verb}: {where}{error.strerror or error}.")
    except KeyboardInterrupt as stop:
        kept = getattr(stop, "__notes__", [])
        _complain("\n" + ("; ".join(as_typed(n, function) for n in kept) or "stopped"))
        if kept and verb in ("fit", "adapt"):
            again = [word for word in argv if word not in ("--resume", "--overwrite")]
            _complain(f"next:  {shlex.join(['counterpoint', verb, *again, '--resume'])}")
        return 130
    return 0


def _complain(text: str) -> int:
    print(text, file=sys.stderr)
    return 2


def _what_to_install(error: ImportError) -> str:
    """Return an import error with the extra that brings the missing package."""
    missing = (error.name or "").split(".")[0]
    for extra, packages in EXTRAS.items():
        if missing in packages:
            return f"this needs {missing}, which is not installed; pip install 'counterpoint[{extra}]'."
    return str(error)


def _leave_processors_to_others() -> None:
    """Give torch and BLAS half of the processors, unless the environment says otherwise.

    Their threads wait for one another at every operation: with as many threads as processors, one that has to
    share its processor holds up all the others. The libraries read this once, when they are loaded, so it
    comes before any import of theirs; and only in a process of our own, never in one that called `main`
    as a function.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(max(1, there // 2)))


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
