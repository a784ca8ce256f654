"""The verb by which a new modality or session joins a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoint.commands.parts import say_next
from counterpoint.errors import InputError

if TYPE_CHECKING:
    from counterpoint.data import MultimodalData
    from counterpoint.estimator import Counterpoint


def adapt(
    trained: str,
    data: list[str],
    run: str | None = None,
    modalities: str | None = None,
    labels: str | None = None,
    pair_on: str | None = None,
    window: str | None = None,
    bin: str | None = None,
    aligned: bool = True,
    layers: dict[str, str] | None = None,
    obsm: dict[str, str] | None = None,
    likelihood: str | dict[str, str] | None = None,
    network: str | dict[str, str] | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
    verbose: int = 1,
    resume: bool = False,
    overwrite: bool = False,
) -> None:
    """Train encoder and decoder of a new modality or session, all others stay; write another run.

    Args:
        trained: A run directory; it stays as it is.
        data: Rows that have the new modality beside old ones, read as by `fit`; of sessions all files.
        run: The run directory to write; TRAINED-NEW unless given.
        modalities: Only these entries, new and old, with commas.
        labels: Entries that are labels, not modalities, with commas.
        pair_on: The label that sessions without common rows share.
        window: Of the sessions' trials, as it was for the old ones, such as 250:500ms.
        bin: Width of the bins that become rows, as it was for the old ones, such as 10ms.
        aligned: Pair bins at the same time of a trial alone.
        layers: {modality: layer} of an .h5ad or .h5mu; old modalities need that of the run.
        obsm: {name of a further modality: key of obsm} of an .h5ad; likewise.
        likelihood: Of what is new: a name, or {modality: name}; what the run was given, unless said.
        network: Of what is new: a kind (mlp, conv, resnet, text), or {modality: kind}; likewise.
        epochs: At most so many passes; as many as the run, unless given.
        learning_rate: Of Adam; that of the run, unless given.
        seed: Decides everything that is new; that of the run, unless given.
        verbose: 0 silent, 1 a progress line.
        resume: Go on from the last checkpoint in --run, exactly.
        overwrite: Replace a finished run.
    """
    from counterpoint import runs
    from counterpoint.commands.sources import pairing, rows_of

    old = runs.load(trained)
    old.verbose = verbose
    how = pairing(pair_on, window, bin, aligned)
    found = rows_of(data, how, modalities, labels, layers=layers, obsm=obsm)
    _check_origin(old, found)
    added = [name for name in found.names if name not in old.preparation_.names]
    folder = run or "-".join([trained.rstrip("/"), *added])
    if added and Path(folder).resolve() == Path(trained).resolve():
        raise InputError(f"run {folder!r} would be written over by what joins it; give another directory.")
    new = old.adapt(
        found,
        likelihood=likelihood,
        network=network,
        epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        run=folder,
        resume=resume,
        overwrite=overwrite,
    )
    parameters = {k: sum(p.numel() for p in new.model_[k].parameters()) for k in new.preparation_.names}
    fresh = sum(parameters[k] for k in added)
    print(
        f"{', '.join(added)} joined {', '.join(old.modalities_)}: {fresh} numbers trained on "
        f"{new.data_summary_['rows']} rows, {sum(parameters.values()) - fresh} stayed to the bit"
    )
    done = len(new.history_)
    stopped = "stopped early at" if done < new.epochs else "finished"
    print(f"{stopped} epoch {done} · holds epoch {new.best_epoch_} · saved {folder}")
    if how:
        return say_next("report", folder)
    say_next("embed", folder, *data)


def _check_origin(old: "Counterpoint", found: "MultimodalData") -> None:
    """Refuse real values of an old modality that were read from another place than those it was fitted on."""
    from counterpoint.data.checks import REAL

    for name, kept in old.preparation_.origin.items():
        here = found.origin.get(name)
        if here and here != kept and "pair_on" not in kept and old.preparation_[name].likelihood in REAL:
            (what, was), (other, now) = next(iter(kept.items())), next(iter(here.items()))
            option = {"layer": "layers", "obsm": "obsm"}[what]
            raise InputError(
                f"modality {name!r} was fitted on {what} {was!r}, and was read from {other} {now!r} here; "
                f"name the one in the same units: --{option} '{{{name}: {was}}}'."
            )
