# ruff: noqa: E501  (a table: one case a line)
"""Bad inputs, and odd ones that are fine: what a user types, and what the answer says.

`python tests/bad_inputs.py > docs/bad-input.md` writes the table; test_bad_input.py checks every line of it.
"""

import ast
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import scipy.sparse
import torch

import counterpoint as cp
from counterpoint.distributions import Point
from counterpoint.errors import InputError
from counterpoint.evaluate import evaluate, task
from counterpoint.manifest import FILES, digest
from counterpoint.protocol import hold_out
from counterpoint.report.build import report
from counterpoint.report.export import export
from counterpoint.report.records import read_records
from counterpoint.training.population import Population

INTRO = """# Bad input

Made by `python tests/bad_inputs.py > docs/bad-input.md` from the cases that `tests/test_bad_input.py` runs; do not edit it.

Whatever cannot be used is refused before the first training step, with one `counterpoint.InputError` (a `ValueError`) that says what was
given, what is allowed and what to do. A value that is missing is no bad input: NaN, an absent row and False in a mask are the same thing.

In the snippets `rna` is (40, 4), `protein` (40, 3), `counts` (40, 6) whole numbers, `y` 40 labels, `data = {"rna": rna, "protein": protein}`,
`labelled = cp.read(data, labels={"kind": y})`, `Model` is `cp.Counterpoint` with 2 latents and 1 epoch, `fitted` one that was fitted on `data`,
`runs/a` its run directory, `runs/b` a run of other data, `runs/half` an interrupted fit on `data`. `but(a, i, j, v)` is a copy of `a` with
`a[i, j] = v`; `truncate`, `edit` and `drop` damage a file; `rehash` makes the manifest agree with the damage."""


@dataclass(frozen=True)
class Case:
    """What a user does, as code, and a pattern that the answer matches.

    The answer is the message of the InputError; of a case that is `fine` it is the value of the last expression.
    """

    what: str
    code: str
    says: str
    fine: bool = False


def part(title: str, *cases: Case) -> tuple[str, tuple[Case, ...]]:
    """A part of the table."""
    return title, cases


def fine(what: str, code: str, says: str) -> Case:
    """Odd, but allowed."""
    return Case(what, code, says, fine=True)


