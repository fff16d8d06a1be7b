import warnings

import numpy as np
import pytest
from PIL import Image

from covidnet.data import pixels as pixels_module
from covidnet.data.cache import cache_pixels
from covidnet.data.images import decode_image
from covidnet.data.pixels import DecodeSettings, in_threads, stack_images, stream_pixels
from covidnet.errors import DataError

SETTINGS = DecodeSettings(image_size=12, max_pixels=10_000)


@pytest.fixture
def files(tmp_path, make_image):
    """Grey and colour images of several modes and formats; two hold the same bytes."""
    root = tmp_path / "images"
    made = [
        make_image(root / "grey.png", 1),
        make_image(root / "colour.png", 2, mode="RGB"),
        make_image(root / "grey.jpg", 3, size=(50, 30)),
        make_image(root / "colour.jpg", 4, size=(9, 40), mode="RGB"),
        make_image(root / "again.png", 1),
    ]
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 163).save(root / "deep.png")
    return [*made, root / "deep.png"]


@pytest.fixture(params=["cached", "streamed"])
def opened(request, files, tmp_path):
    """What is known of the files after the first look at them, by either way."""
    if request.param == "cached":
        return cache_pixels(files, SETTINGS, tmp_path / "cache")
    return stream_pixels(files, SETTINGS)


def test_every_image_is_what_the_decoder_makes_of_it(opened, files):
    for position, file in enumerate(files):
        pixels, info = decode_image(file, SETTINGS.size, SETTINGS.max_pixels)
        assert np.array_equal(opened.source.fetch([position])[0], pixels)
        assert opened.infos[position] == info
    assert opened.reasons == (None,) * len(files)


def test_grey_batches_have_one_channel_and_mixed_ones_three(opened):
    assert opened.source.fetch([0, 2, 4, 5]).shape == (4, 1, 12, 12)
    mixed = opened.source.fetch([2, 1, 0])
    assert mixed.shape == (3, 3, 12, 12)
    assert mixed.dtype == np.uint8
    for row, position in enumerate([2, 1, 0]):
        assert np.array_equal(mixed[row], np.broadcast_to(opened.source.fetch([position])[0], (3, 12, 12)))


def test_positions_may_repeat_and_come_in_any_order(opened):
    batch = opened.source.fetch(np.array([3, 1, 3]))
    assert np.array_equal(batch[0], batch[2])
    assert not np.array_equal(batch[0], batch[1])


def test_a_fetched_batch_is_the_callers_own(opened):
    first = opened.source.fetch([0, 0])
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(opened.source.fetch([0, 0]), kept)


def test_select_numbers_anew(opened):
    chosen = opened.source.select([3, 0])
    assert chosen.decoded == opened.source.decoded
    assert np.array_equal(chosen.fetch([0]), opened.source.fetch([3]))
    assert np.array_equal(chosen.select([1]).fetch([0]), opened.source.fetch([0]))


def test_streamed_and_cached_are_equal_to_the_last_bit(files, tmp_path):
    cached = cache_pixels(files, SETTINGS, tmp_path / "cache")
    streamed = stream_pixels(files, SETTINGS)
    assert cached.source.decoded and not streamed.source.decoded
    assert cached.infos == streamed.infos
    for positions in ([0, 1, 2, 3, 4, 5], [0, 4], [1, 3], [5, 3]):
        first, second = cached.source.fetch(positions), streamed.source.fetch(positions)
        assert first.shape == second.shape
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("kind", ["cached", "streamed"])
def test_what_cannot_be_read_is_reported_with_the_reason(files, tmp_path, make_image, kind):
    root = tmp_path / "images"
    (root / "empty.png").touch()
    (root / "text.png").write_text("hello")
    (root / "half.png").write_bytes(files[1].read_bytes()[:300])
    make_image(root / "large.png", size=(200, 100))
    (root / "lost.png").symlink_to("nowhere.png")
    bad = [root / f"{name}.png" for name in ("empty", "text", "half", "large", "lost")]
    mixed = [bad[0], files[0], *bad[1:], files[1]]
    found = cache_pixels(mixed, SETTINGS, tmp_path / "cache") if kind == "cached" else stream_pixels(mixed, SETTINGS)
    assert found.reasons[1] is None and found.reasons[-1] is None
    assert [info is None for info in found.infos] == [True, False, True, True, True, True, False]
    assert found.reasons[0] == "empty file"
    assert found.reasons[2] == "not an image that Pillow knows"
    assert "truncated" in found.reasons[3].lower()
    assert found.reasons[4] == "200x100 pixels, more than data.max_pixels=10000"
    assert found.reasons[5] == "cannot be read: No such file or directory"
    good = found.source.select([1, 6])
    assert np.array_equal(good.fetch([1])[0], decode_image(files[1], SETTINGS.size, 10_000)[0])


def test_a_file_that_is_lost_while_streaming_is_named(files):
    source = stream_pixels(files, SETTINGS).source
    files[2].unlink()
    with pytest.raises(DataError, match=r"grey\.jpg: cannot be read: No such file.*readable when the run started"):
        source.fetch([1, 2])


def test_stacking_repeats_grey_only_beside_colours():
    grey, colour = np.full((1, 2, 2), 7, np.uint8), np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    assert stack_images([grey, grey]).shape == (2, 1, 2, 2)
    stacked = stack_images([grey, colour])
    assert (stacked[0] == 7).all()
    assert np.array_equal(stacked[1], colour)


def test_threads_return_in_order_and_a_bounded_number_waits(monkeypatch):
    monkeypatch.setattr(pixels_module, "CHUNK", 4)
    started = []
    results = in_threads(lambda item: started.append(item) or item * 2, range(30), "working")
    assert next(results) == 0
    assert len(started) <= 4
    assert list(results) == [2 * item for item in range(1, 30)]


def test_an_error_in_a_thread_comes_out():
    def work(item):
        raise DataError(f"item {item}")

    with pytest.raises(DataError, match="item 0"):
        list(in_threads(work, [0, 1], "working"))


def test_pythons_warning_filters_are_left_as_they_were(files, tmp_path):
    """They belong to the process; changed inside threads they would stay changed, and real warnings would be lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        before = list(warnings.filters)
        for round_ in range(20):
            cache_pixels(files, SETTINGS, tmp_path / str(round_))
            stream_pixels(files * 5, SETTINGS).source.fetch([0, 1])
        assert warnings.filters == before
