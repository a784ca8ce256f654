"""The command line: every verb, what it prints and writes, and how it refuses."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml

import counterpoint as cp
from counterpoint import cli, commands, parsing
from counterpoint.baselines import BASELINES
from counterpoint.settings import Settings
from counterpoint.training.checkpoint import NAME
from counterpoint.training.population import Population

QUICK = ["--epochs", "2", "--latent_dim", "2", "--hidden", "8", "--verbose", "0"]
RUN = {
    "config.yaml",
    "model.safetensors",
    "data_card.json",
    "metrics.csv",
    "scores.json",
    "environment.json",
    "README.md",
    "manifest.json",
}


def write(path: Path, rows: int = 48, modalities: int = 2) -> Path:
    """Two modalities and a label; rows of the second and a value of the first are missing."""
    rng = np.random.default_rng(0)
    kind = np.arange(rows) % 3
    cause = rng.normal(size=(rows, 3)) + kind[:, None]
    names = ["rna", "protein", *(f"m{i}" for i in range(modalities - 2))]
    x = {n: cause @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(rows, 4)) for n in names}
    x["rna"][7, 2] = np.nan
    x["protein"][:9] = np.nan
    np.savez(path, **x, kind=kind)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with data.npz, to be in."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data.npz")
    return tmp_path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A run of data.npz with test rows; its folder holds both."""
    folder = tmp_path_factory.mktemp("fitted")
    data = write(folder / "data.npz")
    argv = ["fit", str(data), "--run", str(folder / "run"), "--test", "0.25", *QUICK]
    assert cli.main(argv) == 0
    return folder


def parses(command: str) -> None:
    """The real parser takes the command."""
    program, verb, *argv = shlex.split(command, comments=True)
    assert program == "counterpoint"
    assert parsing.parse(verb, getattr(commands, verb), argv) is not None


def screen(capsys, most: int = 25) -> list[str]:
    """What was printed: at most 25 lines, the last of which says what to type next."""
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= most, "\n".join(lines)
    assert lines[-1].startswith("next:  "), lines
    for command in re.split(r"\s{2,}", lines[-1].removeprefix("next:  ")):
        parses(command)
    return lines


def next_of(lines: list[str]) -> list[str]:
    return shlex.split(lines[-1].removeprefix("next:  "))[1:]


def refused(capsys, argv: list[str]) -> str:
    """One clear line on stderr, nothing on stdout, status 2."""
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert not out
    assert len(err.splitlines()) == 1, err
    assert err.startswith("counterpoint")
    assert "Traceback" not in err
    return err.strip()


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


# --- verbs ---------------------------------------------------------------------------------------


def test_inspect_shows_what_is_there_and_what_is_missing(here, capsys):
    assert cli.main(["inspect", "data.npz", "--labels", "kind"]) == 0
    lines = screen(capsys)
    assert lines[0] == "48 rows · 2 modalities"
    assert any(re.match(r"protein\s+39 \(81%\)\s", line) for line in lines)
    assert "labels, not modelled: kind" in lines
    assert next_of(lines) == ["fit", "data.npz", "--labels", "kind"]


def test_methods_lists_every_method_and_every_baseline(capsys):
    assert cli.main(["methods"]) == 0
    lines = screen(capsys, most=len(cp.METHODS) + len(BASELINES) + 4)  # whoever asks wants all of them
    second = next(i for i, line in enumerate(lines) if line.startswith("baseline "))
    assert {line.split()[0] for line in lines[1:second] if line} == set(cp.METHODS)
    assert {line.split()[0] for line in lines[second + 1 : -1]} == set(BASELINES)


