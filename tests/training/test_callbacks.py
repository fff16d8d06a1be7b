import math

import pytest
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from toy import toy_data, toy_module, toy_trainer

from covidnet.compute import quiet_libraries
from covidnet.errors import RunError
from covidnet.training.callbacks import History, Patience, progress_callback
from covidnet.training.checkpoints import BestAndLast
from covidnet.training.history import read_history, write_history

NAN = math.nan


class Made(Callback):
    """Puts a made history in the place of the measured one, and remembers the weights of each epoch."""

    def __init__(self, pairs, train_losses=None):
        self.pairs = pairs
        self.train_losses = train_losses or [0.5] * len(pairs)
        self.weights = {}

    def on_fit_start(self, trainer, pl_module):
        def close(part, mean_loss, accuracy):
            epoch = trainer.current_epoch
            if part == "val":
                loss, acc = self.pairs[epoch]
                self.weights[epoch + 1] = [value.clone() for value in pl_module.net.state_dict().values()]
            else:
                loss, acc = self.train_losses[epoch], 0.5
            pl_module.epoch_values |= {f"{part}_loss": loss, f"{part}_acc": acc}
            mean_loss.reset()
            accuracy.reset()

        pl_module._close = close


def fitted(tmp_path, pairs, *more, save_every=1, resume=None, epochs=None, train_losses=None, printed=False):
    quiet_libraries()
    made = Made(pairs, train_losses)
    history = History(tmp_path / "history.csv", "test", print_lines=printed)
    checkpoints = BestAndLast(tmp_path / "checkpoints", save_every)
    trainer = toy_trainer(tmp_path, made, history, checkpoints, *more, epochs=epochs or len(pairs))
    trainer.fit(toy_module("scheduler=none"), toy_data(), ckpt_path=resume, weights_only=True)
    return made, checkpoints, trainer


def saved(tmp_path, name):
    content = torch.load(tmp_path / "checkpoints" / name, weights_only=True)
    return [value for key, value in content["state_dict"].items() if key.startswith("net.")], content


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("pairs", "kept"),
    [
        ([(0.5, 0.9), (0.3, 0.1), (0.4, 1.0)], 2),
        ([(0.3, 0.5), (0.3, 0.7), (0.3, 0.6)], 2),
        ([(0.3, 0.7), (0.3, 0.7), (0.3, 0.7)], 1),
        ([(NAN, 1.0), (0.9, 0.1), (NAN, 1.0)], 2),
        ([(0.9, 0.1), (0.8, 0.1), (0.7, 0.1)], 3),
    ],
)
def test_the_best_checkpoint_holds_the_weights_of_the_kept_epoch(tmp_path, pairs, kept):
    made, checkpoints, _ = fitted(tmp_path, pairs)
    assert same(saved(tmp_path, "best.ckpt")[0], made.weights[kept])
    assert same(saved(tmp_path, "last.ckpt")[0], made.weights[3])
    assert not same(made.weights[1], made.weights[2]) and not same(made.weights[2], made.weights[3])
    assert checkpoints.best["epoch"] == kept
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_without_a_defined_loss_there_is_no_best_checkpoint(tmp_path):
    fitted(tmp_path, [(NAN, 0.5), (NAN, 0.5)])
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("save_every", [1, 2, 3, 5, 10])
def test_the_last_epoch_is_saved_however_seldom_one_saves(tmp_path, save_every):
    made, _, _ = fitted(tmp_path, [(0.5, 0.5)] * 5, save_every=save_every)
    weights, content = saved(tmp_path, "last.ckpt")
    assert same(weights, made.weights[5])
    assert content["epoch"] == 4


def test_a_run_that_stops_early_between_two_saves_is_saved_whole(tmp_path):
    pairs = [(0.5, 0.5), (0.4, 0.5), (0.6, 0.5), (0.6, 0.5), (0.6, 0.5), (0.6, 0.5)]
    made, _, _ = fitted(tmp_path, pairs, Patience("val_loss", patience=2), save_every=3)
    weights, content = saved(tmp_path, "last.ckpt")
    assert same(weights, made.weights[4])
    assert len(read_history(tmp_path / "history.csv")) == 4
    # Going on with it trains no further.
    fitted(tmp_path, pairs, Patience("val_loss", patience=2), resume=tmp_path / "checkpoints" / "last.ckpt")
    assert len(read_history(tmp_path / "history.csv")) == 4
    assert same(saved(tmp_path, "last.ckpt")[0], weights) and content["epoch"] == 3


