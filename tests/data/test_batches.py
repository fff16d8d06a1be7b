import numpy as np
import pytest
import torch
from torch import nn

from covidnet.data.batches import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Batch,
    PartDataset,
    WholeBatchSampler,
    finish_images,
    make_loader,
    to_float,
)
from covidnet.data.cache import cache_pixels
from covidnet.data.pixels import DecodeSettings, stream_pixels
from covidnet.errors import DataError

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = DecodeSettings(image_size=8, max_pixels=10_000)


@pytest.fixture
def files(tmp_path, make_folder):
    return sorted(make_folder(tmp_path / "images", {"a": 6, "b": 5}).rglob("*.png"))


@pytest.fixture
def pixels(files, tmp_path):
    return cache_pixels(files, SETTINGS, tmp_path / "cache").source


def part(pixels, positions=range(11)):
    return PartDataset(pixels, np.array(positions, dtype=np.int64), np.array([0] * 6 + [1] * 5))


def rows_of(loader):
    return [batch.rows.tolist() for batch in loader]


def flat(lists):
    return [row for rows in lists for row in rows]


def test_a_batch_holds_the_images_of_its_rows_with_their_labels(pixels):
    positions = [10, 2, 7, 4]
    batch = part(pixels, positions).__getitems__([3, 0, 2])
    assert isinstance(batch, Batch)
    assert np.array_equal(batch.images.numpy(), pixels.fetch([4, 10, 7]))
    assert batch.images.dtype == torch.uint8
    assert batch.labels.tolist() == [0, 1, 1]
    assert batch.rows.tolist() == [3, 0, 2]
    assert batch.labels.dtype == batch.rows.dtype == torch.int64


def test_without_shuffling_the_order_is_the_parts(pixels):
    loader = make_loader(part(pixels), 4, None)
    assert rows_of(loader) == rows_of(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 10, 11, 64])
def test_every_image_once_an_epoch_in_an_order_of_its_own(pixels, batch_size):
    loader = make_loader(part(pixels), batch_size, shuffle_seed=0)
    orders = []
    for epoch in range(3):
        loader.batch_sampler.sampler.set_epoch(epoch)
        batches = rows_of(loader)
        assert len(loader) == len(batches)
        assert sorted(flat(batches)) == list(range(11))
        orders.append(tuple(flat(batches)))
    assert len(set(orders)) == 3
    again = make_loader(part(pixels), batch_size, shuffle_seed=0)
    assert tuple(flat(rows_of(again))) == orders[0]
    other = make_loader(part(pixels), batch_size, shuffle_seed=1)
    assert tuple(flat(rows_of(other))) != orders[0]


@pytest.mark.parametrize("shuffle_seed", [None, 0])
@pytest.mark.parametrize(("batch_size", "sizes"), [(10, [11]), (5, [5, 6]), (2, [2, 2, 2, 2, 3]), (4, [4, 4, 3])])
def test_a_last_batch_of_one_joins_the_one_before(pixels, shuffle_seed, batch_size, sizes):
    loader = make_loader(part(pixels), batch_size, shuffle_seed)
    assert [len(batch.rows) for batch in loader] == sizes
    assert len(loader) == len(sizes)


def test_single_images_stay_where_nothing_else_was_asked_or_there_is(pixels):
    assert rows_of(make_loader(part(pixels), 1, None)) == [[row] for row in range(11)]
    assert rows_of(make_loader(part(pixels, [5]), 4, None)) == [[0]]
    assert len(make_loader(part(pixels, [5]), 4, None)) == 1
    assert rows_of(make_loader(part(pixels, []), 4, None)) == []


def test_lengths_agree_with_what_comes_for_all_small_numbers():
    for images in range(30):
        for batch_size in range(1, 12):
            batches = list(sampler := WholeBatchSampler(range(images), batch_size, drop_last=False))
            assert len(sampler) == len(batches)
            assert flat(batches) == list(range(images))
            assert all(len(batch) > 1 for batch in batches) or batch_size == 1 or images == 1


