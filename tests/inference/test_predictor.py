"""Several models as one, and what is said of a run that lacks something."""

import numpy as np
import pytest
import torch
from toy import toy_settings

from covidnet.errors import RunError
from covidnet.inference.calibration import Calibration
from covidnet.inference.predictor import Model, Predictor
from covidnet.inference.predictor import load_predictor as load
from covidnet.ood.files import TrainingLook
from covidnet.ood.pixels import PixelLimits
from covidnet.ood.reference import fit_reference
from covidnet.runs.layout import RunLayout

SETTINGS = toy_settings("data.image_size=16")


def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 4), torch.nn.Tanh(),
                               torch.nn.Linear(4, 2)).eval()  # fmt: skip


def images(n=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 1, 16, 16), dtype=np.uint8)


def model(tmp_path, seed, temperature=None, look=None):
    return Model(RunLayout(tmp_path / f"fold={seed}"), network(seed), Calibration(temperature, ""), look)


def logits(one, pixels):
    with torch.inference_mode():
        return one.network((torch.from_numpy(pixels).float() / 255).expand(-1, 3, -1, -1)).double().numpy()


def softmax(values):
    exponents = np.exp(values - values.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def test_the_temperature_divides_the_logits(tmp_path):
    one = model(tmp_path, 0, temperature=2.5)
    judged = Predictor([one], ["a", "b"], SETTINGS, "cpu").judge(images())
    assert np.allclose([item.probabilities for item in judged], softmax(logits(one, images()) / 2.5), atol=1e-7)
    assert all(item.distances == {} for item in judged)


def test_several_models_give_the_mean_of_their_probabilities_each_with_its_own_temperature(tmp_path):
    models = [model(tmp_path, 0, 2.0), model(tmp_path, 1, None), model(tmp_path, 2, 0.5)]
    judged = Predictor(models, ["a", "b"], SETTINGS, "cpu").judge(images())
    expected = np.mean(
        [softmax(logits(one, images()) / (one.calibration.temperature or 1.0)) for one in models], axis=0
    )
    assert np.allclose([item.probabilities for item in judged], expected, atol=1e-7)


def look(seed, limit, **limits):
    rng = np.random.default_rng(seed)
    made = fit_reference(rng.standard_normal((20, 4)), rng.standard_normal((9, 4)), "val", 0.99)
    return TrainingLook(PixelLimits(**limits), {"features": made.__class__(**(made.__dict__ | {"limit": limit}))})


def test_the_middle_distance_counts_and_the_widest_limits(tmp_path):
    looks = [look(0, 1.0, colour=0.5), look(0, 2.0, wide=9.0), look(0, 100.0)]
    models = [model(tmp_path, 0, look=one) for one in looks]
    together = Predictor(models, ["a", "b"], SETTINGS, "cpu")
    alone = Predictor(models[1:2], ["a", "b"], SETTINGS, "cpu")
    assert [one.distances for one in together.judge(images())] == [one.distances for one in alone.judge(images())]
    assert together.pixel_limits == PixelLimits(colour=0.5, wide=9.0)


def test_what_is_not_checked_is_said(tmp_path):
    without = Predictor([model(tmp_path, 0)], ["a", "b"], SETTINGS, "cpu")
    assert without.unchecked == [
        f"{tmp_path / 'fold=0'} has no features.npz for its checkpoint; runs that are trained now have one"
    ]
    assert without.pixel_limits == PixelLimits()
    (said,) = Predictor([model(tmp_path, 0, look=look(0, 1.0))], ["a", "b"], SETTINGS, "cpu").unchecked
    assert said.endswith("features.npz has none for the coarse picture: too few images, or all with the same")


def test_folds_of_different_classes_are_refused(tmp_path, monkeypatch):
    from covidnet.inference import predictor

    for number in (0, 1):
        (tmp_path / f"fold={number}").mkdir()
    monkeypatch.setattr(
        predictor, "load_network", lambda path: (network(0), ["a", "b"] if "fold=0" in str(path) else ["a", "c"])
    )
    with pytest.raises(RunError, match=r"fold=1: has the classes a, c, other folds a, b"):
        load(RunLayout(tmp_path), SETTINGS, None, "cpu")
