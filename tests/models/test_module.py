import math
from contextlib import suppress

import pytest
import torch
import torch.nn.functional as functional
from pytorch_lightning.callbacks import Callback
from toy import toy_data, toy_module, toy_trainer

from covidnet.compute import quiet_libraries
from covidnet.data.attributes import Attributes
from covidnet.models.loss import TrainingLoss
from covidnet.training.callbacks import History
from covidnet.training.checkpoints import BestAndLast
from covidnet.training.history import read_history


@pytest.fixture(autouse=True)
def _quiet():
    quiet_libraries()


class Watch(Callback):
    """Records what each training step and each epoch used."""

    def __init__(self, stop_after=None):
        self.rates, self.masks, self.epochs = [], [], []
        self.stop_after = stop_after

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.masks.append(torch.nn.functional.dropout(torch.ones(6)).tolist())

    def on_train_epoch_start(self, trainer, pl_module):
        self.epochs.append([])
        if self.stop_after is not None and trainer.current_epoch == self.stop_after:
            raise InterruptedError

    def on_validation_epoch_end(self, trainer, pl_module):
        with torch.inference_mode():
            data = trainer.datamodule
            batch = data.prepare(data.part("val").__getitems__(range(len(data.part("val")))), epoch=None)
            logits = pl_module(batch.images)
        self.epochs[-1] = [
            float(functional.cross_entropy(logits, batch.labels)),
            float((logits.argmax(1) == batch.labels).float().mean()),
        ]


def trained(tmp_path, *overrides, watch=None, resume=None, epochs=3, batch_size=4, **arguments):
    watch = watch or Watch()
    module = toy_module(*overrides)
    history = History(tmp_path / "history.csv", "test", print_lines=False)
    trainer = toy_trainer(tmp_path, history, BestAndLast(tmp_path, 1), watch, epochs=epochs, **arguments)
    with suppress(InterruptedError):
        trainer.fit(module, toy_data(batch_size), ckpt_path=resume, weights_only=True)
    return module, watch, read_history(tmp_path / "history.csv")


def test_validation_numbers_are_of_all_images_whatever_the_batches(tmp_path):
    _, watch, rows = trained(tmp_path)  # 7 images in batches of 4 and 3
    for row, (loss, accuracy) in zip(rows, watch.epochs, strict=True):
        assert row["val_loss"] == pytest.approx(loss, rel=1e-5)
        assert row["val_acc"] == pytest.approx(accuracy)
    assert len(rows) == 3