PARTS = (
    part(
        "Data",
        Case("unequal lengths", 'Model().fit({"rna": rna, "protein": protein[:39]})', r"rna 40, protein 39.*NaN"),
        Case("no modality", "Model().fit({})", r"no modality.*at least one"),
        Case("no row with two modalities", 'Model().fit({"rna": np.vstack([rna, rna * np.nan]), "protein": np.vstack([protein * np.nan, protein])})', r"nothing ties them.*pair_on"),
        fine("the same by a method that ties nothing", 'len(Model("independent").fit({"rna": np.vstack([rna, rna * np.nan]), "protein": np.vstack([protein * np.nan, protein])}).history_)', r"1"),
        Case("no rows", 'Model().fit({"rna": rna[:0], "protein": protein[:0]})', r"no rows.*\(0, 4\)"),
        Case("no features", 'Model().fit({"rna": rna[:, :0], "protein": protein})', r"no features.*\(40, 0\)"),
        Case("one array without a name", "Model().fit(rna)", r"ndarray.*\{'name': array\}"),
        Case("nothing", "Model().fit(None)", r"NoneType.*dict of arrays"),
        Case("None for a modality", 'Model().fit({"rna": rna, "protein": None})', r"'protein' is None.*leave"),
        Case("a single number for a modality", 'Model().fit({"rna": rna, "age": 3.0})', r"'age' is 3\.0"),
        Case("one row only that would broadcast", 'Model().fit({"rna": rna, "protein": protein[:1]})', r"rna 40, protein 1\b"),
        Case("inf", 'Model().fit({"rna": but(rna, 3, 2, np.inf)})', r"inf in row 3, column 2.*finite"),
        Case("-inf in a named column", 'Model().fit({"rna": pd.DataFrame(but(rna, 3, 2, -np.inf), columns=list("abcd"))})', r"row 3, column 'c'"),
        Case("values beyond float32", 'Model(standardise=False).fit({"rna": but(rna, 0, 0, 1e300)})', r"too large for float32 in row 0, column 0"),
        Case("values whose variance overflows", 'Model().fit({"rna": but(rna, 0, 0, 1e300)})', r"variance is not finite"),
        Case("a modality that is never observed", 'Model().fit({"rna": rna, "protein": np.full((40, 3), np.nan)})', r"'protein' is never observed.*Leave it out"),
        Case("a modality that its mask hides everywhere", 'Model().fit(data, mask={"protein": np.zeros(40, bool)})', r"'protein' is never observed"),
        Case("a column that is never observed", 'Model().fit({"rna": but(rna, slice(None), 1, np.nan)})', r"1 of 4 columns.*never observed.*constant='keep'"),
        Case("a constant column", 'Model().fit({"rna": but(rna, slice(None), 1, 7.0)})', r"1 of 4 columns are constant.*: 1\..*constant='keep'"),
        Case("text among numbers", 'Model().fit({"rna": np.array([[1.0, "n.d."], [2.0, 3.0]], dtype=object)})', r"text 'n\.d\.' among numbers.*NaN"),
        Case("numbers written as text", 'Model().fit({"rna": np.array([["1.5"], ["2.5"]])})', r"'1\.5', which looks like a number"),
        Case("objects", 'Model().fit({"rna": np.array([[{}], [{}]], dtype=object)})', r"holds a dict.*must hold numbers"),
        Case("complex numbers", 'Model().fit({"rna": rna + 1j})', r"complex128.*Split"),
        Case("dates", 'Model().fit({"day": np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[D]")})', r"datetime64.*turn dates into numbers"),
        Case("a sparse matrix", 'Model().fit({"rna": scipy.sparse.csr_matrix(counts)})', r"sparse.*\.toarray\(\)"),
        Case("a ragged list", 'Model().fit({"rna": [[1.0, 2.0], [3.0]]})', r"rows differ in length"),
        Case("text columns beside number columns", 'Model().fit({"rna": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})})', r"'b' holds text.*'a' holds numbers"),
        Case("rows named in one modality, none in the other, and not the same number", 'Model().fit({"rna": pd.DataFrame(rna, index=[f"s{i}" for i in range(40)]), "protein": protein[:39]})', r"rna 40, protein 39"),
        Case("row names repeated where they must be matched", 'Model().fit({"rna": pd.DataFrame(rna, index=["s"] * 40), "protein": pd.DataFrame(protein, index=[f"s{i}" for i in range(40)])})', r"'s' twice.*unique"),
        Case("negative counts", 'Model(likelihood="poisson").fit({"counts": but(counts, 2, 1, -3)})', r"holds -3 in row 2, column 1.*whole numbers of at least 0"),
        Case("counts that are not whole", 'Model(likelihood="negative_binomial").fit({"counts": counts + 0.5})', r"\.5 in row 0, column 0.*whole numbers"),
        Case("bernoulli outside [0, 1]", 'Model(likelihood="bernoulli").fit({"rna": rna})', r"needs values in \[0, 1\].*'normal'"),
        Case("one category only", 'Model().fit({"rna": rna, "sex": ["f"] * 40})', r"one category only.*Leave it out"),
        Case("text where the likelihood needs numbers", 'Model(likelihood={"sex": "normal"}).fit({"rna": rna, "sex": ["f", "m"] * 20})', r"holds text.*'categorical'"),
        Case("too few rows for a validation split", 'Model().fit({"rna": rna[:3]})', r"validation=0\.1 of 3 rows.*validation=0"),
    ),
    part(
        "Masks",
        Case("a mask (N, 1) that would broadcast", 'Model().fit(data, mask={"rna": np.ones((40, 1), bool)})', r"\(40, 1\); it must be \(40,\).*\(40, 4\)"),
        Case("a mask (1, D) that would broadcast", 'Model().fit(data, mask={"rna": np.ones((1, 4), bool)})', r"\(1, 4\); it must be \(40,\).*\(40, 4\)"),
        Case("a mask of 0 and 1", 'Model().fit(data, mask={"rna": np.ones(40)})', r"float64; it must be bool"),
        Case("a mask for no modality", 'Model().fit(data, mask={"rma": np.ones(40, bool)})', r"'rma'.*Did you mean 'rna'"),
        Case("a mask that is no dict", "Model().fit(data, mask=np.ones(40, bool))", r"mask is a ndarray; give a dict"),
        Case("NaN where the mask says observed", 'Model().fit({"rna": but(rna, 3, 2, np.nan)}, mask={"rna": np.ones((40, 4), bool)})', r"no value in row 3, column 2.*mask says"),
        Case("NA among whole numbers where the mask says observed", 'Model().fit({"n": pd.array([1, None, 3] * 10, dtype="Int64").to_numpy(object)}, mask={"n": np.ones(30, bool)})', r"no value in row 1.*mask says"),
    ),
    part(
        "Names",
        Case("a name with a slash", 'Model().fit({"rna/1": rna})', r"'rna/1' cannot name a modality"),
        Case("an empty name", 'Model().fit({"": rna})', r"'' cannot name a modality"),
        Case("a name of two lines", 'Model().fit({"a\\nb": rna})', r"one line of text"),
        Case("a name that is no text", "Model().fit({0: rna})", r"0 \(int\) cannot name a modality.*'0'"),
        Case("a DataFrame without groups", "Model().fit(pd.DataFrame(rna))", r"4 columns needs groups=\{"),
        Case("groups that name no column", 'Model().fit(table, groups={"rna": ["g1", "g9"], "protein": ["p1"]})', r"'g9'.*does not have; it has 3, such as 'g1'"),
        Case("a column in two groups", 'Model().fit(table, groups={"rna": ["g1", "g2"], "protein": ["g2"]})', r"'g2' is in two groups"),
        Case("a column that stands in the table twice", 'Model().fit(table[["g1", "g2", "g2", "p1"]], groups={"rna": ["g1", "g2"], "protein": ["p1"]})', r"'g2'.*twice"),
        Case("groups for a dict", 'Model().fit(data, groups={"rna": ["g1"]})', r"groups is for one DataFrame"),
    ),
    part(
        "Files",
        Case("no such file", 'np.savez("mice.npz", **data); Model().fit("mise.npz")', r"no file or folder 'mise\.npz'.*Did you mean 'mice\.npz'"),
        Case("an empty folder", 'Path("empty").mkdir(); Model().fit("empty")', r"'empty' holds no data.*one file per modality"),
        Case("another suffix", 'Path("mice.xlsx").touch(); Model().fit("mice.xlsx")', r"not read here \(\.xlsx\)"),
        Case("other files in the folder", 'Path("d").mkdir(); Path("d/notes.docx").touch(); Model().fit("d")', r"'notes\.docx'.*Move the others"),
        Case("pickled objects", 'np.savez("p.npz", rna=np.array([{}, None], dtype=object)); Model().fit("p.npz")', r"Python objects, which are not loaded"),
        Case("a truncated .npz", 'np.savez("t.npz", **data); truncate("t.npz"); Model().fit("t.npz")', r"t\.npz cannot be read: it is cut off"),
        Case("a truncated .npy", 'Path("d").mkdir(); np.save("d/rna.npy", rna); truncate("d/rna.npy"); Model().fit("d")', r"rna\.npy cannot be read: it is cut off"),
        Case("an .npz without a table", 'np.savez("v.npz", rna=np.ones(3)); Model().fit("v.npz")', r"no modality.*rna \(3,\)"),
        Case("a .csv without groups", 'table.to_csv("t.csv"); Model().fit("t.csv")', r"one table with 3 columns.*groups="),
        Case("a .csv without names", 'pd.DataFrame(rna).to_csv("t.csv", header=False, index=False); Model().fit("t.csv")', r"first line of t\.csv holds numbers"),
    ),
    part(
        "Options of the model",
        Case("method misspelt", 'Model("mmvn").fit(data)', r"method is 'mmvn'.*Did you mean 'mmvm'"),
        Case("a method that is no text", "Model(3).fit(data)", r"method is 3; allowed are ae, "),
        Case("an option misspelt", 'Model(options={"rat": "mixture"}).fit(data)', r"mmvm has no option 'rat'.*Did you mean 'rate'"),
        Case("an option of another method", 'Model("poe", options={"rate": "mixture"}).fit(data)', r"poe has no option 'rate'; it has"),
        Case("rate misspelt", 'Model(options={"rate": "mixtur"}).fit(data)', r"rate is 'mixtur'.*Did you mean 'mixture'"),
        Case("preset misspelt", 'Model(options={"preset": "offical"}).fit(data)', r"preset is 'offical'.*Did you mean 'official'"),
        Case("draw misspelt", 'Model("moe", options={"draw": "stratifed"}).fit(data)', r"draw is 'stratifed'.*Did you mean 'stratified'"),
        Case("prior_expert misspelt", 'Model("poe", options={"prior_expert": "al"}).fit(data)', r"prior_expert is 'al'.*Did you mean 'all'"),
        Case("draws 0", 'Model(options={"draws": 0}).fit(data)', r"draws is 0.*at least 1"),
        Case("beta in the options", 'Model(options={"beta": 2.0}).fit(data)', r"'beta'; give it as beta="),
        Case("options that are no dict", 'Model(options="mixture").fit(data)', r"options is 'mixture'; give a dict"),
        Case("likelihood misspelt", 'Model(likelihood="bernouli").fit(data)', r"'bernouli'.*Did you mean 'bernoulli'"),
        Case("likelihood for no modality", 'Model(likelihood={"rma": "normal"}).fit(data)', r"'rma'.*Did you mean 'rna'"),
        Case("network misspelt", 'Model(network="mpl").fit(data)', r"modality 'rna': kind is 'mpl'.*Did you mean 'mlp'"),
        Case("network for no modality", 'Model(network={"protien": "mlp"}).fit(data)', r"'protien'.*Did you mean 'protein'"),
        Case("a network that does not suit the shape", 'Model(network="conv").fit(data)', r"modality 'rna': shape is \(4,\); it must be \(C, H, W\)"),
        Case("own networks of the wrong shape", 'Model(network={"rna": (nn.Linear(4, 3), nn.Linear(2, 4))}).fit(data)', r"encoder of 'rna' gives \(2, 3\) for \(2, 4\); it must give \(2, 4\)"),
        Case("own networks that draw by themselves", 'Model(network={"rna": (nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1)), nn.Linear(2, 4))}).fit(data)', r"Dropout.*draws by itself"),
        Case("own networks that are no pair", 'Model(network={"rna": nn.Linear(4, 4)}).fit(data)', r"'rna' is Linear.*pair \(encoder, decoder\)"),
        Case("own networks that keep state", 'Model(network={"rna": (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), nn.Linear(2, 4))}).fit(data)', r"BatchNorm1d.*stateless"),
        Case("weights for no modality", 'Model(weights={"rma": 2.0}).fit(data)', r"'rma'.*Did you mean 'rna'"),
        Case("a negative weight", 'Model(weights={"rna": -1.0}).fit(data)', r"weight of modality 'rna' is -1\.0.*above 0"),
        Case("weights that are no dict", "Model(weights=[1.0, 2.0]).fit(data)", r"weights is \[1\.0, 2\.0\]; give a dict"),
        Case("latent_dim 0", "Model(latent_dim=0).fit(data)", r"latent_dim is 0.*at least 1"),
        Case("latent_dim negative", "Model(latent_dim=-2).fit(data)", r"latent_dim is -2"),
        Case("latent_dim a fraction", "Model(latent_dim=2.5).fit(data)", r"latent_dim is 2\.5.*whole number"),
        Case("hidden 0", "Model(hidden=(64, 0)).fit(data)", r"hidden is 0.*at least 1"),
        Case("hidden a number", "Model(hidden=64).fit(data)", r"hidden is 64; give.*\(256,\)"),
        Case("width 0", "Model(width=0).fit(data)", r"width is 0.*at least 1"),
        Case("standardise no bool", 'Model(standardise="yes").fit(data)', r"standardise is 'yes'.*True or False"),
        Case("constant misspelt", 'Model(constant="kep").fit(data)', r"constant is 'kep'.*Did you mean 'keep'"),
        Case("a posterior without a density under a prior", 'assemble(fitted.preparation_, replace(cp.method("mmvm"), posterior=Point), latent_dim=2)', r"Point.*normal"),
        Case("a product of posteriors that are not normal", 'assemble(fitted.preparation_, replace(cp.method("poe"), posterior=Point), latent_dim=2)', r"Point.*normal"),
        Case("all subsets of thirteen modalities", 'Model("mopoe").fit({f"m{i}": rna for i in range(13)})', r"13 modalities has 8191 experts; it takes at most 12 modalities.*moe, poe or mmvm"),
        Case("beta negative", "Model(beta=-1).fit(data)", r"beta is -1; it must be a finite number of at least 0"),
        Case("beta NaN", "Model(beta=np.nan).fit(data)", r"beta is nan"),
        Case("beta None", "Model(beta=None).fit(data)", r"beta is None"),
        Case("a schedule that cannot be read", 'Model(beta="linear:0:1").fit(data)', r"'linear:0:1'; give a number, or KIND:START:END:STEPS"),
        Case("a kind of schedule misspelt", 'Model(beta="linaer:0:1:100").fit(data)', r"schedule is 'linaer'.*Did you mean 'linear'"),
    ),
    part(
        "Options of training",
        Case("epochs 0", "Model(epochs=0).fit(data)", r"epochs is 0.*at least 1"),
        Case("batch_size 0", "Model(batch_size=0).fit(data)", r"batch_size is 0.*at least 1"),
        Case("batch_size a word", 'Model(batch_size="big").fit(data)', r"batch_size is 'big'; give a whole number.*or 'auto'"),
        Case("learning_rate 0", "Model(learning_rate=0).fit(data)", r"learning_rate is 0.*above 0"),
        Case("learning_rate text", 'Model(learning_rate="1e-3").fit(data)', r"learning_rate is '1e-3'.*number"),
        Case("clip negative", "Model(clip=-1.0).fit(data)", r"clip is -1\.0.*above 0"),
        Case("patience 0", "Model(patience=0).fit(data)", r"patience is 0.*at least 1"),
        Case("validation 1", "Model(validation=1.0).fit(data)", r"validation is 1\.0.*at most 0\.9"),
        Case("validation negative", "Model(validation=-0.1).fit(data)", r"validation is -0\.1"),
        Case("precision misspelt", 'Model(precision="float23").fit(data)', r"'float23'.*Did you mean 'float32'"),
        Case("bfloat16 where the processor lacks it", 'Model(precision="bfloat16").fit(data)', r"'bfloat16', which this processor.*'float32'"),
        Case("cuda where there is none", 'Model(device="cuda").fit(data)', r"'cuda'.*no CUDA.*'cpu'"),
        Case("device misspelt", 'Model(device="gpu").fit(data)', r"device is 'gpu'; allowed are cpu, cuda"),
        Case("seed negative", "Model(seed=-1).fit(data)", r"seed is -1.*at least 0"),
        Case("seed a fraction", "Model(seed=0.5).fit(data)", r"seed is 0\.5.*whole number"),
        Case("verbose a word", 'Model(verbose="yes").fit(data)', r"verbose is 'yes'"),
        Case("checkpoint_seconds negative", 'Model().fit(data, run="runs/new", checkpoint_seconds=-1)', r"checkpoint_seconds is -1"),
    ),
    part(
        "Asking a model",
        Case("not fitted", "Model().embed(data)", r"not fitted; call fit"),
        Case("not fitted, saved", 'Model().save("runs/new")', r"not fitted; call fit"),
        Case("an extra modality", 'fitted.embed({**data, "lipid": rna})', r"'lipid' was not fitted; fitted are rna, protein"),
        Case("a modality misspelt", 'fitted.embed({"rna": rna, "protien": protein})', r"'protien' was not fitted.*Did you mean 'protein'"),
        Case("another width", 'fitted.embed({"rna": rna[:, :3]})', r"'rna' has 3 features per row; it was fitted on 4"),
        Case("another shape", 'fitted.embed({"rna": rna.reshape(40, 2, 2)})', r"\(2, 2\).*fitted on"),
        Case("other columns", 'm = Model().fit({"rna": named}); m.embed({"rna": named.rename(columns={"c": "x"})})', r"lacks 1 of the 4 features that were fitted, such as 'c'.*missing_features=impute"),
        Case("none of the columns", 'm = Model().fit({"rna": named}); m.embed({"rna": named.add_prefix("ENSG")})', r"lacks 4 of the 4 features.*It has 'ENSGa'"),
        Case("a column twice among others", 'm = Model().fit({"rna": named}); m.embed({"rna": named[["a", "b", "c", "d", "d"]]})', r"names 'd' twice"),
        Case("missing_features misspelt", 'fitted.read(data, missing_features="imputed")', r"missing_features is 'imputed'.*Did you mean 'impute'"),
        Case("columns without names whose hash is another", 'm = Model().fit({"rna": named}); m.read({"rna": rna}, feature_hash={"rna": "0" * 64})', r"without names, of which the hash 000000000000.*not those of the fit"),
        Case("a category that was never seen", 'm = Model().fit({"sex": ["f", "m"] * 20}); m.embed({"sex": ["f", "d"]})', r"new are 'd', known are 'f', 'm'"),
        Case("numbers where there was text", 'm = Model().fit({"sex": ["f", "m"] * 20}); m.embed({"sex": [0, 1]})', r"fitted on text"),
        Case("a code beyond those that were fitted", 'm = Model(likelihood="categorical").fit({"k": counts % 3}); m.embed({"k": counts * 0 + 9})', r"codes from 0 to 2"),
        Case("given misspelt", 'fitted.embed(data, given=["protien"])', r"given is 'protien'.*Did you mean 'protein'"),
        Case("given empty", "fitted.embed(data, given=[])", r"given names no modality; allowed are rna, protein"),
        Case("source misspelt", 'fitted.translate(data, "rma", "protein")', r"source is 'rma'.*Did you mean 'rna'"),
        Case("target misspelt", 'fitted.translate(data, "rna", "protien")', r"target is 'protien'.*Did you mean 'protein'"),
        Case("to misspelt", 'fitted.impute(data, to="protien")', r"to is 'protien'.*Did you mean 'protein'"),
        Case("to empty", "fitted.impute(data, to=[])", r"to names no modality; allowed are rna, protein"),
        Case("sampling without a density", "fitted.sample(3)", r"no prior to draw from.*h\(z\|X\).*fit_density"),
        Case("a density that was not fitted", 'fitted.sample(3, density="flow")', r"density is 'flow', and fitted are: none; call fit_density"),
        Case("a density misspelt", 'fitted.fit_density(data, "gmmm")', r"density is 'gmmm'.*Did you mean 'gmm'"),
        Case("no rows to sample", 'fitted.sample(0)', r"n is 0.*at least 1"),
        Case("a joint encoder and own networks", 'Model("jmvae", network={"rna": (None, None)}).fit(data)', r"third network.*name a kind"),
        Case("split without private latents", 'Model("split", options={"private_dim": 0}).fit(data)', r"private_dim is 0"),
        Case("nothing to reconcile", 'Model("mmvm", options={"impartial": "pcgrad"}).fit(data)', r"each of its latents feeds one decoder"),
        Case("impartial misspelt", 'Model("poe", options={"impartial": "pcgrat"}).fit(data)', r"Did you mean 'pcgrad'"),
        Case("no draws to impute with", "fitted.impute(data, draws=0)", r"draws is 0.*at least 1"),
        Case("a fraction of draws", "fitted.reconstruct(data, draws=0.5)", r"draws is 0\.5.*whole number"),
        Case("how misspelt", 'fitted.embed(data, how="prodcut")', r"how is 'prodcut'.*Did you mean 'product'"),
        Case("weights by the precision of posteriors without a density", 'm = Model("ae").fit(data); m.embed(data, how="precision")', r"needs posteriors with a density.*ae.*'mixture'"),
        Case("a product of posteriors without a density", 'm = Model("ae").fit(data); m.embed(data, how="product")', r"needs normal posteriors.*ae.*'mixture'"),
        Case("seed negative", "fitted.impute(data, seed=-1)", r"seed is -1"),
        Case("scoring a modality that no row has", 'fitted.score_terms({"rna": rna})', r"no row has 'protein'"),
        Case("inf when asking", 'fitted.embed({"rna": but(rna, 0, 0, np.inf)})', r"inf in row 0"),
    ),
    part(
        "Run directories",
        Case("no such run", 'cp.load("runs/c")', r"runs/c does not exist.*runs/NAME"),
        Case("a directory that is no run", 'Path("d").mkdir(); cp.load("d")', r"d has no manifest\.json.*not a finished run"),
        Case("a run that was not finished", 'cp.load("runs/half")', r"not a finished run.*resume=True"),
        Case("a file", 'Path("f").touch(); cp.load("f")', r"f is a file; give the directory of a run"),
        Case("no path", "cp.load(3)", r"run is 3 \(int\); give"),
        *(Case(f"{name} is cut off", f'truncate("runs/a/{name}"); cp.load("runs/a")', rf"{name} is not as it was written") for name in FILES if name != "scores.json"),
        *(Case(f"{name} is gone", f'drop("runs/a/{name}"); cp.load("runs/a")', rf"lacks {name}") for name in ("model.safetensors", "data_card.json")),
        Case("scores.json changed", 'edit("runs/a/scores.json", "{", "{ "); cp.load("runs/a")', r"scores\.json is not as it was written"),
        Case("the manifest is cut off", 'truncate("runs/a/manifest.json"); cp.load("runs/a")', r"manifest\.json is damaged"),
        Case("the manifest is of another version", 'edit("runs/a/manifest.json", \'"format": 1\', \'"format": 9\'); cp.load("runs/a")', r"format 9; this version reads 1"),
        Case("config.yaml changed by hand", 'edit("runs/a/config.yaml", "latent_dim: 2", "latent_dim: 3"); cp.load("runs/a")', r"config\.yaml is not as it was written"),
        Case("config.yaml changed, with its hash", 'edit("runs/a/config.yaml", "latent_dim: 2", "latent_dim: 3"); rehash("runs/a"); cp.load("runs/a")', r"do not fit its configuration"),
        Case("config.yaml with an unknown key", 'edit("runs/a/config.yaml", "latent_dim:", "latent_dims:"); rehash("runs/a"); cp.load("runs/a")', r"'latent_dims' that does not exist\. Did you mean 'latent_dim'"),
        Case("config.yaml that is no mapping", 'Path("runs/a/config.yaml").write_text("- 1"); rehash("runs/a"); cp.load("runs/a")', r"holds no options.*mapping"),
        Case("config.yaml that is not text", 'Path("runs/a/config.yaml").write_bytes(b"\\xff\\xfe\\xfa"); rehash("runs/a"); cp.load("runs/a")', r"cannot be read as YAML"),
        Case("weights cut off, with their hash", 'truncate("runs/a/model.safetensors"); rehash("runs/a"); cp.load("runs/a")', r"model\.safetensors is truncated or damaged"),
        Case("weights of another data set", 'shutil.copy("runs/b/model.safetensors", "runs/a"); rehash("runs/a"); cp.load("runs/a")', r"trained on other data.*from one run"),
        Case("data_card.json cut off, with its hash", 'truncate("runs/a/data_card.json"); rehash("runs/a"); cp.load("runs/a")', r"data_card\.json is damaged"),
        Case("data_card.json without its parts, with its hash", 'Path("runs/a/data_card.json").write_text("{}"); rehash("runs/a"); cp.load("runs/a")', r"data_card\.json is damaged"),
        Case("metrics.csv is no table, with its hash", 'Path("runs/a/metrics.csv").write_text("epoch\\nx\\n"); rehash("runs/a"); cp.load("runs/a")', r"metrics\.csv is damaged"),
        Case("a run of own networks without them", 'own().fit(data, run="runs/own"); cp.load("runs/own")', r"own modules for rna; pass networks="),
        Case("networks for no modality", 'cp.load("runs/a", networks={"rma": "mlp"})', r"'rma'.*Did you mean 'rna'"),
        Case("loading to cuda where there is none", 'cp.load("runs/a", device="cuda")', r"'cuda'.*no CUDA.*'cpu'"),
        Case("fitting into a finished run", 'Model().fit(data, run="runs/a")', r"holds a finished run; give another.*overwrite=True"),
        Case("fitting into a folder of other files", 'Path("d").mkdir(); Path("d/notes.txt").touch(); Model().fit(data, run="d", overwrite=True)', r"other files \(notes\.txt"),
        Case("fitting into a file", 'Path("f").touch(); Model().fit(data, run="f")', r"run 'f' is a file; give a directory"),
        Case("fitting into no name", 'Model().fit(data, run="")', r"run is ''.*path of a directory"),
        Case("resume without a run", "Model().fit(data, resume=True)", r"without run=DIRECTORY"),
        Case("resume without a checkpoint", 'Model().fit(data, run="runs/new", resume=True)', r"checkpoint\.safetensors does not exist.*nothing to resume"),
        Case("resume with other data", 'Model().fit({"rna": rna + 1, "protein": protein * 2 + rna[:, :3]}, run="runs/half", resume=True)', r"another configuration or other data"),
        Case("resume with another configuration", 'Model(learning_rate=0.5).fit(data, run="runs/half", resume=True)', r"another configuration or other data"),
        Case("resume from a checkpoint that is cut off", 'truncate("runs/half/checkpoint.safetensors"); Model().fit(data, run="runs/half", resume=True)', r"truncated or damaged.*delete it"),
    ),
    part(
        "Evaluation and comparison",
        Case("no labels", "cp.compare(data)", r"no labels; pass labels="),
        Case("several labels", 'cp.compare(cp.read(data, labels={"kind": y, "sex": y}))', r"several labels \(kind, sex\); say which"),
        Case("a label misspelt", 'cp.compare(labelled, label="knid")', r"label is 'knid'.*Did you mean 'kind'"),
        Case("labels of another length", 'cp.read(data, labels={"kind": y[:39]})', r"'kind' has 39 entries.*40 rows"),
        Case("labels without a name", "cp.read(data, labels=y)", r"labels is an array; name it"),
        Case("a label called as a modality", 'cp.read(data, labels={"rna": y})', r"'rna' names both a modality and a label"),
        Case("labels that are fractions", 'cp.compare(cp.read(data, labels={"kind": y + 0.5}), ["mmvm"])', r"'kind' holds fractions.*bin them"),
        Case("labels with NaN", 'cp.compare(cp.read(data, labels={"kind": np.where(y == 1, np.nan, y)}), ["mmvm"])', r"'kind' has missing labels.*leave those rows out"),
        Case("one class only", 'cp.compare(cp.read(data, labels={"kind": y * 0}), ["mmvm"])', r"'kind' has one class only.*at least two"),
        Case("more test rows than rows", "cp.compare(labelled, test=40)", r"test is 40 of 40 rows"),
        Case("no test rows", "cp.compare(labelled, test=0)", r"test is 0.*at least 1"),
        Case("a test share above 1", "cp.compare(labelled, test=1.5)", r"test is 1\.5"),
        Case("a test size that is NaN", "cp.compare(labelled, test=np.nan)", r"test is nan"),
        Case("fewer test rows than classes", "cp.compare(labelled, test=1)", r"test is 1.*2 classes of 'kind'"),
        Case("seeds 0", "cp.compare(labelled, seeds=0)", r"seeds is 0.*at least 1"),
        Case("no seeds", "cp.compare(labelled, seeds=[])", r"seeds is empty"),
        Case("a seed twice", "cp.compare(labelled, seeds=[1, 1])", r"seeds.*1 twice"),
        Case("a single seed under the wrong name", "cp.compare(labelled, seed=3)", r"'seed'.*seeds="),
        Case("no methods", "cp.compare(labelled, [])", r"methods is empty; name at least one of ae"),
        Case("a method misspelt", 'cp.compare(labelled, ["mmvm", "mopo"])', r"'mopo'.*Did you mean 'mopoe'"),
        Case("a method twice", 'cp.compare(labelled, ["mmvm", "mmvm"])', r"'mmvm' twice"),
        Case("options for a method that is not compared", 'cp.compare(labelled, ["mmvm"], options={"moe": {"draw": "all"}})', r"'moe'"),
        Case("an unknown argument", "cp.compare(labelled, latent_dims=3)", r"argument is 'latent_dims'.*Did you mean 'latent_dim'"),
        Case("a bad option, before anything is trained", 'cp.compare(labelled, ["mmvm"], epochs=0)', r"epochs is 0"),
        Case("several workers without a folder", "cp.compare(labelled, workers=2)", r"workers is 2 without.*out=FOLDER"),
        Case("no workers", "cp.compare(labelled, workers=0)", r"workers is 0.*at least 1"),
        Case("a probe of no rows", 'cp.compare(labelled, ["mmvm"], probe_size=0)', r"size is 0.*at least 1"),
        Case("results into a file", 'Path("f").touch(); cp.compare(labelled, ["mmvm"], out="f")', r"lies in 'f', which is a file; give a directory"),
        Case("test labels of another coding", 'cp.compare(labelled, ["mmvm"], test_data=cp.read(data, labels={"kind": y.astype(str)}))', r"no class in common"),
        Case("test rows of other modalities", 'cp.compare(labelled, ["mmvm"], test_data=cp.read({"rna": rna, "lipid": rna}, labels={"kind": y}))', r"lipid"),
        Case("test rows without the label", 'cp.compare(labelled, ["mmvm"], test_data=data)', r"test rows have no label 'kind'"),
        Case("evaluating what is not fitted", "evaluate(Model(), task(*hold_out(labelled, 10, 'kind')))", r"not fitted; call fit"),
        Case("evaluating on other modalities", 'm = Model().fit({"lipid": rna}); evaluate(m, task(*hold_out(labelled, 10, "kind")))', r"'rna' was not fitted"),
        Case("a measure misspelt", 'evaluate(fitted, task(*hold_out(labelled, 10, "kind")), measures=["coherense"])', r"measure is 'coherense'.*Did you mean 'coherence'"),
        Case("weights of Inception that are not there", 'import counterpoint.evaluation.inception as i; i.inception("no.safetensors")', r"no\.safetensors does not exist"),
        Case("several labels a row that are not 0 or 1", 'task(*[cp.read(data, labels={"tags": np.stack([y, y + 1], 1)})] * 2)', r"two axes and holds 2; several labels a row are 0 or 1"),
    ),
    part(
        "Reports",
        Case("a report of nothing", 'report("no/such/folder")', r"no/such/folder does not exist; give a run directory or a folder of runs"),
        Case("a report of a folder without runs", 'Path("empty").mkdir(); report("empty")', r"empty holds no finished run"),
        Case("a report of a run whose scores were changed", 'edit("runs/a/scores.json", "{", "{ "); report("runs/a")', r"scores\.json is not as it was written"),
        Case("a report into a folder", 'report("runs/a", ".")', r"is a folder; give the name of the file"),
        Case("a report without a title", 'report("runs/a", "r.html", title=" ")', r"title is ' '"),
        Case("an export of an unknown kind", 'export(read_records("runs/a"), "out", ["pdf"])', r"format is 'pdf'; allowed are svg, png, csv, latex, markdown"),
        Case("an export of no kind", 'export(read_records("runs/a"), "out", [])', r"formats is empty"),
        Case("an export into a file", 'Path("f").touch(); export(read_records("runs/a"), "f")', r"out 'f' is a file; give a folder"),
    ),
    part(
        "Odd, but fine",
        fine("a row with nothing observed gets the prior: its mean is 0", 'fitted.embed({"rna": [[np.nan] * 4] * 2, "protein": [[np.nan] * 3, [1.0, 2.0, 3.0]]})[0].tolist()', r"^\[0\.0, 0\.0\]$"),
        fine("a modality absent when asking: what is there is used", 'fitted.embed({"rna": rna}).shape', r"^\(40, 2\)$"),
        fine("NaN under a mask", 'np.isfinite(fitted.embed({"rna": but(rna, 0, 0, np.nan)}, mask={"rna": np.arange(40) > 0})).all().item()', r"^True$"),
        fine("a column that is constant, if asked for", 'Model(constant="keep").fit({"rna": but(rna, slice(None), 1, 7.0)}).modalities_', r"rna"),
        fine("a modality called items", 'Model().fit({"items": rna, "b": protein}).modalities_', r"items"),
        fine("modalities called a, b and a_b", 'Model().fit({"a": rna, "b": protein, "a_b": rna}).modalities_', r"a_b"),
        fine("a modality called mask", 'Model().fit({"mask": rna, "x": protein}).modalities_', r"mask"),
        fine("modalities called 0 and a.b", 'Model().fit({"0": rna, "a.b": protein}).modalities_', r"'0', 'a\.b'"),
        fine("one modality", 'Model().fit({"rna": rna}).embed({"rna": rna}).shape', r"\(40, 2\)"),
        fine("columns in another order: matched by name", 'm = Model().fit({"rna": named}); bool((m.embed({"rna": named[["b", "a", "d", "c"]]}) == m.embed({"rna": named})).all())', r"^True$"),
        fine("columns that lack, if asked for: imputed", 'm = Model().fit({"rna": named}); m.impute(m.read({"rna": named[["b", "a"]]}, missing_features="impute"))["rna"].filled.shape', r"\(40, 4\)"),
        fine("columns without names where they had some: taken in order", 'm = Model().fit({"rna": named}); m.embed({"rna": rna}).shape', r"\(40, 2\)"),
    ),
)  # fmt: skip
FOREIGN = re.compile(
    r"\((Error while|Failed to read).*?\)(?=[;.] )"
)  # other libraries' words, which change with their versions
CASES = [case for _, cases in PARTS for case in cases]


