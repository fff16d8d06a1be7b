"""The pages' commands, made small, checked without running them, and run."""

import io
import re
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from support import ROOT, Outcome, call

from covidnet.config.check import check
from covidnet.config.compose import CONFIG_DIR
from covidnet.config.schema import (
    AuditCommandConfig,
    DemoConfig,
    EvaluateConfig,
    ExportConfig,
    PredictConfig,
)

HYDRA = {
    ("train.py",): "train",
    ("evaluate.py",): "evaluate",
    ("predict.py",): "predict",
    ("-m", "covidnet.audit"): "audit",
    ("-m", "covidnet.export"): "export",
    ("-m", "covidnet.demo"): "demo",
}
SCHEMAS = {
    "evaluate": EvaluateConfig,
    "predict": PredictConfig,
    "audit": AuditCommandConfig,
    "export": ExportConfig,
    "demo": DemoConfig,
}
ARGPARSE = {("-m", "covidnet.report"): "report", ("-m", "covidnet.sweeps"): "sweeps"}

FILES = (
    "data.root",
    "data.table",
    "data.external",
    "external",
    "run",
    "input",
    "resume",
    "repeat",
    "sweep.resume",
    "data_root",
)
"""Keys whose value is a file or folder that is there before the command."""

INSTEAD = [
    (r"random_state=range\(0,\d+\)", "random_state=range(0,2)"),
    (r"folds=10", "folds=2"),
    (r"repeats=3", "repeats=2"),
    (r"hydra\.sweeper\.n_trials=\d+", "hydra.sweeper.n_trials=2"),
    (r"data\.image_size=\d+", "data.image_size=32"),
    (r"trainer\.max_epochs=\d+", "trainer.max_epochs=1"),
    (r"data\.count=\d+", "data.count=20"),
    (r"weights=(imagenet|old_weights.ckpt)", "weights=none"),
    (r"experiment=rosebrock", "experiment=rosebrock data.image_size=64 head.pool=2"),
    (r"experiment=xu2020", "experiment=xu2020 backbone=mobilenet_v3_small"),
    (r"experiment=(tutorial|demo)", r"experiment=\1 data.count=20"),
    (r"experiment=zoom_ablation", "experiment=zoom_ablation random_state=range(0,2)"),
    (r"experiment=search", "experiment=search backbone=resnet18 optimizer.lr=0.001,0.002"),
    (r"bootstrap=\d+", "bootstrap=200"),
]
"""What stands in the place of a word so that a command takes a second; patterns of whole words."""

SMALL = {
    "data.image_size": "32",
    "trainer.max_epochs": "1",
    "data.batch_size": "8",
    "trainer.accelerator": "cpu",
    "weights": "none",
    "evaluation.bootstrap": "200",
    "audit": "off",
    "saliency": "off",
    "report.enabled": "false",
}
"""What train.py is told besides, where the command says nothing of it itself."""


def program(words):
    """Which command ``python ...`` is, and its arguments; None where it is none of this project's."""
    for known in (HYDRA, ARGPARSE):
        for start, found in known.items():
            if tuple(words[1 : 1 + len(start)]) == start:
                return found, words[1 + len(start) :]
    return None


def made_small(name, arguments):
    """The same command on tiny images for one epoch."""
    replaced = []
    for word in arguments:
        for pattern, instead in INSTEAD:
            if re.fullmatch(pattern, word):
                word = re.sub(pattern, instead, word)
                break
        replaced += word.split(" ") if word.startswith("experiment=") else [word]
    if name != "train" or any(word.startswith(("resume=", "repeat=", "--")) for word in replaced):
        return replaced
    given = [word.partition("=")[0] for word in replaced]
    of_a_part = {key.partition(".")[0] for key in given}
    off = {"audit", "saliency"} & of_a_part
    return replaced + [f"{key}={value}" for key, value in SMALL.items() if key not in {*given, *off}]


def faults(command):
    """What is wrong with a command that can be told without running it: an empty list where nothing is."""
    words = command.words
    start = Path(words[0]).name
    if start == "python":
        return _faults_of_python(words)
    checks = {"make": _faults_of_make, "pip": _faults_of_pip, "tensorboard": _faults_of_tensorboard}
    if start in checks:
        return checks[start](words)
    allowed = NOT_RUN.get(command.text)
    return [] if allowed else [f"nothing here knows how to check {start}"]


NOT_RUN = {
    "source .venv/bin/activate": "a shell's own command; make install makes .venv",
    "git clone https://github.com/ieee8023/covid-chestxray-dataset": "needs the network and 2 GB",
}
"""Commands that are neither checked nor run, and why."""

LONG = {
    "demo": "serves until it is stopped; tests/demo opens it in a browser",
    "tensorboard": "serves until it is stopped",
    "benchmarks": "they and python -m tests.kills take minutes; their options are checked",
    "make": "builds an environment, runs all tests or what another command here does",
    "pip": "changes the environment",
    "hydra/launcher=submitit_slurm": "needs a Slurm cluster",
    "hydra/launcher=ray": "needs the extra ray, which is not among those of the tests",
    "sweep.pack=4": "starts processes; tests/sweeps/test_pack.py runs it",
    "trainer=ddp": "starts processes that import this one; tests/commands/test_distributed.py runs it",
    "trainer=gpu": "needs a GPU",
    "device=cuda": "needs a GPU",
}
"""Commands that are checked but not run, and why: by a word of theirs."""


