"""The verbs that give a run away and take one in."""

from counterpoint.commands.parts import say_next


def push(
    run: str,
    repo: str,
    license: str | None = None,
    dataset: str | None = None,
    about: str | None = None,
    include_rows: bool = False,
    public: bool = False,
    revision: str | None = None,
) -> None:
    """Upload a run to the Hugging Face Hub, with a model card; no data, no embeddings of rows.

    Args:
        run: A run directory.
        repo: OWNER/NAME on the Hub; made, private, if it is not there.
        license: Of the weights, such as cc-by-4.0; the card names none without it.
        dataset: What the rows are, in a few words, for the card.
        about: A paragraph for the card.
        include_rows: Upload exhibits and densities too that tell of single rows.
        public: Make the repository public if it is not there yet.
        revision: A branch; the main one unless given.
    """
    from counterpoint import hub
    from counterpoint.hub_card import Said

    said = Said(repo, license, dataset, about, rows=include_rows)
    print(f"uploaded  {hub.push(run, said, private=not public, revision=revision)}")
    say_next("pull", repo, f"runs/{repo.rpartition('/')[2]}")


def pull(repo: str, run: str | None = None, revision: str | None = None, overwrite: bool = False) -> None:
    """Download a run from the Hugging Face Hub; every file is checked by its hash.

    Args:
        repo: OWNER/NAME on the Hub.
        run: The run directory to write; runs/NAME unless given.
        revision: Branch, tag or commit.
        overwrite: Replace a finished run.
    """
    from counterpoint import hub

    folder = hub.pull(repo, run or f"runs/{repo.rpartition('/')[2]}", revision=revision, overwrite=overwrite)
    print(f"saved {folder}")
    say_next("embed", str(folder), "DATA")