def test_from_data_to_embedding_by_typing_what_is_offered(here, capsys):
    """inspect -> fit -> embed -> impute -> embed: every `next:` runs."""
    argv, verbs = ["inspect", "data.npz"], []
    for _ in range(4):
        assert cli.main([*argv, *(QUICK if argv[0] == "fit" else [])]) == 0
        verbs.append(argv[0])
        argv = next_of(screen(capsys))
    assert verbs == ["inspect", "fit", "embed", "impute"]
    assert argv[0] == "embed"
    assert {p.name for p in (here / "runs" / "data-mmvm-0").iterdir()} == RUN
    with np.load("embedding.npz") as z:
        assert set(z) == {"joint", "modality/rna", "modality/protein"}
        assert z["joint"].shape == (48, 2)
        assert np.isnan(z["modality/protein"]).any(1).tolist() == [i < 9 for i in range(48)]
    with np.load("imputed.npz") as z, np.load("data.npz") as x:
        assert set(z) == {f"{m}/{p}" for m in ("rna", "protein") for p in ("filled", "mean", "spread")}
        seen = ~np.isnan(x["protein"])
        assert np.isfinite(z["protein/filled"]).all()
        assert np.allclose(z["protein/filled"][seen], x["protein"][seen])


def test_from_test_rows_to_a_comparison_by_typing_what_is_offered(here, capsys):
    """fit --test -> evaluate -> compare -> fit."""
    assert cli.main(["fit", "data.npz", "--test", "0.25", *QUICK]) == 0
    argv = next_of(screen(capsys))
    assert argv == ["evaluate", "runs/data-mmvm-0", "data.npz"]
    assert cli.main(argv) == 0
    lines = screen(capsys)
    assert "wrote runs/data-mmvm-0/scores.json" in lines
    assert any(line.startswith("accuracy") for line in lines)
    assert any(line.startswith("coherence subsets") for line in lines)
    assert '"split"' in Path("runs/data-mmvm-0/scores.json").read_text()
    argv = next_of(lines)
    assert argv == ["report", "runs/data-mmvm-0"]
    assert cli.main(argv) == 0
    argv = next_of(screen(capsys))
    assert argv == ["export", "runs/data-mmvm-0", "--out", "figures"]
    assert cli.main(argv) == 0
    assert any("files in figures" in line for line in screen(capsys))
    few = ["--methods", "mmvm,ae", "--seeds", "2", "--out", "all", *QUICK[:-2]]
    assert cli.main(["compare", "data.npz", "--label", "kind", *few]) == 0
    lines = screen(capsys)
    assert [line.split()[0] for line in lines[1:3]] == ["mmvm", "ae"]
    assert {p.name for p in Path("all").iterdir()} >= {"mmvm-0", "mmvm-1", "ae-0", "ae-1"}
    assert next_of(lines) == ["report", "all"]
    assert cli.main(["report", "all", "runs/data-mmvm-0", "--out", "both.html", "--title", "Both"]) == 0
    assert "<h1>Both</h1>" in Path("both.html").read_text()


def test_predict_writes_the_label_of_rows_without(here, capsys):
    argv = ["fit", "data.npz", "--run", "run", "--target", "kind", "--labels", "kind", *QUICK]
    assert cli.main([*argv, "--method", "cmmd", "--options.observed", "[rna]"]) == 0
    screen(capsys)
    assert cli.main(["predict", "run", "data.npz", "--out", "p.npz"]) == 0
    assert next_of(screen(capsys)) == ["embed", "run", "data.npz"]
    with np.load("p.npz") as z:
        assert z["probability"].shape == (48, 3)
        assert z["classes"].tolist() == [0, 1, 2]
        assert (z["label"] == z["probability"].argmax(1)).all()
        alone = z["probability"]
    assert cli.main(["predict", "run", "data.npz", "--given", "rna", "--out", "q.npz"]) == 0
    screen(capsys)
    with np.load("q.npz") as z:
        assert (z["probability"] == alone).all(), "the other modality is never read"


def test_translate_takes_source_and_target_as_flags(fitted, tmp_path, capsys):
    out = str(tmp_path / "t.npz")
    run, data = str(fitted / "run"), str(fitted / "data.npz")
    assert cli.main(["translate", run, data, "--source", "rna", "--target", "protein", "--out", out]) == 0
    screen(capsys)
    with np.load(out) as z:
        assert z["protein"].shape == (48, 4)
    both = ["--source", "rna,protein", "--target", "rna", "--out", out]
    assert cli.main(["translate", run, data, *both]) == 0
    screen(capsys)
    assert "--target is missing" in refused(capsys, ["translate", run, data, "--source", "rna"])
    err = refused(capsys, ["translate", run, data])
    assert "--source and --target are missing" in err
    assert "RUN DATA --source SOURCE" in err