def test_batch_normalisation_gets_through_the_epoch(pixels):
    network = nn.Sequential(nn.Conv2d(1, 2, 8), nn.BatchNorm2d(2))  # maps of 1x1, as at the end of a deep network
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 1, 8, 8))
    for batch in make_loader(part(pixels), 5, shuffle_seed=0):
        network(to_float(batch.images)[:, :1])


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_processes_share_the_images(pixels, world_size):
    training = [make_loader(part(pixels), 2, 0, rank=rank, world_size=world_size) for rank in range(world_size)]
    shares = [rows_of(loader) for loader in training]
    assert set(flat(flat(shares))) == set(range(11))
    assert len({len(share) for share in shares}) == 1  # as many steps on each, or they would wait for ever
    assert len(flat(flat(shares))) < 11 + world_size  # no more repeated than that takes
    scoring = [make_loader(part(pixels), 2, None, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(flat(flat([rows_of(loader) for loader in scoring]))) == list(range(11))  # none counted twice


def test_streaming_workers_give_what_the_cache_gives(files, pixels):
    streamed = make_loader(part(stream_pixels(files, SETTINGS).source), 3, 5, num_workers=2)
    cached = make_loader(part(pixels), 3, 5, num_workers=2)
    assert streamed.num_workers == 2
    assert cached.num_workers == 0  # copying memory is faster than asking another process for it
    for epoch in range(2):
        for loader in (streamed, cached):
            loader.batch_sampler.sampler.set_epoch(epoch)
        pairs = list(zip(streamed, cached, strict=True))
        assert len(pairs) == 4
        for first, second in pairs:
            assert all(torch.equal(one, other) for one, other in zip(first[:3], second[:3], strict=True))
            # The source gives no weights and positions, and no image comes twice.
            assert first[3:] == second[3:] == (None, None, None)
            assert first.images.dtype == second.images.dtype == torch.uint8


@pytest.mark.parametrize("workers", [0, 2])
def test_a_lost_file_is_an_error_without_a_workers_traceback(files, workers):
    loader = make_loader(part(stream_pixels(files, SETTINGS).source), 3, None, num_workers=workers)
    files[4].unlink()
    message = ""
    try:  # not pytest.raises: what it keeps would keep the workers waiting
        list(loader)
    except DataError as error:
        message = str(error)
    assert message.startswith(f"{files[4]}: cannot be read: No such file or directory.")
    assert "\n" not in message


def test_whole_numbers_become_fractions_of_one():
    whole = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    fractions = to_float(whole)
    assert fractions.dtype == torch.float32
    assert fractions.min() == 0.0 and fractions.max() == 1.0
    assert torch.equal(fractions, whole.double().div(255).float())
    assert whole[0, 0, 0, 1] == 1  # the pixels themselves are left alone


def test_grey_and_colours_get_three_channels():
    grey, colours = torch.rand(2, 1, 5, 4), torch.rand(2, 3, 5, 4)
    finished = finish_images(grey, "none", channels_last=True)
    assert finished.shape == (2, 3, 5, 4)
    assert torch.equal(finished, grey.repeat(1, 3, 1, 1))
    assert torch.equal(finish_images(colours, "none", channels_last=True), colours)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalisation_is_imagenets(channels):
    images = torch.rand(3, channels, 6, 7)
    finished = finish_images(images, "imagenet", channels_last=False)
    for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        expected = (images[:, min(channel, channels - 1)] - mean) / std
        assert torch.allclose(finished[:, channel], expected, atol=1e-6)
    assert IMAGENET_MEAN == (0.485, 0.456, 0.406) and IMAGENET_STD == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("normalize", ["none", "imagenet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_memory_layout_is_what_was_asked(normalize, channels):
    images = torch.rand(2, channels, 5, 4)
    last = finish_images(images, normalize, channels_last=True)
    assert last.stride() == (60, 1, 12, 3)
    assert last.is_contiguous(memory_format=torch.channels_last)
    first = finish_images(images, normalize, channels_last=False)
    assert first.stride() == (60, 20, 4, 1)
    assert torch.equal(first, last)
