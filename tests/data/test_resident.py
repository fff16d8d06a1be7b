"""Images that stay on the device give the batches that a loader gives."""

import numpy as np
import pytest
import torch
from toy import toy_module, toy_trainer

from covidnet.data import resident
from covidnet.data.attributes import Attributes
from covidnet.data.augment import Augmentation
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.pixels import CachedPixels, DecodeSettings, StreamedPixels
from covidnet.data.resident import ResidentImages, ResidentLoader, can_stay, shall_stay
from covidnet.data.split import Split

COUNT = 23
CPU = torch.device("cpu")


def cached(colour):
    rng = np.random.default_rng(0)
    channels = np.where(np.arange(COUNT) % 4 == 0, 3, 1) if colour else np.ones(COUNT, dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(channels)[:-1]])
    return CachedPixels(rng.integers(0, 256, (int(channels.sum()), 6, 6), dtype=np.uint8), first, channels)


def data(keep, colour=False, attributes=None, sampling="shuffle", batch_size=5, noise=0.1):
    labels = (np.arange(COUNT) % 3 == 0).astype(np.int64)
    order = np.random.default_rng(1).permutation(COUNT)
    split = Split({"train": order[:16], "test": order[16:]})
    augmentation = Augmentation(rotation=20, scale=(0.7, 1.3), horizontal_flip=0.5, noise=noise)
    return XrayDataModule(
        cached(colour), labels, split, augmentation, seed=3, batch_size=batch_size, sampling=sampling,
        attributes=attributes or Attributes(), resident=keep,
    )  # fmt: skip


class Seen(torch.nn.Module):
    """A network that remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3 * 36, 2)
        self.images = []

    def forward(self, images):
        self.images.append(images.detach().clone())
        return self.layer(images.flatten(1))


def trained(tmp_path, datamodule):
    network = Seen()
    module = toy_module(network=network)
    torch.nn.init.normal_(network.layer.weight, generator=torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(network.layer.bias)
    toy_trainer(tmp_path, epochs=3).fit(module, datamodule)
    return network.images, network.layer.weight.detach()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("sampling", ["shuffle", "balanced"])
@pytest.mark.parametrize("colour", [False, True])
def test_a_training_sees_the_same_images_and_ends_with_the_same_weights(tmp_path, colour, sampling):
    attributes = Attributes(weights=np.linspace(0.5, 2, COUNT, dtype=np.float32))
    runs = [trained(tmp_path, data(keep, colour, attributes, sampling)) for keep in (False, True)]
    (loaded, weights), (kept, weights_kept) = runs
    assert len(loaded) == len(kept) == 3 * (3 + 2)  # 16 rows as 5, 5 and 6, and 7 as 5 and 2
    assert all(torch.equal(one, other) for one, other in zip(loaded, kept, strict=True))
    assert torch.equal(weights, weights_kept)


def test_a_loader_that_keeps_images_is_used_when_asked_for_and_gives_the_memory_back(tmp_path):
    datamodule = data(True)
    trainer = toy_trainer(tmp_path, epochs=1)
    datamodule.trainer = trainer
    kinds = [type(datamodule.train_dataloader()), type(datamodule.val_dataloader())]
    assert kinds == [ResidentLoader, ResidentLoader]
    assert datamodule._resident is not None
    datamodule.teardown("fit")
    assert datamodule._resident is None
    datamodule.resident = "auto"  # the cache is in memory already
    assert not isinstance(datamodule.train_dataloader(), ResidentLoader)


def test_every_attribute_goes_with_its_image():
    pixels = cached(True)
    weights = np.arange(COUNT, dtype=np.float32)
    places = np.stack([weights, -weights], axis=1)
    known = ResidentImages.upload(pixels, np.arange(COUNT), Attributes(weights, places), CPU)
    chosen = torch.tensor([4, 0, 22])
    images, labels, own_weights, positions = known.pick(chosen)
    assert images.shape == (3, 3, 6, 6)
    assert labels.tolist() == own_weights.tolist() == positions[:, 0].tolist() == [4, 0, 22]
    np.testing.assert_array_equal(images.numpy(), pixels.fetch([4, 0, 22]))


def test_an_upload_in_several_chunks_is_whole(monkeypatch):
    monkeypatch.setattr(resident, "CHUNK", 4)
    pixels = cached(True)
    known = ResidentImages.upload(pixels, np.zeros(COUNT, dtype=np.int64), Attributes(), CPU)
    np.testing.assert_array_equal(known.images.numpy(), pixels.fetch(range(COUNT)))
    assert known.weights is None and known.positions is None


@pytest.mark.parametrize(
    ("asked", "device", "free", "expected"),
    [
        (False, "cuda", 10**9, False),
        (True, "cpu", 0, True),
        ("auto", "cpu", 10**9, False),
        ("auto", "cuda", 4 * COUNT * 36, True),
        ("auto", "cuda", 4 * COUNT * 36 - 4, False),
    ],
)
def test_auto_keeps_images_on_a_gpu_with_room_for_them(monkeypatch, asked, device, free, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10**12))
    assert shall_stay(asked, cached(False), torch.device(device)) is expected


def test_images_that_are_decoded_when_asked_for_cannot_stay():
    assert not can_stay(StreamedPixels([], DecodeSettings(8, 100)))
    assert can_stay(cached(False))


def test_a_training_step_never_waits_for_the_device():
    """On the meta device there are no values: whatever reads one back on the host raises."""
    meta = torch.device("meta")
    datamodule = data(True, colour=True, attributes=Attributes(weights=np.ones(COUNT, dtype=np.float32)), noise=0.0)
    images = torch.empty((COUNT, 3, 6, 6), dtype=torch.uint8, device=meta)
    known = ResidentImages(
        images, torch.empty(COUNT, dtype=torch.int64, device=meta), torch.empty(COUNT, device=meta), None
    )
    loader = datamodule.train_dataloader()
    module = toy_module().to(meta)
    optimizer = torch.optim.Adam(module.parameters())
    steps = 0
    for number, loaded in enumerate(ResidentLoader(known, datamodule.split.positions("train"), loader.batch_sampler)):
        batch = datamodule.prepare(loaded, epoch=0)
        loss = module.training_step(batch, number)
        loss.backward()
        optimizer.step()
        module.validation_step(batch, number)
        steps += 1
    assert steps == 3
    with pytest.raises((RuntimeError, NotImplementedError)):
        float(loss.detach())  # as such a reading would