def test_names_with_spaces_are_quoted_in_what_is_offered(here, capsys):
    write(here / "my data.npz")
    assert cli.main(["fit", "my data.npz", *QUICK]) == 0
    assert next_of(screen(capsys)) == ["embed", "runs/my data-mmvm-0", "my data.npz"]


def test_screens_stay_short_with_thirty_modalities(here, capsys):
    write(here / "wide.npz", rows=24, modalities=30)
    assert cli.main(["inspect", "wide.npz"]) == 0
    assert any("... and 12 more" in line for line in screen(capsys))
    assert cli.main(["fit", "wide.npz", "--epochs", "1", *QUICK[2:]]) == 0
    screen(capsys)
    assert cli.main(["impute", "runs/wide-mmvm-0", "wide.npz", "--draws", "1"]) == 0
    screen(capsys)


def test_a_run_of_some_arrays_is_asked_about_a_file_with_others_of_another_length(here, capsys):
    with np.load("data.npz") as x:
        np.savez("more.npz", **x, other=np.zeros((5, 2)))
    assert cli.main(["fit", "more.npz", "--modalities", "rna,protein", *QUICK]) == 0
    assert cli.main(next_of(screen(capsys))) == 0
    screen(capsys)


def test_the_program_itself(fitted, tmp_path):
    """Through a process, as typed: status, streams, and not all processors."""
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    code = "import os; from counterpoint.cli import main; main(); print(os.environ['OMP_NUM_THREADS'])"
    done = subprocess.run(
        [sys.executable, "-c", code, "embed", str(fitted / "run"), str(fitted / "data.npz")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert int(done.stdout.splitlines()[-1]) == max(1, len(os.sched_getaffinity(0)) // 2)
    program = Path(sys.executable).with_name("counterpoint")
    done = subprocess.run([program, "fitt"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'fit'?" in done.stderr


def test_calling_main_leaves_the_environment_alone(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cli.main(["--version"])
    assert "OMP_NUM_THREADS" not in os.environ


# --- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_the_first_screen(argv, capsys):
    assert cli.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 30
    assert {line.split()[0] for line in lines if line.startswith("  ")} == set(cli.VERBS)
    for command in re.split(r"\s{2,}", lines[-1].removeprefix("start:  ")):
        parses(command)


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"counterpoint {cp.__version__}\n"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_of_a_verb_describes_every_argument(verb, capsys):
    function = getattr(commands, verb)
    assert cli.main([verb, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    kinds = (function, Settings, *parsing._together(function).values())
    described = "\n".join(str(inspect.getdoc(kind)) for kind in kinds)
    for name in parsing.hints(function):
        found = re.search(rf"^\s*{name}: (.*)$", described, re.MULTILINE)
        assert found, f"{verb}: the docstring does not describe {name}"
        assert " ".join(found[1].split()) in shown, f"{verb} --help does not show {name}"


def test_settings_are_the_arguments_of_the_estimator():
    """`method` and `options` are arguments of `fit` itself; a command shows progress, a library is silent."""
    wanted = inspect.signature(cp.Counterpoint).parameters
    ours = {f.name: f.default for f in fields(Settings)}
    assert set(ours) | {"method", "options"} == set(wanted)
    for name, default in ours.items():
        assert default == (1 if name == "verbose" else wanted[name].default), name


# --- config files --------------------------------------------------------------------------------


def test_a_printed_configuration_gives_the_same_run(here, capsys):
    typed = ["data.npz", "--method", "mmvm", "--options.rate", "mixture", "--beta", "linear:0:1:9"]
    typed += [
        "--weights.rna",
        "2",
        "--hidden",
        "[8,4]",
        "--likelihood.rna",
        "laplace",
        "--test",
        "12",
        *QUICK[:4],
    ]
    assert cli.main(["fit", *typed, "--print_config"]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["hidden"] == [8, 4]
    Path("c.yaml").write_text(text)
    assert cli.main(["fit", *typed, "--run", "one"]) == 0
    assert cli.main(["fit", "--config", "c.yaml", "--run", "two"]) == 0
    assert weights(here / "one") == weights(here / "two")
    assert (here / "one/scores.json").read_text() == (here / "two/scores.json").read_text()
    assert cli.main(["fit", "--config", "c.yaml", "--print_config"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("verb", [v for v in cli.VERBS if v != "methods"])
def test_every_verb_prints_a_configuration_that_it_reads(verb, tmp_path, capsys):
    function = getattr(commands, verb)
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    words = [
        w for p in needed for w in ([p.name] if p.kind is not p.KEYWORD_ONLY else [f"--{p.name}", p.name])
    ]
    assert cli.main([verb, *words, "--print_config"]) == 0
    (tmp_path / "c.yaml").write_text(capsys.readouterr().out)
    given = parsing.parse(verb, function, [f"--config={tmp_path / 'c.yaml'}"])
    wanted = parsing.parse(verb, function, words)
    for one in (given, wanted):
        if one and "settings" in one:
            one["settings"]["hidden"] = list(one["settings"]["hidden"])  # YAML has no tuples
    assert given == wanted


def test_the_config_of_a_run_is_one_for_fit(here, capsys):
    typed = ["--method", "mopoe", "--options.draw", "all", "--beta", "0.5", "--hidden", "8,4", *QUICK[:4]]
    assert cli.main(["fit", "data.npz", "--run", "one", *typed]) == 0
    assert cli.main(["fit", "data.npz", "--run", "two", "--config", "one/config.yaml"]) == 0
    assert weights(here / "one") == weights(here / "two")
    assert set(yaml.safe_load(Path("one/config.yaml").read_text())) <= set(parsing.hints(commands.fit))
    capsys.readouterr()


def test_what_is_typed_wins_over_the_file_wherever_it_stands(tmp_path):
    (tmp_path / "c.yaml").write_text("epochs: 7\nseed: 3\ndata: [other.npz]\n")
    for argv in (["d.npz", "--epochs", "5", "--config"], ["--config"]):
        rest = [] if "d.npz" in argv else ["d.npz", "--epochs", "5"]
        given = parsing.parse("fit", commands.fit, [*argv, str(tmp_path / "c.yaml"), *rest])
        assert given is not None
        assert (given["data"], given["settings"]["epochs"], given["settings"]["seed"]) == (["d.npz"], 5, 3)


SPELLINGS = {
    "--hidden 256,128": ("hidden", [256, 128]),
    "--hidden [256,128]": ("hidden", [256, 128]),
    "--hidden=256,128": ("hidden", [256, 128]),
    "--hidden 64": ("hidden", [64]),
    "--patience null": ("patience", None),
    "--standardise false": ("standardise", False),
    "--beta 0.5": ("beta", 0.5),
    "--learning-rate 0.5": ("learning_rate", 0.5),
    "--weights {rna: 2}": ("weights", {"rna": 2.0}),
    "--network.rna mlp": ("network", {"rna": "mlp"}),
}


@pytest.mark.parametrize("typed", SPELLINGS)
def test_spellings(typed):
    option, _, value = typed.partition(" ")
    given = parsing.parse("fit", commands.fit, ["d.npz", option, *([value] if value else [])])
    name, wanted = SPELLINGS[typed]
    assert given is not None
    assert given["settings"][name] == wanted


@pytest.mark.parametrize(
    "argv", ["d.npz --resume", "--resume d.npz", "d.npz --resume true", "--resume=true d.npz"]
)
def test_flags_need_no_value(argv):
    given = parsing.parse("fit", commands.fit, argv.split())
    assert given is not None
    assert (given["data"], given["resume"], given["overwrite"]) == (["d.npz"], True, False)


# --- what is refused -----------------------------------------------------------------------------

REFUSED = {
    "fitt data.npz": "there is no verb 'fitt'. Did you mean 'fit'?",
    "fit data.npz --epochz 3": "there is no option --epochz. Did you mean '--epochs'?",
    "fit data.npz --learning-rat 1": "Did you mean '--learning_rate'?",
    "fit data.npz --epoch 3": "there is no option --epoch. Did you mean '--epochs'?",
    "fit data.npz --lat 3": "there is no option --lat. Did you mean '--latent_dim'?",
    "fit data.npz --over": "there is no option --over. Did you mean '--overwrite'?",
    "fit data.npz --method mmvn": "Did you mean 'mmvm'?",
    "fit data.npz --options.rat mixture": "Did you mean 'rate'?",
    "fit data.npz --options.rate mixtur": "Did you mean 'mixture'?",
    "fit data.npz --likelihood.ran normal": "Did you mean 'rna'?",
    "fit data.npz --epochs abc": "--epochs is 'abc'; it must be a whole number.",
    "fit data.npz --epochs 1.5": "--epochs is '1.5'; it must be a whole number.",
    "fit data.npz --epochs": "--epochs came without a value; it must be a whole number.",
    "fit data.npz --epochs 0": "epochs is 0; it must be a whole number of at least 1.",
    "fit data.npz --epochs.x 1": "--epochs is a whole number",
    "fit data.npz --learning_rate fast": "--learning_rate is 'fast'; it must be a number.",
    "fit data.npz --standardise maybe": "--standardise is 'maybe'; it must be true or false.",
    "fit data.npz --resume maybe": "--resume is 'maybe'; it must be true or false.",
    "fit data.npz --patience never": "it must be a whole number or null.",
    "fit data.npz --test x": "it must be a number or null.",
    "fit data.npz --hidden a,b": "it must be whole numbers with commas, such as 256,128.",
    "fit data.npz --weights.rna heavy": "--weights.rna is 'heavy'; it must be a number.",
    "fit data.npz --options 3": "it must be a mapping",
    "fit data.npz --beta abc": "give a number, or KIND:START:END:STEPS",
    "fit": "DATA is missing; type `counterpoint fit DATA`.",
    "fit data.npz extra": "2 files were named, which are read as sessions: say what these share",
    "embed run data.npz extra": "'extra' is one word too many; `counterpoint embed` takes RUN and DATA.",
    "fit --data data.npz": "data is given without it: `counterpoint fit DATA`.",
    "fit dta.npz": "dta.npz",
    "fit data.npz --config nope.yaml": "nope.yaml",
    "fit data.npz --config typo.yaml": "an option 'epochz', which `fit` does not. Did you mean 'epochs'?",
    "fit data.npz --config type.yaml": "--epochs is 'abc'; it must be a whole number.",
    "fit data.npz --config list.yaml": "it needs lines such as 'epochs: 100'",
    "fit data.npz --config broken.yaml": "it needs lines such as 'epochs: 100'",
    "fit data.npz --config null.yaml": "epochs is None; it must be a whole number of at least 1.",
    "fit data.npz --resume": "nothing to resume; fit without resume.",
    "embed norun data.npz": "norun does not exist",
    "evaluate data.npz data.npz": "is a file; give the directory of a run",
    "compare data.npz --seed 3": "there is no option --seed. Did you mean '--seeds'?",
    "compare data.npz --methods mmvn": "Did you mean 'mmvm'?",
    "compare data.npz --label knd": "Did you mean 'kind'?",
    "inspect data.npz --modalities ran": "Did you mean 'rna'?",
}
CONFIGS = {
    "typo": "epochz: 3",
    "type": "epochs: abc",
    "list": "- 1",
    "broken": "a: [1",
    "null": "epochs: null",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_one_clear_line(typed, here, capsys):
    for name, text in CONFIGS.items():
        (here / f"{name}.yaml").write_text(text + "\n")
    assert REFUSED[typed] in refused(capsys, typed.split())
    assert not list(here.glob("runs/*/model.safetensors"))


def test_advice_is_in_the_words_of_the_command_line(fitted, capsys):
    err = refused(capsys, ["fit", str(fitted / "data.npz"), "--run", str(fitted / "run"), *QUICK])
    assert err.endswith("holds a finished run; give another directory, or --overwrite.")
    assert (
        cli.main(
            [
                "fit",
                str(fitted / "data.npz"),
                "--run",
                str(fitted / "run"),
                "--overwrite",
                "--test",
                "12",
                *QUICK,
            ]
        )
        == 0
    )
    capsys.readouterr()


def test_evaluating_a_run_of_all_rows_says_what_to_do(here, capsys):
    assert cli.main(["fit", "data.npz", "--run", "all", *QUICK]) == 0
    capsys.readouterr()
    assert "fit with --test N" in refused(capsys, ["evaluate", "all", "data.npz"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModuleNotFoundError("No module named 'skimage'", name="skimage"),
            "pip install 'counterpoint[plots]'",
        ),
        (ModuleNotFoundError("No module named 'h5py'", name="h5py.x"), "pip install 'counterpoint[omics]'"),
        (ImportError("install this by hand"), "install this by hand"),
    ],
)
def test_a_missing_extra_is_named(error, said, monkeypatch, capsys):
    def broken(*args, **kwargs):
        raise error

    monkeypatch.setattr("counterpoint.demo.run", broken)
    assert said in refused(capsys, ["demo"])


def test_what_cannot_be_written_is_one_line(fitted, capsys):
    out = str(fitted / "data.npz" / "z.npz")
    assert "z.npz" in refused(capsys, ["embed", str(fitted / "run"), str(fitted / "data.npz"), "--out", out])
    pair = ["--source", "a", "--target", "b"]
    for verb, *more in (
        ["embed", "d"],
        ["impute", "d"],
        ["predict", "d"],
        ["sample"],
        ["translate", "d", *pair],
    ):
        argv = [verb, "no run", *more, "--out", "z.txt"]  # before anything is looked at
        assert "must end in .npz" in refused(capsys, argv), verb


# --- stopping and going on -----------------------------------------------------------------------

LONG = [
    "data.npz",
    "--epochs",
    "5",
    "--latent_dim",
    "2",
    "--hidden",
    "8",
    "--beta",
    "linear:0:1:20",
    "--verbose",
    "0",
]


def stop_after(epochs: int, monkeypatch) -> None:
    """Ctrl-C in the middle of a later epoch, when weights and moments have already changed."""
    train, done = Population._train_epoch, []

    def stopped(self):
        sums = train(self)
        if len(done) == epochs:
            monkeypatch.setattr(Population, "_train_epoch", train)
            raise KeyboardInterrupt
        done.append(1)
        return sums

    monkeypatch.setattr(Population, "_train_epoch", stopped)


@pytest.mark.parametrize("epochs", [1, 3])
def test_ctrl_c_keeps_the_last_epoch_and_resume_is_exact(epochs, here, monkeypatch, capsys):
    assert cli.main(["fit", *LONG, "--run", "whole"]) == 0
    stop_after(epochs, monkeypatch)
    assert cli.main(["fit", *LONG, "--run", "cut"]) == 130
    capsys_err = capsys.readouterr().err.strip().splitlines()
    assert len(capsys_err) == 2
    assert f"cut keeps epoch {epochs}" in capsys_err[0]
    assert {p.name for p in Path("cut").iterdir()} == {"config.yaml", NAME}
    assert "not a finished run" in refused(capsys, ["embed", "cut", "data.npz"])
    offered = capsys_err[1].removeprefix("next:  ")
    parses(offered)
    stop_after(0, monkeypatch)  # once more, before the next epoch is finished
    assert cli.main(shlex.split(offered)[1:]) == 130
    assert capsys.readouterr().err.strip().splitlines()[1] == capsys_err[1]
    assert cli.main(shlex.split(offered)[1:]) == 0
    assert weights(here / "cut") == weights(here / "whole")
    assert {p.name for p in Path("cut").iterdir()} == RUN
    screen(capsys)


def test_resume_true_goes_on_too(here, monkeypatch, capsys):
    stop_after(2, monkeypatch)
    assert cli.main(["fit", *LONG, "--run", "cut"]) == 130
    assert cli.main(["fit", *LONG, "--run", "cut", "--resume", "true"]) == 0
    assert len(cp.load("cut").history_) == 5
    capsys.readouterr()


def test_ctrl_c_before_the_first_epoch_keeps_nothing_and_says_so(here, monkeypatch, capsys):
    stop_after(0, monkeypatch)
    assert cli.main(["fit", *LONG, "--run", "cut"]) == 130
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", "stopped")
    assert "nothing to resume" in refused(capsys, ["fit", *LONG, "--run", "cut", "--resume"])
    assert cli.main(["fit", *LONG, "--run", "cut"]) == 0
    capsys.readouterr()
