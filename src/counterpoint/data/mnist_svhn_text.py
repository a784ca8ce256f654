"""MNIST-SVHN, MNIST-SVHN-Text and three-modality MNIST: pictures and words of the same digit."""

from pathlib import Path

from counterpoint.data.mnist import mnist_pictures
from counterpoint.data.multimodal import MultimodalData
from counterpoint.data.pairing import Source, build
from counterpoint.data.svhn import svhn

MODALITIES = ("mnist", "svhn", "text", "rotated")


def mnist_svhn_text(
    folder: str | Path,
    *,
    modalities: tuple[str, ...] | list[str] = ("mnist", "svhn", "text"),
    repetitions: int = 20,
    alphabet: str = "letters",
    rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
) -> tuple[MultimodalData, MultimodalData]:
    """Build rows of one digit from `folder/mnist/{train,test}.npz` and `folder/svhn/{train,test}_32x32.mat`.

    MNIST comes with `polymnist.download_mnist`; SVHN by hand, see `svhn.svhn`. Per class n = min(MNIST, SVHN,
    10,000) images are paired, `repetitions` times over with fresh permutations, so training and test rows
    never share an image. Rows come in shuffled order, and `rows` and `test_rows` take the first of them:
    all 20 repetitions are 1,121,360 and 200,000 rows, of which MNIST and SVHN take 5 GB.

    * MNIST-SVHN: `modalities=("mnist", "svhn")`; CMMD took `rows=80_000, test_rows=20_000`.
    * MNIST-SVHN-Text: all but "rotated", with `alphabet="published"` for its 71 symbols.
    * Three-modality MNIST: `("mnist", "rotated", "svhn")`; CMMD took 30,000 and 7,000 rows. Whether its
      rotated digit was the same image as the plain one is not known; here it is another image of the class,
      turned by U[-45, 45] degrees. CMMD padded it to 32 x 32 in training; here it stays 28 x 28.

    Args:
        folder: Where `mnist/` and `svhn/` lie.
        modalities: Which of mnist, svhn, text, rotated, in this order.
        repetitions: How often every class is paired (published: 20, and 30 in one script).
        alphabet: Of the text, "letters" (27 symbols) or "published" (71), see `digit_words`.
        rows: How many training rows.
        test_rows: How many test rows.
        seed: Of the pairing, the order, the places of the words and the angles.

    Shapes: mnist and rotated (N, 1, 28, 28), svhn (N, 3, 32, 32), text (N, 8) codes, all uint8; the label
    `digit` (N,) in 0..9.

    Raises:
        InputError: a missing or damaged file, which is named; an unknown modality; more rows than there are.

    Source: Shi et al. 2019 (MMVAE), Sutter et al. 2020 and 2021 (MoPoE). Every repetition draws from all
    images of a class. The start of a word is drawn once a row; the published readers differ in that.

    Example:
        >>> mnist_svhn_text("nowhere", modalities=("svhn", "text"))
        Traceback (most recent call last):
        counterpoint.errors.InputError: nowhere/svhn/train_32x32.mat is missing; download train_32x32.mat \
from http://ufldl.stanford.edu/housenumbers/ and put it there.
    """

    def source(name: str, split: str) -> Source:
        return svhn(folder, split) if name == "svhn" else mnist_pictures(folder, split)

    return build(
        source,
        MODALITIES,
        modalities,
        repetitions=repetitions,
        alphabet=alphabet,
        rows=rows,
        test_rows=test_rows,
        seed=seed,
    )
