"""Optimisers and schedules do what torch's own do when stepped as torch's documentation says."""

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

from covidnet.config.compose import compose_train
from covidnet.models.optim import build_optimizer, build_schedule

OPTIMIZERS = {
    "adam": (
        ["optimizer.lr=0.02", "optimizer.weight_decay=0.1", "optimizer.betas=[0.8,0.9]", "optimizer.eps=0.001"],
        lambda p: torch.optim.Adam(p, lr=0.02, weight_decay=0.1, betas=(0.8, 0.9), eps=0.001),
    ),
    "adamw": (
        ["optimizer.lr=0.02", "optimizer.weight_decay=0.1", "optimizer.betas=[0.8,0.9]", "optimizer.eps=0.001"],
        lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1, betas=(0.8, 0.9), eps=0.001),
    ),
    "sgd": (
        ["optimizer.lr=0.02", "optimizer.weight_decay=0.1", "optimizer.momentum=0.7", "optimizer.nesterov=true"],
        lambda p: torch.optim.SGD(p, lr=0.02, weight_decay=0.1, momentum=0.7, nesterov=True),
    ),
}


def settings(*overrides):
    return compose_train(["data.root=/x", *overrides])


def parameter():
    return torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))


def descend(optimizer, weights, steps=5):
    for step in range(steps):
        optimizer.zero_grad()
        ((weights - step) ** 3).sum().backward()
        optimizer.step()
    return weights.detach().clone()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_take_torchs_steps(name):
    overrides, build = OPTIMIZERS[name]
    ours, theirs = parameter(), parameter()
    optimizer = build_optimizer(settings(f"optimizer={name}", *overrides).optimizer, [ours])
    expected = build([theirs])
    assert type(optimizer) is type(expected)
    assert torch.equal(descend(optimizer, ours), descend(expected, theirs))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_key_of_an_optimizer_changes_its_steps(name):
    plain, _ = OPTIMIZERS[name]
    results = []
    for left_out in [None, *plain]:
        weights = parameter()
        given = [text for text in plain if text != left_out]
        results.append(descend(build_optimizer(settings(f"optimizer={name}", *given).optimizer, [weights]), weights))
    assert not any(torch.equal(results[0], other) for other in results[1:])


def test_frozen_parameters_are_left_out():
    frozen, learning = parameter().requires_grad_(False), parameter()
    optimizer = build_optimizer(settings().optimizer, [frozen, learning])
    assert [id(p) for group in optimizer.param_groups for p in group["params"]] == [id(learning)]


def rates(overrides, losses, steps_per_epoch):
    """The rate of each optimiser step of a training with these losses, as the model steps the schedule."""
    config = settings(*overrides)
    optimizer = build_optimizer(config.optimizer, [parameter()])
    epochs = len(losses)
    schedule = build_schedule(config.scheduler, optimizer, epochs, epochs * steps_per_epoch)
    used = []
    for loss in losses:
        for _ in range(steps_per_epoch):
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if schedule is not None:
                schedule.end_step()
        if schedule is not None:
            schedule.end_epoch(loss)
    return used


def losses(*values, other=0.0):
    return [{"train_loss": value, "val_loss": other - index} for index, value in enumerate(values)]


def test_no_schedule_keeps_the_rate():
    assert set(rates(["scheduler=none"], losses(1, 2, 3), 2)) == {0.001}


