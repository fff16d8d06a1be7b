"""features.npz at the end of a training."""

import numpy as np
import pytest
from support import Run, call, only_run

from covidnet.ood.files import load_look
from covidnet.training import penultimate, pipeline, reference

ARGUMENTS = ("protocol=holdout", "data.val_size=0.3", "logger=none", "backbone=squeezenet1_1")


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    outcome = call("train", *small(folder, *ARGUMENTS))
    assert outcome.status == 0, outcome.err
    return only_run(folder), outcome


def test_a_run_keeps_the_look_of_its_training_images(trained):
    run, outcome = trained
    look = load_look(run.directory / "features.npz", run.directory / "checkpoints" / "best.ckpt")
    assert set(look.references) == {"features", "picture"}
    features, picture = look.references["features"], look.references["picture"]
    assert (features.n_train, features.n_limit, features.limit_part) == (10, 6, "val")
    assert len(features.mean) == 512 and 256 < len(picture.mean) <= 268
    assert "features.npz" not in outcome.out


def test_it_changes_nothing_else_of_the_results(trained, small, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "save_training_look", lambda *_: None)
    assert call("train", *small(tmp_path, *ARGUMENTS)).status == 0
    without = only_run(tmp_path)
    run, _ = trained
    assert not (without.directory / "features.npz").exists()
    assert run.predictions == without.predictions and run.scores == without.scores


def test_too_few_images_are_told_and_the_pixels_are_still_looked_at(small, tmp_path):
    outcome = call("train", *small(tmp_path, "trainer.max_epochs=1", "logger=none"))
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    for name in ("features", "coarse picture"):
        said = f"predictions on new images will not be checked by their {name}: 16 training and 4 test images; at least"
        assert any(line.startswith(said) for line in lines)
    directory = only_run(tmp_path).directory
    assert load_look(directory / "features.npz", directory / "checkpoints" / "best.ckpt").references == {}


def test_a_network_that_cannot_tell_its_features_ends_no_run(small, tmp_path, monkeypatch):
    def odd(*_):
        raise RuntimeError("shapes do not fit\nmore words")

    monkeypatch.setattr(penultimate, "run_with_features", odd)
    outcome = call("train", *small(tmp_path, "trainer.max_epochs=1", "logger=none"))
    assert outcome.status == 0, outcome.err
    assert "no features.npz, so predictions on new images will not be checked with it: shapes do not fit" in outcome.out
    assert (only_run(tmp_path).directory / "metrics.json").is_file()


def test_of_many_images_some_are_looked_at(monkeypatch):
    class Data:
        class split:  # noqa: N801
            @staticmethod
            def positions(part):
                return np.arange(100, 150)

    monkeypatch.setattr(reference, "MOST_IMAGES", 6)
    chosen = reference._chosen(Data, "train")
    assert chosen.tolist() == [100, 110, 120, 129, 139, 149]
    monkeypatch.setattr(reference, "MOST_IMAGES", 50)
    assert len(reference._chosen(Data, "train")) == 50


def test_every_fold_has_its_own(small, tmp_path):
    outcome = call("train", *small(tmp_path, "protocol=kfold", "folds=2", "trainer.max_epochs=1"))
    assert outcome.status == 0, outcome.err
    (run,) = (Run(path) for path in tmp_path.iterdir())
    for fold in ("fold=0", "fold=1"):
        checkpoint = run.directory / fold / "checkpoints" / "best.ckpt"
        assert load_look(run.directory / fold / "features.npz", checkpoint) is not None
        assert (run.directory / fold / "tensorboard" / "projector_config.pbtxt").is_file()
