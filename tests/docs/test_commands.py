"""Every command that stands in README.md and docs/*.md.

Each is checked in every run of the tests: its keys, choices and values by composing its configuration, its files, its
options. ``python -m pytest -m commands`` also runs each of them, on tiny images for one epoch: minutes.
"""

import pytest
from desk import RUNS, SWEPT, lay_out
from support import call
from typed import NOT_RUN, faults, made_small, run, why_not_run
from written import PAGES, Command, all_commands, name, python_examples

from covidnet.config.compose import compose_train

COMMANDS = all_commands()
RUNNABLE = [command for command in COMMANDS if why_not_run(command) is None]
STATUS = {"audit.fail_on=blocker": (0, 3)}
"""Exit statuses of commands that may end otherwise than with 0, by a word of theirs."""


@pytest.fixture(scope="module")
def desk(images, tmp_path_factory):
    """A folder with everything that the pages name; this process works in it."""
    folder = lay_out(tmp_path_factory.mktemp("desk"), images)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield folder


def ids(commands):
    return [command.where for command in commands]


def test_the_pages_hold_commands():
    assert len(COMMANDS) > 80
    assert {command.page for command in COMMANDS} >= {"README.md", "docs/tutorial.md", "docs/sweeps.md"}


@pytest.mark.parametrize("command", COMMANDS, ids=ids(COMMANDS))
def test_the_command_can_be_typed(command, desk):
    found = faults(command)
    assert not found, f"{command.where}: {command.text}\n" + "\n".join(found)


def test_the_tutorial_has_as_many_films_as_the_article():
    settings = compose_train(["experiment=tutorial"])
    assert (settings.data.count, settings.data.test_size, settings.protocol) == (50, 0.2, "article")
    assert settings.augment == compose_train(["data.root=/x"]).augment
    assert settings.data.faults.border > 0


def test_exceptions_are_of_use():
    texts = {command.text for command in COMMANDS}
    assert [text for text in NOT_RUN if text not in texts] == []


@pytest.mark.parametrize(
    "text",
    ["python train.py data.rot=my_xrays", "python train.py data.root=nowhere", "python -m covidnet.nothing",
     "python evaluate.py run=outputs/RUN splt=test", "make nothing", "pip install 'covidnet[nothing]'",
     "python train.py -m data.root=my_xrays backbone=a,b seed=x,y", "python benchmarks/sweep.py --nothing",
     "python predict.py run=outputs/RUN input=nowhere", "tensorboard --logdir nowhere", "git push"],
)  # fmt: skip
def test_a_faulty_command_is_found(text, desk):
    assert faults(Command("page", 1, text))


@pytest.fixture(scope="module")
def runs(desk):
    """Runs under the names that the pages give them; the others are made by the pages' own commands, in their order."""
    outputs = desk / "outputs"
    for directory in RUNS:
        (outputs / directory).rmdir()
    make = ["data.root=my_xrays", "protocol=holdout", "hydra.run.dir=outputs/RUN", "audit=fast", "report.enabled=true"]
    assert call("train", *made_small("train", make)).status == 0
    sweep = ["-m", "data.root=my_xrays", *SWEPT, "hydra.sweep.dir=outputs/SWEEP"]
    assert call("train", *made_small("train", sweep)).status == 0
    return outputs


@pytest.mark.commands
@pytest.mark.parametrize("command", RUNNABLE, ids=ids(RUNNABLE))
def test_the_command_runs(command, runs):
    outcome = run(command)
    allowed = next((STATUS[word] for word in command.words if word in STATUS), (0,))
    assert outcome.status in allowed, f"{command.where}: {command.text}\n{outcome.err[-2000:]}"
    assert "Traceback" not in outcome.err


EXAMPLES = [(name(page), line, code) for page in PAGES for line, code in python_examples(page)]


@pytest.mark.commands
@pytest.mark.parametrize(("page", "line", "code"), EXAMPLES, ids=[f"{page}:{line}" for page, line, _ in EXAMPLES])
def test_the_example_runs(page, line, code, runs):
    if not (runs / "RUN" / "export" / "model.onnx").is_file():
        assert call("export", "run=outputs/RUN").status == 0
    exec(compile("\n" * (line - 1) + code, page, "exec"), {})