def test_early_stopping_heeds_the_smallest_change(tmp_path):
    pairs = [(0.5, 0.5), (0.49, 0.5), (0.48, 0.5), (0.47, 0.5)]
    fitted(tmp_path / "a", pairs, Patience("val_loss", patience=1))
    fitted(tmp_path / "b", pairs, Patience("val_loss", patience=1, min_delta=0.1))
    assert [len(read_history(tmp_path / name / "history.csv")) for name in "ab"] == [4, 2]


def test_the_best_epoch_is_remembered_on_resuming(tmp_path):
    fitted(tmp_path, [(0.2, 0.5), (0.4, 0.5)])
    before = (tmp_path / "checkpoints" / "best.ckpt").read_bytes()
    last = tmp_path / "checkpoints" / "last.ckpt"
    _, checkpoints, _ = fitted(tmp_path, [(0.2, 0.5), (0.4, 0.5), (0.3, 0.5)], resume=last)
    assert checkpoints.best["epoch"] == 1
    assert (tmp_path / "checkpoints" / "best.ckpt").read_bytes() == before


def test_rows_of_epochs_that_are_repeated_are_replaced(tmp_path):
    """A run may be killed when an epoch is in the history and not yet in the checkpoint."""
    fitted(tmp_path, [(0.5, 0.5), (0.4, 0.5)])
    rows = read_history(tmp_path / "history.csv")
    write_history(tmp_path / "history.csv", [*rows, rows[-1] | {"epoch": 3.0, "val_loss": 99.0}])
    last = tmp_path / "checkpoints" / "last.ckpt"
    fitted(tmp_path, [(0.5, 0.5), (0.4, 0.5), (0.3, 0.5), (0.2, 0.5)], resume=last)
    again = read_history(tmp_path / "history.csv")
    assert [(row["epoch"], row["val_loss"]) for row in again] == [(1, 0.5), (2, 0.4), (3, 0.3), (4, 0.2)]
    assert again[:2] == rows


@pytest.mark.parametrize("loss", [NAN, math.inf])
def test_a_training_loss_that_is_no_number_ends_the_run_with_advice(tmp_path, loss):
    with pytest.raises(RunError, match=rf"epoch 2: the training loss is {loss}\. Try a lower optimizer\.lr") as caught:
        fitted(tmp_path, [(0.5, 0.5)] * 4, train_losses=[0.5, loss, 0.5, 0.5])
    assert "trainer.gradient_clip_val=1" in str(caught.value)
    assert len(read_history(tmp_path / "history.csv")) == 2
    assert saved(tmp_path, "last.ckpt")[1]["epoch"] == 0  # of the last sound epoch


def test_a_line_per_epoch_like_the_articles(tmp_path, capsys):
    fitted(tmp_path, [(0.5, 0.25), (0.4, 0.75)], printed=True)
    first, second = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert first.startswith("epoch 1/2  train loss 0.5000 accuracy 0.500  test loss 0.5000 accuracy 0.250  lr 0.001  ")
    assert second.startswith("epoch 2/2  train loss 0.5000 accuracy 0.500  test loss 0.4000 accuracy 0.750  lr 0.001  ")
    fitted(tmp_path, [(0.5, 0.25)], printed=False)
    assert "epoch" not in capsys.readouterr().out


def test_the_bar_is_richs():
    assert isinstance(progress_callback("bar"), RichProgressBar)
    assert progress_callback("lines") is None and progress_callback("none") is None


@pytest.mark.parametrize("save_every", [2, 5, 10, "auto"])
def test_the_best_weights_wait_in_memory_until_they_are_written(tmp_path, save_every):
    pairs = [(0.5, 0.5), (0.4, 0.5), (0.1, 0.5), (0.3, 0.5), (0.2, 0.5)]
    made, checkpoints, _ = fitted(tmp_path, pairs, save_every=save_every)
    assert checkpoints.best["epoch"] == 3
    assert same(saved(tmp_path, "best.ckpt")[0], made.weights[3])
    assert same(saved(tmp_path, "last.ckpt")[0], made.weights[5])
    assert checkpoints._waiting is None


def test_saving_takes_its_share_of_the_time_and_no_more(tmp_path, monkeypatch):
    """An epoch takes two seconds, saving one and a half (the first time, with the best): 30 s pass until the next."""
    now = [0.0]
    written = []

    class Clock(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            now[0] += 2.0

    def write(self, trainer, name, checkpoint):
        now[0] += 0.5 if "best" in name else 1.0
        written.append((trainer.current_epoch + 1, name))

    monkeypatch.setattr("covidnet.training.checkpoints.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(BestAndLast, "_write", write)
    fitted(tmp_path, [(0.5, 0.5)] * 25, Clock(), save_every="auto")
    assert [epoch for epoch, name in written if name == "last.ckpt"] == [1, 16, 25]
