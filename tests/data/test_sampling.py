"""Balanced draws: how often what comes, the same whatever shares them, and exactly again."""

from collections import Counter

import numpy as np
import pytest
import torch
from toy import Pixels

from covidnet.data.augment import Augmentation
from covidnet.data.batches import PartDataset, make_loader
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.sampling import BalancedSampler, row_and_slot
from covidnet.data.split import Split

LABELS = np.array([0] * 40 + [1] * 7 + [2] * 3)


def drawn(epoch=0, seed=1, world_size=1, labels=LABELS):
    shares = []
    for rank in range(world_size):
        sampler = BalancedSampler(labels, seed, rank, world_size)
        sampler.set_epoch(epoch)
        share = np.array(list(sampler))
        assert len(share) == len(sampler)
        shares.append(share)
    return shares


def rows(share, labels=LABELS):
    return row_and_slot(share, len(labels))[0]


def test_each_class_comes_equally_often_in_as_many_draws_as_there_are_images():
    for epoch in range(5):
        (share,) = drawn(epoch)
        assert len(share) == 50
        counts = Counter(LABELS[rows(share)].tolist())
        assert sorted(counts.values()) == [16, 17, 17]


def test_the_odd_draws_go_to_any_class():
    extra = Counter()
    for epoch in range(60):
        counts = Counter(LABELS[rows(drawn(epoch)[0])].tolist())
        extra.update(label for label, count in counts.items() if count == 17)
    assert min(extra.values()) > 25  # 40 each, were it exact


def test_images_of_a_class_come_equally_often():
    (share,) = drawn()
    counts = Counter(rows(share).tolist())
    small = [counts[row] for row in range(47, 50)]
    assert set(small) <= {5, 6} and max(counts[row] for row in range(40)) == 1


def test_over_epochs_every_image_of_a_large_class_comes():
    seen = {row for epoch in range(12) for row in rows(drawn(epoch)[0]).tolist()}
    assert seen == set(range(50))


def test_seed_and_epoch_decide():
    assert np.array_equal(drawn(3)[0], drawn(3)[0])
    assert not np.array_equal(rows(drawn(3)[0]), rows(drawn(4)[0]))
    assert not np.array_equal(rows(drawn(3)[0]), rows(drawn(3, seed=2)[0]))


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_share_one_epoch(world_size):
    shares = drawn(world_size=world_size)
    assert len({len(share) for share in shares}) == 1
    slots = np.concatenate([row_and_slot(share, 50)[1] for share in shares])
    total = -(-50 // world_size) * world_size
    assert sorted(slots.tolist()) == list(range(total))
    counts = Counter(LABELS[np.concatenate([rows(share) for share in shares])].tolist())
    assert max(counts.values()) - min(counts.values()) <= 1
    if world_size == 2:  # fifty draws are even: the same as of one process
        together = np.empty(50, dtype=np.int64)
        together[0::2], together[1::2] = shares
        assert np.array_equal(together, drawn()[0])


def test_classes_that_are_balanced_come_once_each():
    labels = np.array([0, 1] * 6)
    (share,) = drawn(labels=labels)
    assert sorted(rows(share, labels).tolist()) == list(range(12))


def test_plain_rows_have_no_slots():
    found, slots = row_and_slot(np.array([3, 0, 2]), 5)
    assert found.tolist() == [3, 0, 2] and slots is None


def test_a_loader_gives_the_drawn_images_with_their_labels():
    images = np.arange(50, dtype=np.uint8)[:, None, None, None]
    part = PartDataset(Pixels(images), np.arange(50), LABELS)
    loader = make_loader(part, 8, 1, sampling="balanced")
    batches = list(loader)
    assert sum(len(batch.rows) for batch in batches) == 50
    for batch in batches:
        assert batch.images.flatten().tolist() == batch.rows.tolist()
        assert LABELS[batch.rows].tolist() == batch.labels.tolist()
    assert torch.cat([batch.slots for batch in batches]).tolist() == list(range(50))
    assert make_loader(part, 8, None, sampling="balanced").batch_sampler.sampler == range(50)  # in order: all of them


def test_an_image_that_comes_twice_is_augmented_in_two_ways():
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 16, 16), dtype=np.uint8)
    labels = np.array([0] * 9 + [1] * 3)
    split = Split({"train": np.arange(10), "test": np.arange(10, 12)})
    data = XrayDataModule(
        Pixels(images), labels, split, Augmentation(rotation=20, noise=0.1), seed=3, batch_size=10, sampling="balanced"
    )
    (batch,) = data.train_dataloader()
    assert Counter(batch.rows.tolist())[9] == 5  # the one image of its class
    seen = data.augmented(batch, epoch=0)[batch.rows == 9]
    assert len(torch.unique(seen.flatten(1), dim=0)) == 5
    # The slot alone decides, whatever the batch.
    one = batch._replace(**{name: getattr(batch, name)[4:5] for name in ("images", "labels", "rows", "slots")})
    assert torch.equal(data.augmented(one, epoch=0)[0], data.augmented(batch, epoch=0)[4])
