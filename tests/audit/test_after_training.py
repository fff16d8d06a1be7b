import numpy as np
import pytest

from covidnet.audit.after_training import (
    ALTERATIONS,
    AfterTraining,
    AlteredPixels,
    equalize,
    judge_after_training,
    mask_lungs,
    only_lungs,
    score_alterations,
    score_altered,
    shuffle_patches,
)
from covidnet.audit.views import lung_field
from covidnet.data.records import Record
from covidnet.data.split import Split
from covidnet.predictions import Prediction, Predictions

PICTURE = np.random.default_rng(0).integers(0, 256, (3, 64, 48), dtype=np.uint8)
CLASSES = ("covid", "normal")


class Source:
    decoded = True

    def __init__(self, pixels):
        self.pixels = pixels

    def fetch(self, positions):
        return self.pixels[np.asarray(positions)]

    def select(self, positions):
        return Source(self.pixels[np.asarray(positions)])


def table(right, count=10):
    rows = []
    for i in range(count):
        label = CLASSES[i % 2]
        sure = (0.9, 0.1) if (label == "covid") == (i < right) else (0.1, 0.9)
        rows.append(Prediction(f"{label}/{i}.png", "test", label, sure))
    return Predictions(CLASSES, tuple(rows))


def test_the_lung_field_is_painted_over_and_the_rest_kept():
    field = lung_field(64, 48)
    masked, kept = mask_lungs(PICTURE), only_lungs(PICTURE)
    assert (masked[:, ~field] == PICTURE[:, ~field]).all() and (kept[:, field] == PICTURE[:, field]).all()
    assert all(len(np.unique(masked[c][field])) == len(np.unique(kept[c][~field])) == 1 for c in range(3))


def test_equalising_undoes_exposure():
    grey = PICTURE[:1] // 2
    brighter = (grey.astype(int) + 60).astype(np.uint8)
    assert (equalize(grey) == equalize(brighter)).all()
    assert equalize(PICTURE).shape == PICTURE.shape


def test_shuffling_moves_whole_patches():
    shuffled = shuffle_patches(PICTURE)
    assert (np.sort(shuffled, axis=None) == np.sort(PICTURE, axis=None)).all() and (shuffled != PICTURE).any()
    first = shuffled[:, :16, :12]
    assert any(
        (first == PICTURE[:, 16 * row : 16 * row + 16, 12 * column : 12 * column + 12]).all()
        for row in range(4)
        for column in range(4)
    )


def test_altered_pixels_alter_what_they_give():
    pixels = AlteredPixels(Source(np.stack([PICTURE, PICTURE // 2])), mask_lungs)
    assert (pixels.fetch([1])[0] == mask_lungs(PICTURE // 2)).all()
    assert (pixels.select([1]).fetch([0])[0] == mask_lungs(PICTURE // 2)).all()


def scores(masked):
    found = [
        score_altered("unaltered", "as they are", table(10)),
        score_altered("lungs_masked", "masked", table(masked)),
    ]
    found += [
        score_altered(name, title, table(5)) for name, (title, _) in ALTERATIONS.items() if name != "lungs_masked"
    ]
    return AfterTraining(tuple(found), ())


def test_a_model_that_needs_no_lungs_is_a_warning():
    findings = {one.id: one for one in judge_after_training(scores(10))}
    assert findings["model.lungs_masked"].severity == "warning"
    assert findings["model.lungs_masked"].clause == "without any lungs the model still has 10 of 10 right"


def test_a_model_at_chance_without_lungs_is_a_note():
    assert {one.severity for one in judge_after_training(scores(6))} == {"note"}


def test_guessing_is_the_share_of_the_largest_class():
    rows = tuple(Prediction(f"{i}.png", "test", CLASSES[i > 7], (0.9, 0.1)) for i in range(10))
    score = score_altered("x", "x", Predictions(CLASSES, rows))
    assert score.accuracy.successes == 8 and score.p_value > 0.5 and score.balanced_accuracy == 0.5


def test_a_network_is_given_the_altered_images():
    """The network says covid where the border is bright; that survives without lungs, and not the other way."""
    torch = pytest.importorskip("torch")
    from covidnet.data.augment import Augmentation
    from covidnet.data.datamodule import XrayDataModule

    class Border(torch.nn.Module):
        def forward(self, images):
            bright = images[:, 0, :4].mean(dim=(1, 2))
            return torch.stack([bright - 0.5, 0.5 - bright], dim=1) * 50

    pixels = np.full((20, 1, 32, 32), 100, dtype=np.uint8)
    pixels[::2, :, :4] = 220
    pixels[::2, :, 16] = 90
    records = [Record(f"{CLASSES[i % 2]}/{i}.png", CLASSES[i % 2]) for i in range(20)]
    split = Split({"train": np.arange(8), "test": np.arange(8, 20)})
    data = XrayDataModule(
        Source(pixels),
        np.arange(20) % 2,
        split,
        Augmentation(0.0, [1.0, 1.0], [0.0, 0.0], 0.0, 0.0, 0.0, 0.0, "bilinear", 0.0),
        seed=0,
        batch_size=5,
    )
    rows = tuple(Prediction(records[p].path, "test", records[p].label, (1.0, 0.0)) for p in range(8, 20))
    after = score_alterations(Border(), data, Predictions(CLASSES, rows), records)
    by_name = {score.name: score.accuracy.successes for score in after.scores}
    assert by_name["lungs_masked"] == 12 and by_name["only_lungs"] == 6 and by_name["unaltered"] == 6
    assert data.pixels.fetch([8])[0, 0, 0, 0] == 220  # the module itself is left as it was
    assert {name for name, _, _ in after.pictures} == {"unaltered", *ALTERATIONS}