def own() -> cp.Counterpoint:
    """An estimator with a user's own networks for one modality."""
    return model(network={"rna": (torch.nn.Linear(4, 4), torch.nn.Linear(2, 4))})


model = partial(cp.Counterpoint, latent_dim=2, epochs=1, hidden=(8,))


@cache
def values() -> dict:
    """What the snippets start from; never changed by them."""
    rng = np.random.default_rng(0)
    rna, protein = rng.normal(size=(40, 4)), rng.normal(size=(40, 3))
    data = {"rna": rna, "protein": protein}
    y = np.repeat([0, 1], 20)
    named = pd.DataFrame(rna, columns=list("abcd"))
    table = pd.DataFrame({"g1": rna[:, 0], "g2": rna[:, 1], "p1": protein[:, 0]})
    found = {"rna": rna, "protein": protein, "counts": rng.poisson(5.0, (40, 6)), "y": y, "data": data}
    found |= {
        "labelled": cp.read(data, labels={"kind": y}),
        "named": named,
        "table": table.set_index(pd.RangeIndex(40)),
    }
    return found | {"fitted": model().fit(data)}


@cache
def folder_of_runs() -> Path:
    """A folder with runs/a, runs/b and runs/half, to be copied for each case that needs it."""
    folder = Path(tempfile.mkdtemp(prefix="counterpoint-bad-"))
    given = values()
    given["fitted"].save(folder / "runs/a")
    model().fit({"rna": given["rna"] * 3 + 1, "protein": given["protein"]}, run=folder / "runs/b")
    with (
        mock.patch.object(cp.Counterpoint, "save", side_effect=KeyboardInterrupt),
        contextlib.suppress(KeyboardInterrupt),
    ):
        model().fit(given["data"], run=folder / "runs/half", checkpoint_seconds=0)
    return folder


