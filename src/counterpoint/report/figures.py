"""What all figures share: colours, markers, text that is only text. pyplot and its state are never used."""

# Okabe and Ito's palette, which readers with any colour vision can tell apart, with a grey and a brown for
# ten digits; the yellow comes last, it is weak on white.
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#8C8C8C",
    "#6B3E00",
    "#F0E442",
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
INK = "#222222"


def plain(text: object) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return str(text).replace("$", r"\$")
