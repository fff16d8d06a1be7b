import pytest

from covidnet.config.compose import compose_train
from covidnet.errors import ConfigError
from covidnet.sweeps.plan import BASIC_SWEEPER, make_plan

BASIC = {"_target_": BASIC_SWEEPER, "params": None}


def compose(overrides):
    return compose_train(["data=phantoms", *overrides])


def test_every_combination_is_a_job_and_the_swept_keys_are_found():
    plan = make_plan(["random_state=range(0,3)", "augment.scale=[0.7,1.3],[1,1]", "seed=4"], BASIC, compose)
    assert plan.swept == ("random_state", "augment.scale")
    assert plan.fixed == ("seed=4",)
    assert len(plan.jobs) == len({job.name for job in plan.jobs}) == 6
    assert plan.record.jobs[plan.jobs[0].name] == {"random_state": "0", "augment.scale": "[0.7,1.3]"}


def test_parameters_of_the_configuration_count_and_the_command_line_wins():
    sweeper = BASIC | {"params": {"random_state": "range(0,10)", "augment.scale": "[0.7,1.3],[1,1]"}}
    assert len(make_plan([], sweeper, compose).jobs) == 20
    assert len(make_plan(["random_state=1,2"], sweeper, compose).jobs) == 4
    one = make_plan(["random_state=1"], sweeper, compose)
    assert (one.swept, len(one.jobs)) == (("random_state", "augment.scale"), 2)


def test_names_hold_swept_values_only_and_any_shell_takes_them():
    plan = make_plan(["augment.scale=[0.7,1.3],[1,1]", "backbone=timm/resnet18,resnet18", "seed=4"], BASIC, compose)
    for job in plan.jobs:
        assert not set(job.name) & set("[](){},= /'\"$*?")
        assert "seed" not in job.name
    assert plan.jobs[0].name.startswith("scale-0.7-1.3_backbone-timm-resnet18_")


def test_a_larger_sweep_keeps_the_names_of_the_smaller_one():
    small = make_plan(["random_state=1,2", "augment.scale=[1,1],[0.7,1.3]"], BASIC, compose)
    large = make_plan(["augment.scale=[0.7,1.3],[1,1],[0.9,1.1]", "random_state=range(0,5)"], BASIC, compose)
    assert {job.name for job in small.jobs} < {job.name for job in large.jobs}


def test_values_that_read_alike_get_names_of_their_own():
    plan = make_plan(["augment.scale=[0.7,1.3],[0.7,1.30001]"], BASIC, compose)
    assert plan.jobs[0].name != plan.jobs[1].name


@pytest.mark.parametrize("arguments", [["random_state=1,1"], ["augment.scale=[1,1],[1.0,1.0]"]])
def test_two_jobs_that_are_one_experiment_are_refused(arguments):
    with pytest.raises(ConfigError, match="the same experiment"):
        make_plan(arguments, BASIC, compose)


def test_faults_of_all_jobs_are_told_at_once_and_each_once():
    with pytest.raises(ConfigError) as caught:
        make_plan(["random_state=1,-1", "augment.scale=[1,1],[1.3,0.7]"], BASIC, compose)
    lines = str(caught.value).splitlines()
    assert sum(line.startswith("random_state: found -1") for line in lines) == 1
    assert any("augment.scale" in line and "in 2 of 4 jobs" in line for line in lines)
    assert lines[-1] == "No job was started."


def test_a_fault_that_all_jobs_share_names_none_of_them():
    with pytest.raises(ConfigError) as caught:
        make_plan(["random_state=1,2", "data.test_size=1.5"], BASIC, compose)
    assert "jobs" not in str(caught.value).splitlines()[0]


def test_a_search_chooses_its_jobs_later():
    sweeper = {"_target_": "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper", "params": None}
    plan = make_plan(["optimizer.lr=interval(0.001,0.1)", "random_state=3"], sweeper, compose)
    assert (plan.swept, plan.fixed, plan.jobs) == (("optimizer.lr",), ("random_state=3",), None)