@pytest.mark.parametrize("monitor", ["train_loss", "val_loss"])
def test_plateau_watches_the_configured_loss(monitor):
    overrides = ["scheduler.patience=1", "scheduler.factor=0.5", f"scheduler.monitor={monitor}"]
    values = losses(1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
    theirs = torch.optim.Adam([parameter()], lr=0.001)
    expected, plateau = [], ReduceLROnPlateau(theirs, factor=0.5, patience=1, threshold=1e-4, eps=1e-6)
    for value in values:
        expected.append(theirs.param_groups[0]["lr"])
        plateau.step(value[monitor])
    used = rates(overrides, values, 1)
    assert used == expected
    assert len(set(used)) == (4 if monitor == "train_loss" else 1)  # val_loss keeps falling here


def test_plateaus_threshold_is_the_relative_improvement_that_counts():
    falling = losses(1.0, 0.95, 0.9, 0.86)
    assert len(set(rates(["scheduler.patience=0"], falling, 1))) == 1
    assert len(set(rates(["scheduler.patience=0", "scheduler.threshold=0.2"], falling, 1))) == 3


def test_the_articles_plateau_divides_by_ten_after_ten_idle_epochs():
    used = rates([], losses(*[1.0] * 14), 1)
    assert used[:12] == [0.001] * 12
    assert used[12:] == pytest.approx([0.0001] * 2)


def test_plateau_never_goes_below_its_floor_nor_makes_tiny_changes():
    used = rates(["scheduler.patience=0", "scheduler.min_lr=5e-5"], losses(*[1.0] * 8), 1)
    assert min(used) == 5e-5
    used = rates(["scheduler.patience=0", "scheduler.eps=2e-3"], losses(*[1.0] * 8), 1)
    assert set(used) == {0.001}


def test_cosine_runs_over_all_epochs():
    theirs = torch.optim.Adam([parameter()], lr=0.001)
    expected, cosine = [], CosineAnnealingLR(theirs, T_max=6, eta_min=1e-4)
    for _ in range(6):
        expected += [theirs.param_groups[0]["lr"]] * 3
        theirs.step()
        cosine.step()
    used = rates(["scheduler=cosine", "scheduler.min_lr=1e-4"], losses(*[1.0] * 6), 3)
    assert used == expected
    assert used[0] == 0.001 and used[9] == pytest.approx(0.00055) and 1e-4 < used[-1] < 2e-4


def test_one_cycle_goes_step_by_step_up_and_down():
    theirs = torch.optim.Adam([parameter()], lr=0.001)
    expected, cycle = [], OneCycleLR(theirs, max_lr=0.001, total_steps=13, pct_start=0.25)
    for _ in range(12):
        expected.append(theirs.param_groups[0]["lr"])
        theirs.step()
        cycle.step()
    used = rates(["scheduler=one_cycle", "scheduler.warmup=0.25"], losses(1, 1, 1, 1), 3)
    assert used == expected
    assert 0.0009 < max(used) <= 0.001 and used.index(max(used)) in (2, 3)
    assert used[0] == pytest.approx(0.001 / 25) and used[-1] < used[0]


def test_one_cycle_takes_no_step_beyond_its_last():
    rates(["scheduler=one_cycle", "optimizer=sgd"], losses(1), 1)  # torch refuses a step too many


def keras_decay(lr, decay, iterations):
    """Keras until 2.10: ``lr = lr * (1. / (1. + decay * iterations))``, where iterations counts the steps before."""
    return lr * (1.0 / (1.0 + decay * iterations))


def test_inverse_time_is_keras_decay_step_by_step():
    used = rates(["scheduler=inverse_time", "scheduler.decay=0.01"], losses(1, 1, 1), 5)
    assert used == [keras_decay(0.001, 0.01, step) for step in range(15)]


def test_inverse_time_takes_the_tutorials_decay_when_none_is_given():
    """Adam(lr=1e-3, decay=1e-3 / 25), five steps an epoch."""
    used = rates(["experiment=rosebrock"], losses(*[1.0] * 25), 5)
    assert used == pytest.approx([keras_decay(1e-3, 1e-3 / 25, step) for step in range(125)], rel=1e-15)
    assert used[0] == 0.001 and used[-1] == pytest.approx(0.001 / (1 + 4e-5 * 124))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_kernel_for_all_weights_is_the_same_formula(name):
    given, _ = OPTIMIZERS[name]
    results = []
    for fused in (False, True):
        weights = parameter()
        optimizer = build_optimizer(settings(f"optimizer={name}", *given).optimizer, [weights], fused=fused)
        assert bool(optimizer.param_groups[0]["fused"]) == fused
        results.append(descend(optimizer, weights))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


def test_where_there_is_no_such_kernel_the_plain_one_is_taken():
    weights = torch.nn.Parameter(torch.zeros(3, device="meta"))
    optimizer = build_optimizer(settings().optimizer, [weights], fused=True)
    assert not optimizer.param_groups[0]["fused"]
