"""The data as Lightning's Trainer takes it, in real (tiny) runs of the Trainer."""

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch

from covidnet.data.augment import Augmentation
from covidnet.data.batches import finish_images, to_float
from covidnet.data.cache import cache_pixels
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.pixels import DecodeSettings, stream_pixels
from covidnet.data.split import Split, stratified_split

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = DecodeSettings(image_size=16, max_pixels=10_000)
LABELS = np.array([0] * 12 + [1] * 11)
STRONG = Augmentation(
    rotation=20, scale=(0.7, 1.3), translation=(0.1, 0.1), horizontal_flip=0.5, brightness=0.2, contrast=0.2, noise=0.05
)


@pytest.fixture
def files(tmp_path, make_folder):
    return sorted(make_folder(tmp_path / "images", {"a": 12, "b": 11}).rglob("*.png"))


@pytest.fixture
def pixels(files, tmp_path):
    return cache_pixels(files, SETTINGS, tmp_path / "cache").source


def module(pixels, augmentation=STRONG, seed=3, batch_size=4, **options):
    split = stratified_split([str(label) for label in LABELS], 50, 0.2)
    return XrayDataModule(pixels, LABELS, split, augmentation, seed=seed, batch_size=batch_size, **options)


class Recorder(lightning.LightningModule):
    """A model that learns nothing and keeps the batches that it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = {"train": {}, "val": {}}

    def keep(self, part, batch):
        self.seen[part].setdefault(self.current_epoch, []).append(batch)

    def training_step(self, batch, _):
        self.keep("train", batch)
        return (self.weight * batch.images.mean()).sum()

    def validation_step(self, batch, _):
        self.keep("val", batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def images(self, part, epoch):
        """Every image of an epoch by its row, and how often each row came."""
        batches = self.seen[part][epoch]
        rows = torch.cat([batch.rows for batch in batches]).tolist()
        return dict(zip(rows, torch.cat([batch.images for batch in batches]), strict=True)), sorted(rows)


def fit(data, epochs=2):
    recorder = Recorder()
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    trainer.fit(recorder, data)
    return recorder


@pytest.fixture
def recorder(pixels):
    return fit(module(pixels))


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[row], second[row]) for row in first)


def test_every_training_image_comes_once_an_epoch_in_a_new_order(recorder, pixels):
    count = len(module(pixels).part("train"))
    assert count == 18
    orders = []
    for epoch in range(2):
        assert recorder.images("train", epoch)[1] == list(range(count))
        assert recorder.images("val", epoch)[1] == list(range(5))
        orders.append([row for batch in recorder.seen["train"][epoch] for row in batch.rows.tolist()])
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])


def test_training_images_are_augmented_anew_each_epoch_and_others_never(recorder, pixels):
    data = module(pixels)
    part = data.part("val")
    plain = finish_images(to_float(part.__getitems__(range(len(part))).images), "none", channels_last=True)
    for epoch in range(2):
        images, _ = recorder.images("val", epoch)
        assert all(torch.equal(images[row], plain[row]) for row in range(len(part)))
    first, second = recorder.images("train", 0)[0], recorder.images("train", 1)[0]
    train = data.part("train")
    for row in first:
        original = data.prepare(train.__getitems__([row]), epoch=None).images[0]
        assert not torch.allclose(first[row], original, atol=0.01)
        assert not torch.allclose(first[row], second[row], atol=0.01)


def test_labels_go_with_their_images(recorder, pixels):
    data = module(pixels, augmentation=Augmentation())
    for batch in recorder.seen["train"][0]:
        assert batch.labels.tolist() == LABELS[data.split.parts["train"][batch.rows.numpy()]].tolist()


def test_the_model_gets_three_channels_in_the_asked_layout(recorder):
    for part in ("train", "val"):
        for batch in recorder.seen[part][0]:
            assert batch.images.shape[1:] == (3, 16, 16)
            assert batch.images.dtype == torch.float32
            assert batch.images.is_contiguous(memory_format=torch.channels_last)
            assert batch.images.min() >= 0 and batch.images.max() <= 1
            assert len(batch.rows) > 1


def test_the_batch_size_does_not_change_an_image(recorder, pixels):
    """To the last bits of contrast's mean, which a grey image in a batch with colours takes over three channels."""
    others = fit(module(pixels, batch_size=17))
    for epoch in range(2):
        one, other = recorder.images("train", epoch)[0], others.images("train", epoch)[0]
        assert one.keys() == other.keys()
        assert all(torch.allclose(one[row], other[row], atol=1e-6) for row in one)


