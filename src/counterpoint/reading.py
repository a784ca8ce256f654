"""The verb of a fitted model that reads rows for it."""

from collections.abc import Mapping
from typing import Any

from counterpoint.data import MultimodalData
from counterpoint.data.matching import warn
from counterpoint.data.query import read_for


class Reading:
    """The verb of a fitted estimator that reads rows for it; beside `Questions`, `self` is the estimator."""

    def read(
        self: Any,
        X: Any,
        *,
        missing_features: str = "refuse",
        mask: Mapping[str, Any] | None = None,
        layers: Mapping[str, str] | None = None,
        obsm: Mapping[str, str] | None = None,
        window: Any = None,
        bin: Any = None,
        backed: bool = False,
        feature_hash: Mapping[str, str] | None = None,
    ) -> MultimodalData:
        """Return rows as the model reads them: its modalities, its features by name, in its order.

        The other verbs do this by themselves; read rows by hand to choose another way than the fit's.

        Args:
            X: Data as `fit` takes them, or the file of one session, of which all trials are read.
            missing_features: `"refuse"` rows that lack a feature of the fit, or `"impute"` it: take it as not
                observed. A modality without any of its features is absent.
            mask: As in `fit`, of the columns of X.
            layers: Of an AnnData or MuData, modality -> layer; that of the fit unless given.
            obsm: Of an AnnData, modality -> key; that of the fit unless given.
            window: Of sessions; that of the fit unless given.
            bin: Likewise.
            backed: Leave the values in their file, for `embed` and `embed_each`.
            feature_hash: name -> `counterpoint.data.prepared.hash_of` the names of its columns, where these
                come without: refused unless they are the fit's.

        Raises:
            InputError: Nothing of the model is there, a feature is lacking, or X cannot be read.

        Example:
            >>> import numpy as np, pandas as pd
            >>> from counterpoint import Counterpoint
            >>> rna = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])
            >>> m = Counterpoint(latent_dim=2, epochs=1).fit({"rna": rna})
            >>> rows = m.read({"rna": rna[["c", "a"]]}, missing_features="impute")
            >>> rows.features["rna"], rows.mask["rna"][0].tolist()
            (('a', 'b', 'c'), [True, False, True])
            >>> m.impute(rows)["rna"].filled.shape
            (40, 3)
        """
        names = self.modalities_  # refuses an estimator that is not fitted
        found: Any = read_for(
            X,
            self.preparation_,
            names,
            missing_features=missing_features,
            mask=mask,
            layers=layers,
            obsm=obsm,
            window=window,
            bin=bin,
            backed=backed,
            feature_hash=feature_hash,
            said=warn,
        )
        return found  # a Backed has MultimodalData's names, labels and indexing