def but(a: np.ndarray, i: object, j: object, value: object) -> np.ndarray:
    """A copy with one place changed."""
    a = a.copy()
    a[i, j] = value
    return a


def truncate(path: str) -> None:
    """Cut off the second half of a file."""
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])


def edit(path: str, old: str, new: str) -> None:
    """Change a word in a file."""
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def rehash(run: str) -> None:
    """Make the manifest agree with the files."""
    manifest = json.loads(Path(run, "manifest.json").read_text())
    manifest["files"] = {k: digest(Path(run, k).read_bytes()) for k in manifest["files"]}
    Path(run, "manifest.json").write_text(json.dumps(manifest))


def namespace() -> dict:
    """The names that the snippets use."""
    from counterpoint.assembly import assemble

    tools = {
        "cp": cp,
        "np": np,
        "pd": pd,
        "nn": torch.nn,
        "scipy": scipy,
        "Path": Path,
        "shutil": shutil,
        "Model": model,
    }
    tools |= {
        "but": but,
        "truncate": truncate,
        "edit": edit,
        "rehash": rehash,
        "drop": os.unlink,
        "replace": replace,
        "Point": Point,
    }
    return (
        tools
        | {"assemble": assemble, "evaluate": evaluate, "task": task, "hold_out": hold_out, "own": own}
        | {"report": report, "export": export, "read_records": read_records}
        | values()
    )