def test_the_number_of_processes_does_not_change_an_image(pixels):
    data = module(pixels, seed=0)
    part = data.part("train")
    together = data.prepare(part.__getitems__(range(18)), epoch=4).images
    for world_size in (1, 2, 3):
        for rank in range(world_size):
            rows = list(range(rank, 18, world_size))
            own = module(pixels, seed=0).prepare(part.__getitems__(rows), epoch=4)
            assert torch.allclose(own.images, together[rows], atol=1e-6)


def test_the_same_seed_gives_the_same_epochs_and_another_seed_others(recorder, pixels):
    again, other = fit(module(pixels)), fit(module(pixels, seed=4), epochs=1)
    for epoch in range(2):
        for first, second in zip(recorder.seen["train"][epoch], again.seen["train"][epoch], strict=True):
            assert torch.equal(first.rows, second.rows)
            assert torch.equal(first.images, second.images)
    orders = [[row for batch in one.seen["train"][0] for row in batch.rows.tolist()] for one in (recorder, other)]
    assert orders[0] != orders[1]
    first, second = recorder.images("train", 0)[0], other.images("train", 0)[0]
    assert not any(torch.allclose(first[row], second[row], atol=0.01) for row in first)


def test_streaming_workers_train_on_the_very_same_batches(recorder, files):
    streamed = fit(module(stream_pixels(files, SETTINGS).source, num_workers=2))
    for part in ("train", "val"):
        for epoch in range(2):
            pairs = zip(recorder.seen[part][epoch], streamed.seen[part][epoch], strict=True)
            for first, second in pairs:
                assert all(torch.equal(one, other) for one, other in zip(first[:3], second[:3], strict=True))


def test_each_epoch_has_its_own_draws_in_any_order(pixels):
    data = module(pixels)
    batch = data.part("train").__getitems__([5, 2])
    first = {epoch: data.augmented(batch, epoch) for epoch in (0, 1, 2)}
    assert all(torch.equal(data.augmented(batch, epoch), first[epoch]) for epoch in (2, 0, 1))  # as after a resume
    assert not torch.allclose(first[0], first[1], atol=0.01)


def test_augmented_grey_batches_keep_one_channel(pixels):
    data = module(pixels)
    grey = [row for row in range(18) if data.part("train").__getitems__([row]).images.shape[1] == 1]
    assert 0 < len(grey) < 18
    assert data.augmented(data.part("train").__getitems__(grey), 0).shape == (len(grey), 1, 16, 16)
    assert data.augmented(data.part("train").__getitems__(range(18)), 0).shape == (18, 3, 16, 16)


def test_normalisation_comes_after_augmentation(pixels):
    batch = module(pixels).part("train").__getitems__(range(6))
    plain = module(pixels).prepare(batch, epoch=1).images
    normalised = module(pixels, normalize="imagenet", channels_last=False).prepare(batch, epoch=1).images
    assert torch.allclose(normalised, finish_images(plain, "imagenet", channels_last=False), atol=1e-6)
    assert normalised.is_contiguous()
    assert normalised.min() < -1


def test_without_a_trainer_nothing_is_augmented(pixels):
    data = module(pixels)
    batch = data.part("train").__getitems__(range(6))
    assert torch.equal(data.on_after_batch_transfer(batch, 0).images, data.prepare(batch, epoch=None).images)


def test_parts_and_their_loaders(pixels):
    data = module(pixels)
    assert len(data.part("all")) == len(LABELS)
    for name in ("train", "test", "all"):
        rows = [row for batch in data.part_loader(name) for row in batch.rows.tolist()]
        assert rows == list(range(len(data.part(name))))
    assert np.array_equal(data.part("val").positions, data.split.parts["test"])
    split = Split({"train": np.arange(20), "val": np.array([20]), "test": np.array([21, 22])})
    held_out = XrayDataModule(pixels, LABELS, split, Augmentation(), seed=0, batch_size=8)
    assert held_out.part("val").positions.tolist() == [20]
