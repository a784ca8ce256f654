"""Where a method was first described: what a recipe's `PAPER` holds, and its BibTeX."""

from dataclasses import dataclass

JOURNALS = {"Biometrika", "Journal of Econometrics", "Neural Computation", "Neural Networks"}


@dataclass(frozen=True)
class Paper:
    """A publication.

    Args:
        authors: As `("Family, Given", ...)`, in order.
        title: Title.
        venue: Conference, journal, or `"arXiv"`.
        year: Of publication.
        url: Where it is to be read.

    Example:
        >>> paper = Paper(("Kingma, Diederik P.", "Welling, Max"), "Auto-Encoding", "ICLR", 2014, "https://x")
        >>> paper.short
        'Kingma & Welling 2014'
        >>> print(paper.bibtex())
        @inproceedings{kingma2014,
          author = {Kingma, Diederik P. and Welling, Max},
          title = {{Auto-Encoding}},
          booktitle = {ICLR},
          year = {2014},
          url = {https://x},
        }
    """

    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    url: str

    @property
    def families(self) -> list[str]:
        """The authors' family names."""
        return [author.split(",")[0] for author in self.authors]

    @property
    def short(self) -> str:
        """Authors and year, as in running text."""
        names = self.families
        if len(names) > 2:
            return f"{names[0]} et al. {self.year}"
        return f"{' & '.join(names)} {self.year}"

    def bibtex(self) -> str:
        """Return the entry."""
        kind, where = "inproceedings", ("booktitle", self.venue)
        if self.venue == "arXiv":
            kind, where = "misc", ("howpublished", "arXiv preprint")
        elif self.venue in JOURNALS:
            kind, where = "article", ("journal", self.venue)
        key = "".join(c for c in self.families[0].lower() if c.isalpha()) + str(self.year)
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            where[0]: where[1],
            "year": self.year,
            "url": self.url,
        }
        lines = "".join(f"  {k} = {{{v}}},\n" for k, v in fields.items())
        return f"@{kind}{{{key},\n{lines}}}"


MMVM = Paper(  # `mmvm`, and its baselines that no paper before it describes as they are compared there
    (
        "Sutter, Thomas M.",
        "Meng, Yang",
        "Agostini, Andrea",
        "Chopard, Daphné",
        "Fortin, Norbert",
        "Vogt, Julia E.",
        "Shahbaba, Babak",
        "Mandt, Stephan",
    ),
    "Unity by Diversity: Improved Representation Learning for Multimodal VAEs",
    "NeurIPS",
    2024,
    "https://openreview.net/forum?id=Z4R2rkPgBy",
)
