import pytest
from omegaconf import OmegaConf

from covidnet.errors import ConfigError
from covidnet.sweeps.pack import refuse_other_launchers, with_launcher

LAUNCHED = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=3"]


@pytest.mark.parametrize("multirun", ["-m", "--multirun", "hydra.mode=MULTIRUN"])
def test_the_key_is_short_for_a_launcher(multirun):
    given = [multirun, "random_state=1,2", "sweep.pack=3"]
    assert with_launcher(given) == [*given, *LAUNCHED]


def test_the_last_value_counts():
    assert with_launcher(["-m", "sweep.pack=2", "sweep.pack=3"])[-1] == "hydra.launcher.n_jobs=3"


@pytest.mark.parametrize(
    "given",
    [
        ["random_state=1", "sweep.pack=3"],  # a single run, which refuses the key
        ["-m", "sweep.pack=1"],
        ["-m", "sweep.pack=many"],
        ["-m", "sweep.pack=-2"],
        ["-m", "random_state=1,2"],
        ["-m", "sweep.pack=3", "hydra/launcher=ray"],
        [],
    ],
)
def test_all_else_is_left_as_it_is(given):
    assert with_launcher(given) == given


def composed(pack, choice, jobs):
    return OmegaConf.create(
        {
            "sweep": {"pack": pack},
            "hydra": {"runtime": {"choices": {"hydra/launcher": choice}}, "launcher": {"n_jobs": jobs}},
        }
    )


@pytest.mark.parametrize(("pack", "choice", "jobs"), [(1, "basic", None), (1, "joblib", 4), (3, "joblib", 3)])
def test_a_launcher_that_agrees_is_taken(pack, choice, jobs):
    refuse_other_launchers(composed(pack, choice, jobs))


@pytest.mark.parametrize(("choice", "jobs"), [("basic", None), ("ray", 3), ("joblib", 4)])
def test_a_launcher_that_contradicts_is_refused(choice, jobs):
    with pytest.raises(ConfigError, match=rf"sweep\.pack=3: found hydra/launcher={choice}"):
        refuse_other_launchers(composed(3, choice, jobs))