@contextlib.contextmanager
def a_plain_machine():
    """A machine without CUDA and without a bfloat16 unit, wherever this runs."""
    with (
        mock.patch("torch.cuda.is_available", return_value=False),
        mock.patch("torch.cpu._is_amx_tile_supported", return_value=False),
        mock.patch("platform.machine", return_value="x86_64"),
    ):
        yield


def steps(count: list) -> object:
    """Count training epochs that begin."""
    train = Population._train_epoch

    def counted(self: Population) -> dict:
        count.append(1)
        return train(self)

    return mock.patch.object(Population, "_train_epoch", counted)


def answer(case: Case) -> tuple[str, int]:
    """Run a case in a folder of its own; return what is said and how many epochs were trained.

    The error is raised by the last statement; what comes before it, and fits that stand inside it, are preparation.
    """
    *before, last = ast.parse(case.code).body
    names, here = namespace(), Path.cwd()
    trained: list = []
    with tempfile.TemporaryDirectory() as folder, a_plain_machine():
        if "runs/" in case.code:
            shutil.copytree(folder_of_runs() / "runs", Path(folder) / "runs")
        os.chdir(folder)
        try:
            exec(compile(ast.Module(before, []), "<case>", "exec"), names)
            with steps(trained):
                value = eval(compile(ast.Expression(last.value), "<case>", "eval"), names)
        except InputError as error:
            refused, said = True, str(error)
        else:
            refused, said = False, repr(value)
        finally:
            os.chdir(here)
    assert refused != case.fine, f"{case.what}: {said}"
    return said, len(trained)


def document() -> str:
    """The table."""
    lines = [INTRO]
    for title, cases in PARTS:
        lines += ["", f"## {title}", "", "| | what you give | what you are told |", "| --- | --- | --- |"]
        for case in cases:
            said = FOREIGN.sub("(...)", answer(case)[0])
            lines.append(f"| {case.what} | {_cell(case.code, True)} | {_cell(said, case.fine)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str, code: bool) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return f"`{text}`" if code else text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    sys.stdout.write(document())