def why_not_run(command):
    """Why a command is not run even by ``-m commands``; None where it is."""
    if command.text in NOT_RUN:
        return NOT_RUN[command.text]
    words = command.words
    start = Path(words[0]).name
    if start != "python":
        return LONG[start]
    found = program(words)
    if found is None:
        return LONG["benchmarks"]
    if found[0] in LONG:
        return LONG[found[0]]
    return next((LONG[word] for word in words if word in LONG), None)


def _faults_of_python(words):
    found = program(words)
    if found is None:
        return _faults_of_script(words)
    name, arguments = found
    if name in ARGPARSE.values():
        missing = [word for word in arguments if word.startswith("outputs/") and not Path(word).is_dir()]
        return [f"{word} is not among the folders of tests/docs/desk.py" for word in missing]
    if arguments in (["--help"], ["--cfg", "job"]):
        return []
    try:
        _compose(name, made_small(name, arguments))
    except Exception as error:  # whatever Hydra or the schema has to say
        return [f"{type(error).__name__}: {error}"]
    given = dict(word.split("=", 1) for word in arguments if "=" in word)
    return [
        f"{key}: {value} is not among the files of tests/docs/desk.py"
        for key in FILES
        if (value := given.get(key, "null").strip("\"'")) != "null" and not Path(value).exists()
    ]


def _compose(name, arguments):
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from covidnet.sweeps.plan import make_plan
    from covidnet.training.check import check_run
    from covidnet.training.repeat import ALLOWED
    from covidnet.training.resume import CHANGEABLE

    words = [word for word in arguments if word != "-m"]
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        if name == "train" and "-m" in arguments:
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration(name, words, run_mode=RunMode.MULTIRUN)
            make_plan(
                [word for word in words if not word.startswith("hydra")],
                config.hydra.sweeper,
                lambda overrides: check_run(compose(name, list(overrides))),
            )
        elif name == "train" and any(word.startswith("resume=") for word in words):
            compose(name, words)  # the stopped run has the values
            refused = [word for word in words if word.partition("=")[0] not in (*CHANGEABLE, "resume")]
            assert not refused, f"not allowed beside resume: {refused}"
        elif name == "train" and any(word.startswith("repeat=") for word in words):
            compose(name, words)
            refused = [word for word in words if word.partition("=")[0] not in (*ALLOWED, "repeat")]
            assert not refused, f"not allowed beside repeat: {refused}"
        elif name == "train":
            check_run(compose(name, words))
        else:
            config = compose(name, words)
            if name == "audit" and config.run is not None:
                config.data.root = "that of the run"
            check(config, SCHEMAS[name])


def _faults_of_script(words):
    script = ROOT / words[1]
    if words[1] == "-m" and words[2].startswith("tests."):
        script = ROOT / words[2].replace(".", "/") / "__main__.py"
    elif words[1] == "-m":
        return [] if words[2] == "pytest" else [f"python -m {words[2]}: no such command of this project"]
    if not script.is_file():
        return [f"{words[1]} is not there"]
    options = [word.partition("=")[0] for word in words[2:] if word.startswith("--")]
    text = script.read_text()
    return [f"{words[1]} has no option {option}" for option in options if f'"{option}"' not in text]


def _faults_of_make(words):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    return [f"the Makefile has no target {word}" for word in words[1:] if "=" not in word and word not in targets]


def _faults_of_pip(words):
    """The extras of covidnet[...] and .[...] are those of pyproject.toml."""
    section = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = re.findall(r"^(\w+) = \[", section, re.M)
    named = [extra for word in words if (match := re.search(r"\[(.+)\]", word)) for extra in match[1].split(",")]
    unknown = [f"no extra {extra}" for extra in named if extra not in extras]
    return unknown if named else [f"pip {' '.join(words[1:])}: no extra of this project"]


def _faults_of_tensorboard(words):
    return [] if words[1] == "--logdir" and Path(words[2]).is_dir() else ["expected --logdir and a folder"]


def _stopped(arguments):
    """A finished run that is to go on for one epoch more: nothing else differs from one that was stopped."""
    copy = f"outputs/stopped-{sum(1 for _ in Path('outputs').glob('stopped-*'))}"
    shutil.copytree("outputs/RUN", copy)
    others = [word for word in arguments if not word.startswith(("resume=", "trainer.max_epochs="))]
    return [*others, f"resume={copy}", "trainer.max_epochs=2"]


def run(command):
    """Run a command of the pages in this process, made small; the caller has changed into the desk."""
    name, arguments = program(command.words)
    arguments = made_small(name, arguments)
    if "resume=outputs/RUN" in arguments:
        arguments = _stopped(arguments)
    if name in HYDRA.values():
        return call(name, *arguments)
    from covidnet.report.__main__ import main as report
    from covidnet.sweeps.__main__ import main as sweeps

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", [name, *arguments])
        status = {"report": report, "sweeps": sweeps}[name]()
    return Outcome(status, out.getvalue(), err.getvalue())
