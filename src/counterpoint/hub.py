"""Runs given away on the Hugging Face Hub, and taken from it: weights and what they need, never rows.

Only files that a run consists of travel, each checked by the manifest's hashes on its way in. What tells of
single rows stays at home unless it is asked for: docs/hub.md.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoint import atomic, bounded, manifest, runs
from counterpoint.densities import KINDS
from counterpoint.errors import InputError
from counterpoint.hub_card import Said, card
from counterpoint.hub_rows import check_card, tells_of_rows, without_rows
from counterpoint.manifest import DENSITY, EXHIBITS, FILES, MANIFEST, SCORES, as_json, digest

if TYPE_CHECKING:
    from counterpoint.estimator import Counterpoint

CARD, ENVIRONMENT = "README.md", "environment.json"
LATER = (EXHIBITS, *(DENSITY.format(kind) for kind in KINDS))
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class Shared:
    """What gives a fitted estimator away and takes one in; beside `Questions`, `self` is the estimator."""

    def push_to_hub(
        self: Any,
        repo_id: str,
        *,
        run: str | Path | None = None,
        license: str | None = None,
        dataset: str | None = None,
        about: str | None = None,
        include_rows: bool = False,
        private: bool = True,
        revision: str | None = None,
    ) -> str:
        """Upload a fitted estimator with a model card, and return its address.

        Neither data nor embeddings of rows go along: of `exhibits.safetensors` and of densities whose
        components stand for single rows there is nothing unless `include_rows`.

        Args:
            repo_id: `OWNER/NAME`; made if it is not there.
            run: The estimator's run directory, for the scores that lie there; without it, no scores.
            license: Of the weights, such as `"cc-by-4.0"`; without it the card names none.
            dataset: What the rows are, in a few words, for the card.
            about: A paragraph for the card.
            include_rows: Upload what tells of single rows too; be sure that you may.
            private: Whether a repository that is made is private.
            revision: A branch; the main one unless given.

        Raises:
            InputError: If it is not fitted, the run is another's, something tells of single rows and cannot
                be left out, or the Hub refuses.
            ImportError: huggingface_hub is not installed.
        """
        self._fitted_model()
        said = Said(repo_id, license, dataset, about, rows=include_rows)
        if run is not None:
            own = runs.read_card(Path(run) / "data_card.json")["training"]
            if own.get("fingerprint") != self.data_summary_.get("fingerprint"):
                raise InputError(f"{run} is the run of another fit; give this one's, or leave run out.")
            return push(run, said, private=private, revision=revision, estimator=self)
        with tempfile.TemporaryDirectory() as aside:
            folder = runs.save(self, Path(aside) / "run")
            return push(folder, said, private=private, revision=revision, estimator=self)

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        revision: str | None = None,
        networks: Mapping[str, Any] | None = None,
        device: str = "cpu",
    ) -> "Counterpoint":
        """Return the estimator of a repository on the Hub, or of a run directory.

        Args:
            source: `OWNER/NAME` on the Hub, or a directory.
            revision: Branch, tag or commit; name a commit where a result depends on it.
            networks: name -> (encoder, decoder), for modalities that were trained with own modules.
            device: Where to put the model.

        Raises:
            InputError: If there is no such repository or directory, or a file is not as it was written.
            ImportError: huggingface_hub is not installed.

        Example:
            >>> from counterpoint import Counterpoint
            >>> Counterpoint.from_pretrained("no such/../name")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            counterpoint.errors.InputError: 'no such/../name' is neither a directory nor OWNER/NAME ...
        """
        if Path(source).is_dir():
            if revision is not None:
                raise InputError(
                    f"revision is {revision!r}, and {str(source)!r} is a directory; leave it out."
                )
            return runs.load(source, networks=networks, device=device)
        _check_repo(str(source))
        with tempfile.TemporaryDirectory() as aside:
            folder = pull(str(source), Path(aside) / "run", revision=revision)
            return runs.load(folder, networks=networks, device=device)


def push(
    run: str | Path,
    said: Said,
    *,
    private: bool = True,
    revision: str | None = None,
    estimator: "Counterpoint | None" = None,
) -> str:
    """Upload a run directory with its scores, and return its address; see `Counterpoint.push_to_hub`.

    Args:
        run: The run directory.
        said: Where it goes, and what the card says of it.
        private: Whether a repository that is made is private.
        revision: A branch.
        estimator: Of the run, where it is at hand.

    Raises:
        InputError: If it is no intact run, tells of single rows, or the Hub refuses.
        ImportError: huggingface_hub is not installed.

    Example:
        >>> push("no/such/run", Said("lab/model"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: no/such/run does not exist; give the directory of a run, ...
    """
    _check_repo(said.repo_id)
    with tempfile.TemporaryDirectory() as aside:
        bundle(run, Path(aside), said, estimator)
        hub = _huggingface()
        with _told(said.repo_id):
            api = hub.HfApi()
            api.create_repo(said.repo_id, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=said.repo_id,
                folder_path=aside,
                revision=revision,
                commit_message="A run of counterpoint",
                delete_patterns=list(LATER),  # what an earlier upload gave away and this one does not
            )
    return str(done.commit_url)


def bundle(run: str | Path, to: Path, said: Said, estimator: "Counterpoint | None" = None) -> dict[str, str]:
    """Write into a folder what of a run is given away, and return what is not: file or part -> why.

    Args:
        run: The run directory.
        to: The folder.
        said: What the card says.
        estimator: Of the run, where it is at hand; loaded unless given.

    Raises:
        InputError: If it is no intact run, or its data card or scores tell of single rows.

    Example:
        >>> import numpy as np
        >>> from counterpoint import Counterpoint
        >>> x = np.random.default_rng(0).normal(size=(40, 3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     m = Counterpoint(latent_dim=2, epochs=1).fit({"a": x, "b": x[:, :2]}, run=f"{folder}/run")
        ...     withheld = bundle(f"{folder}/run", Path(folder) / "out", Said("lab/model"))
        ...     len(list((Path(folder) / "out").iterdir())), withheld
        (8, {})
    """
    folder, estimator = Path(run), runs.load(run) if estimator is None else estimator
    listed = manifest.verify(folder)["files"]
    scores, withheld = runs.scores_of(folder), {}
    if not said.rows:
        check_card(runs.read_card(folder / "data_card.json"))
        scores, withheld = without_rows(scores, estimator.data_summary_["rows"])
    contents = {name: (folder / name).read_bytes() for name in FILES if name != CARD}
    contents[SCORES] = as_json(scores)
    made = bounded.json_of(folder / ENVIRONMENT, "fit again.")
    if made.pop("source", None) is not None:  # where the rows lie, on a machine of one's own
        contents[ENVIRONMENT] = as_json(made)
    for name in (name for name in LATER if name in listed):
        content = (folder / name).read_bytes()
        why = "" if said.rows else tells_of_rows(name, content, estimator.data_summary_["rows"])
        if why:
            withheld[name] = why
        else:
            contents[name] = content
    told = Said(said.repo_id, said.license, said.dataset, said.about, withheld, said.rows)
    contents[CARD] = card(estimator, scores, told).encode()
    for name, content in contents.items():
        atomic.write(to / name, content)
    manifest.write(to, {name: digest(content) for name, content in contents.items()})
    return withheld


def pull(repo_id: str, run: str | Path, *, revision: str | None = None, overwrite: bool = False) -> Path:
    """Download a run into a directory, every file checked by its hash.

    The card may have been edited on the Hub; nothing else may.

    Args:
        repo_id: `OWNER/NAME`.
        run: The directory to write; new, empty, or with `overwrite` a run that is replaced.
        revision: Branch, tag or commit.
        overwrite: Replace a finished run.

    Raises:
        InputError: If there is no such repository, it holds no run, or a file is not as it was written.
        ImportError: huggingface_hub is not installed.

    Example:
        >>> pull("not a name", "runs/a")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoint.errors.InputError: 'not a name' is neither a directory nor OWNER/NAME on the Hub; ...
    """
    _check_repo(repo_id)
    folder = runs.check_folder(run, overwrite)
    hub = _huggingface()
    with _told(repo_id):  # no file of another name is asked for, whatever the repository or its server lists
        found = Path(
            hub.snapshot_download(repo_id, revision=revision, allow_patterns=[*FILES, *LATER, MANIFEST])
        )
    if not (found / MANIFEST).is_file():
        raise InputError(f"{repo_id} holds no run of counterpoint: it has no {MANIFEST}. Give another.")
    with tempfile.TemporaryDirectory() as aside:
        here = Path(aside)
        for name in (*FILES, *LATER, MANIFEST):
            if (found / name).is_file():
                shutil.copyfile(found / name, here / name)  # the cache holds links
        _accept_card(here)
        listed = manifest.verify(here)["files"]
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in (*FILES, *(name for name in LATER if name in listed), MANIFEST):
            atomic.write(folder / name, (here / name).read_bytes())
    for name in LATER:
        if name not in listed:
            (folder / name).unlink(missing_ok=True)  # of the run that stood here before
    return folder


def _accept_card(folder: Path) -> None:
    """Take a card as it is: people edit it on the Hub, and nothing is read from it."""
    told = bounded.json_of(folder / MANIFEST, "take another revision.")
    if (folder / CARD).exists() and isinstance(told, dict) and isinstance(told.get("files"), dict):
        told["files"][CARD] = digest(bounded.content(folder / CARD, "take another revision."))
        atomic.write(folder / MANIFEST, as_json(told))


def _check_repo(repo_id: str) -> None:
    if not isinstance(repo_id, str) or not _REPO.fullmatch(repo_id) or ".." in repo_id:
        raise InputError(
            f"{repo_id!r} is neither a directory nor OWNER/NAME on the Hub; give one, such as 'lab/model'."
        )


def _huggingface() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            "The Hub needs huggingface_hub; pip install 'counterpoint[hub]'.", name="huggingface_hub"
        ) from error
    return huggingface_hub


@contextmanager
def _told(repo_id: str) -> Iterator[None]:
    """Turn what the Hub or the way to it says into one error; each release raises others."""
    try:
        yield
    except Exception as error:
        said = " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())
        raise InputError(
            f"the Hub did not do it for {repo_id} ({type(error).__name__}: {said}); check the name, the "
            "revision, the connection, and with `hf auth login` who you are."
        ) from error