def test_training_numbers_weigh_each_image_alike(tmp_path):
    """With a rate of nearly nothing and no dropout, the epoch's loss is that of the images."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 36, 2))
    module = toy_module("optimizer=sgd", "optimizer.lr=1e-12", network=network)
    data = toy_data(batch_size=4)  # batches of 4, 4 and 2
    batch = data.prepare(data.part("train").__getitems__(range(10)), epoch=None)
    expected = functional.cross_entropy(network(batch.images), batch.labels).detach()
    history = History(tmp_path / "history.csv", "test", print_lines=False)
    toy_trainer(tmp_path, history, epochs=1).fit(module, data)
    assert history.rows[0]["train_loss"] == pytest.approx(float(expected), rel=1e-5)


def test_a_loss_that_is_not_a_number_is_not_left_out_of_the_mean(tmp_path):
    class Undefined(torch.nn.Flatten):
        """Gives NaN for the first image of each batch while validating."""

        def forward(self, images):
            flat = super().forward(images)
            return flat if self.training else torch.cat([flat[:1] * float("nan"), flat[1:]])

    module = toy_module(network=torch.nn.Sequential(Undefined(), torch.nn.Linear(3 * 36, 2)))
    history = History(tmp_path / "history.csv", "test", print_lines=False)
    toy_trainer(tmp_path, history, epochs=1).fit(module, toy_data())
    assert math.isnan(history.rows[0]["val_loss"]) and not math.isnan(history.rows[0]["train_loss"])


def test_a_last_batch_of_one_image_is_used_and_trains_batch_normalisation(tmp_path):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.BatchNorm2d(4), torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    )  # fmt: skip
    seen = []
    network.register_forward_pre_hook(lambda layer, inputs: seen.append(len(inputs[0])) if layer.training else None)
    toy_trainer(tmp_path, epochs=1).fit(toy_module(network=network), toy_data(batch_size=3))
    assert seen == [3, 3, 4]  # ten images


def test_dropout_depends_on_the_seed_and_the_epoch_alone(tmp_path):
    first, second = (trained(tmp_path / name)[1].masks for name in ("a", "b"))
    assert first == second
    assert first[0] != first[3]
    torch.manual_seed(99)  # whatever happened before
    assert trained(tmp_path / "c")[1].masks == first
    other = Watch()
    toy_trainer(tmp_path, other).fit(toy_module(seed=1), toy_data())
    assert len(other.masks) == len(first) and other.masks != first


def test_the_recorded_rate_is_that_of_the_epochs_last_step(tmp_path):
    _, watch, rows = trained(tmp_path, "scheduler=one_cycle")
    assert [row["lr"] for row in rows] == watch.rates[2::3]
    assert len(set(watch.rates)) == 9


def test_cosine_changes_the_rate_between_epochs(tmp_path):
    _, watch, rows = trained(tmp_path, "scheduler=cosine")
    assert [watch.rates[i : i + 3] for i in (0, 3, 6)] == [[row["lr"]] * 3 for row in rows]
    assert [row["lr"] for row in rows] == pytest.approx([0.001, 0.00075, 0.00025])


def test_one_cycle_counts_optimiser_steps_not_batches(tmp_path):
    _, watch, _ = trained(tmp_path, "scheduler=one_cycle", accumulate_grad_batches=2)
    # Three batches an epoch make two steps: after the second batch and after the last.
    assert all(watch.rates[i] == watch.rates[i + 1] for i in (0, 3, 6))
    assert len(set(watch.rates)) == 6


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"limit_train_batches": 2},
        {"limit_train_batches": 0.7},
        {"accumulate_grad_batches": 2},
        {"limit_train_batches": 1.0, "accumulate_grad_batches": 5},
    ],
    ids=str,
)
def test_one_cycle_knows_how_many_steps_there_will_be(tmp_path, arguments):
    module, _, _ = trained(tmp_path, "scheduler=one_cycle", **arguments)
    assert module.schedule.scheduler.total_steps == module.trainer.global_step + 1
    assert module.schedule.scheduler.last_epoch == module.trainer.global_step


@pytest.mark.parametrize(
    "overrides",
    [
        ["scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"],
        ["scheduler=cosine"],
        ["scheduler=one_cycle"],
        ["optimizer=sgd"],
    ],
    ids=str,
)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_training_takes_the_same_steps(tmp_path, overrides, accumulate):
    more = {"epochs": 5, "accumulate_grad_batches": accumulate}
    whole, watched, rows = trained(tmp_path / "whole", *overrides, **more)
    _, before, _ = trained(tmp_path / "broken", *overrides, watch=Watch(stop_after=2), **more)
    last = tmp_path / "broken" / "last.ckpt"
    resumed, after, resumed_rows = trained(tmp_path / "broken", *overrides, resume=last, **more)
    assert before.rates + after.rates == watched.rates
    assert len(before.rates) == 6 and len(set(watched.rates)) > (1 if "sgd" not in str(overrides) else 0)
    without = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    assert [{key: value for key, value in row.items() if key != "seconds"} for row in resumed_rows] == without
    for ours, theirs in zip(resumed.net.parameters(), whole.net.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_other_precisions_train(tmp_path, precision):
    _, _, rows = trained(tmp_path, epochs=1, precision=precision)
    assert 0 < rows[0]["val_loss"] < 5


def test_checkpoints_hold_plain_types_only(tmp_path):
    def leaves(value, path=""):
        if isinstance(value, dict):
            for key, item in value.items():
                yield from leaves(key, f"{path}.{key}")
                yield from leaves(item, f"{path}.{key}")
        elif isinstance(value, list | tuple | set):
            for item in value:
                yield from leaves(item, path)
        else:
            yield path, value

    trained(tmp_path, "scheduler=one_cycle")
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(tmp_path / name, weights_only=True)
        odd = {(path, type(value)) for path, value in leaves(content)
               if type(value) not in (int, float, str, bool, type(None), torch.Tensor)}  # fmt: skip
        assert not odd
        assert content["covidnet"] == {"format": 1, "backbone": "toy", "classes": ["a", "b"]}
    assert "optimizer_states" not in torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["covidnet_schedule"]["total_steps"] == 10


def linear():
    torch.manual_seed(4)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 36, 2))


def weighted(tmp_path, loss, weights):
    """One epoch at a rate of nearly nothing: the history's row, and logits and labels of both parts."""
    network, data = linear(), toy_data()
    data.attributes = Attributes(weights=weights)
    module = toy_module("optimizer=sgd", "optimizer.lr=1e-12", network=network)
    module.loss = loss
    history = History(tmp_path / "history.csv", "test", print_lines=False)
    toy_trainer(tmp_path, history, epochs=1).fit(module, data)
    batches = [
        data.prepare(data.part(part).__getitems__(range(n)), epoch=None) for part, n in (("train", 10), ("val", 7))
    ]
    with torch.no_grad():
        return history.rows[0], [(network(batch.images), batch.labels) for batch in batches]


def test_the_training_loss_is_the_configured_one_and_the_validation_loss_plain(tmp_path):
    weights = torch.linspace(0, 2, 17).numpy()
    loss = TrainingLoss(torch.tensor([3.0, 0.5]), spectral_decoupling=0.7)
    row, ((logits, labels), (val_logits, val_labels)) = weighted(tmp_path, loss, weights)
    each = functional.cross_entropy(logits, labels, reduction="none")
    factors = torch.tensor([3.0, 0.5])[labels] * torch.from_numpy(weights[:10])
    expected = (factors * each).mean() + 0.35 * logits.square().mean()
    assert row["train_loss"] == pytest.approx(float(expected), rel=1e-5)
    assert row["val_loss"] == pytest.approx(float(functional.cross_entropy(val_logits, val_labels)), rel=1e-5)
