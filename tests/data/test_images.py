import hashlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from picture_files import PILLOW_13
from PIL import Image, ImageOps

from covidnet.data.images import UnreadableImageError, decode_content, decode_image, without_warnings

NO_LIMIT = 10**9
GREY_RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decode(content, size=(16, 16), max_pixels=NO_LIMIT):
    return decode_content(content, size, max_pixels)[0]


def grey(mode, kind="PNG"):
    return encoded(Image.fromarray(GREY_RAMP).convert(mode), kind)


def with_alpha(values, mode):
    image = Image.fromarray(values).convert(mode)
    image.putalpha(128)
    return image


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (grey("L"), "L"),
        (grey("LA"), "LA"),
        (grey("RGB"), "RGB"),
        (grey("RGBA"), "RGBA"),
        (grey("I", "TIFF"), "I"),
        (grey("F", "TIFF"), "F"),
        (encoded(Image.fromarray(GREY_RAMP).convert("P")), "P"),
        (encoded(with_alpha(GREY_RAMP, "P"), "TIFF"), "PA"),
        (encoded(with_alpha(GREY_RAMP, "L")), "LA"),
        (encoded(Image.fromarray(GREY_RAMP.astype(np.uint16))), "I;16"),
        (encoded(Image.fromarray(GREY_RAMP), "BMP"), "L"),
        (encoded(Image.fromarray(GREY_RAMP), "WEBP", lossless=True), "RGB"),
    ],
)
def test_grey_of_every_mode_stays_one_channel_with_its_values(content, mode):
    pixels, info = decode_content(content, (16, 16), NO_LIMIT)
    assert info.mode == mode
    assert pixels.shape == (1, 16, 16)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous and pixels.flags.owndata
    assert np.array_equal(pixels[0], GREY_RAMP)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_keep_their_values(mode):
    pixels = decode(encoded(Image.fromarray(COLOURS).convert(mode), "TIFF"))
    assert pixels.shape == (3, 16, 16)
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, COLOURS.transpose(2, 0, 1))


def test_palettes_and_other_colour_spaces():
    image = Image.fromarray(COLOURS)
    for mode in ("P", "CMYK", *(["YCbCr"] if PILLOW_13 else [])):
        converted = image.convert(mode)
        pixels = decode(encoded(converted, "TIFF"))
        assert np.array_equal(pixels, np.asarray(converted.convert("RGB")).transpose(2, 0, 1)), mode
    palette = image.convert("P")
    assert np.array_equal(decode(encoded(palette.convert("PA"), "TIFF")), decode(encoded(palette, "TIFF")))


def test_a_black_and_white_image_is_grey():
    bits = (GREY_RAMP // 16) % 2 == 1
    pixels, info = decode_content(encoded(Image.fromarray(bits)), (16, 16), NO_LIMIT)
    assert info.mode == "1"
    assert np.array_equal(pixels[0], bits * np.uint8(255))


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_are_scaled_and_not_cut_to_their_low_byte(order):
    values = (np.arange(256).reshape(16, 16) * 257).astype(order)  # 0 to 65535; the low byte alone would be the same
    values[0, 1] = 255  # a whole low byte, yet nearly black
    values[0, 2] = 0x7F00  # no low byte, yet half as bright as it can be
    pixels = decode(encoded(Image.fromarray(values), "TIFF"))
    assert pixels[0, 0, 1] == 1
    assert pixels[0, 0, 2] == 127
    assert np.array_equal(pixels[0, 1:], GREY_RAMP[1:])


def test_other_depths():
    def stored(values, dtype):
        return decode(encoded(Image.fromarray(np.asarray(values, dtype=dtype)), "TIFF"), size=(1, 4))[0, 0].tolist()

    assert stored([[0, 1000, 100_000, 200_000]], np.int32) == [0, 1, 128, 255]  # beyond 16 bits: by the largest
    assert stored([[-100, 0, 100, 200]], np.int32) == [0, 85, 170, 255]  # no brightness: from the lowest to the highest
    assert stored([[0.0, 0.25, 0.5, 1.0]], np.float32) == [0, 64, 128, 255]  # fractions of 1
    assert stored([[0.0, 1.0, 99.6, 255.0]], np.float32) == [0, 1, 100, 255]
    assert stored([[np.nan, np.inf, 65535.0, -np.inf]], np.float32) == [0, 0, 255, 0]


ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_images_are_turned_upright(kind, orientation):
    image = Image.fromarray(np.kron(GREY_RAMP[:3, ::3], np.ones((8, 8), dtype=np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(image, kind, exif=exif)
    with Image.open(io.BytesIO(content)) as stored:
        upright = ImageOps.exif_transpose(stored).convert("L")
    pixels, info = decode_content(content, (upright.height, upright.width), NO_LIMIT)
    assert np.array_equal(pixels[0], np.asarray(upright))
    assert (info.width, info.height) == upright.size


def test_the_eight_orientations_are_eight_pictures():
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    seen = set()
    for orientation in ORIENTATIONS:
        exif = Image.Exif()
        exif[0x0112] = orientation
        size = (2, 3) if orientation < 5 else (3, 2)
        seen.add(decode(encoded(image, exif=exif), size).tobytes() + bytes(size))
    assert len(seen) == 8


def exif_with_text_for_a_resolution(orientation):
    entries = struct.pack(">HHLHH", 0x0112, 3, 1, orientation, 0) + struct.pack(">HHLL", 0x011A, 2, 2, 0x36000000)
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 2) + entries + struct.pack(">L", 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_data_cost_no_image(kind):
    image = Image.fromarray(GREY_RAMP[:8])
    for exif in (b"Exif\0\0garbage", b"Exif\0\0", b"Exif\0\0XX\0*\0\0\0\x08", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"):
        with without_warnings():
            assert decode(encoded(image, kind, exif=exif))[0].shape == (16, 16)
    content = encoded(image, kind, exif=exif_with_text_for_a_resolution(6))
    turned = np.asarray(image.transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert np.abs(decode(content, size=(16, 8))[0] - turned).max() < 10  # two of the formats lose a little


def triangle_filter(values, length):
    """Antialiased bilinear resizing of rows, from its definition: weights fall linearly over one output pixel."""
    scale = len(values) / length
    support = max(scale, 1.0)
    centres = (np.arange(length)[:, None] + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(len(values)) + 0.5 - centres) / support, 0, None)
    return weights / weights.sum(axis=1, keepdims=True) @ values


@pytest.mark.parametrize("size", [(24, 24), (31, 77), (100, 40), (200, 300)])
def test_resizing_is_antialiased_and_bilinear(size):
    values = np.random.default_rng(1).integers(0, 256, (120, 90), dtype=np.uint8)
    pixels = decode(encoded(Image.fromarray(values)), size)
    assert pixels.shape == (1, *size)
    by_hand = triangle_filter(triangle_filter(values.astype(float), size[0]).T, size[1]).T
    assert np.abs(pixels[0] - by_hand).max() <= 1.01  # Pillow rounds to whole numbers after each direction
    tensor = torch.from_numpy(values)[None, None].float()
    by_torch = torch.nn.functional.interpolate(tensor, size, mode="bilinear", antialias=True, align_corners=False)
    assert np.abs(pixels[0] - by_torch[0, 0].numpy()).max() <= 1.01


def test_a_fine_pattern_turns_grey_and_not_into_moire():
    chequered = (np.indices((448, 448)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pixels = decode(encoded(Image.fromarray(chequered)), (224, 224))
    assert set(np.unique(pixels[0, 1:-1, 1:-1])) <= {127, 128}


def test_height_and_width_are_not_exchanged():
    left_half = np.zeros((40, 100), dtype=np.uint8)
    left_half[:, :50] = 200
    pixels = decode(encoded(Image.fromarray(left_half)), (10, 20))
    assert pixels.shape == (1, 10, 20)
    assert (pixels[0, :, :9] == 200).all() and (pixels[0, :, 11:] == 0).all()


def test_of_an_animation_the_first_picture_counts():
    frames = [Image.fromarray(np.full((16, 16), value, dtype=np.uint8)) for value in (10, 200, 250)]
    for kind in ("PNG", "TIFF", "GIF"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert (decode(content) == 10).all(), kind
    content = encoded(frames[0].convert("RGB"), "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert (decode(content) == 10).all()


def test_the_content_counts_and_not_the_suffix(tmp_path):
    (tmp_path / "really_jpeg.png").write_bytes(encoded(Image.fromarray(GREY_RAMP), "JPEG"))
    pixels, info = decode_image(tmp_path / "really_jpeg.png", (8, 8), NO_LIMIT)
    assert info.format == "JPEG"
    assert pixels.shape == (1, 8, 8)


def test_info_is_what_the_file_says(tmp_path):
    content = encoded(Image.fromarray(COLOURS[:10]), "JPEG")
    (tmp_path / "a.jpg").write_bytes(content)
    _, info = decode_image(tmp_path / "a.jpg", (224, 224), NO_LIMIT)
    assert (info.width, info.height, info.mode, info.format) == (16, 10, "RGB", "JPEG")
    assert info.bytes == len(content)
    assert info.sha256 == hashlib.sha256(content).hexdigest()


def test_one_pixel_is_an_image():
    assert (decode(encoded(Image.fromarray(GREY_RAMP[:1, 7:8]))) == 7).all()


def png_header(width, height):
    """A PNG that claims a size and holds no pixel."""

    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_more_than_max_pixels_are_refused_unread():
    with pytest.raises(UnreadableImageError, match=r"^40000x50000 pixels, more than data\.max_pixels=100$"):
        decode(png_header(40_000, 50_000), max_pixels=100)
    content = encoded(Image.fromarray(GREY_RAMP))
    assert decode(content, max_pixels=256).shape == (1, 16, 16)
    with pytest.raises(UnreadableImageError, match=r"16x16 pixels, more than data\.max_pixels=255"):
        decode(content, max_pixels=255)


def test_max_pixels_is_the_only_limit():
    """Pillow's own would refuse these 200 million pixels, whatever the user allowed."""
    with pytest.raises(UnreadableImageError, match="truncated"):
        decode(b"P5\n20000 10000\n255\n" + b"x" * 100, max_pixels=NO_LIMIT)


def damaged():
    png, jpeg = encoded(Image.fromarray(COLOURS)), encoded(Image.fromarray(COLOURS), "JPEG")
    return {
        "empty": (b"", "^empty file$"),
        "text": (b"not an image", "^not an image that Pillow knows$"),
        "html": (b"<html>404</html>" * 100, "^not an image that Pillow knows$"),
        "half a PNG": (png[: len(png) // 2], "truncated"),
        "half a JPEG": (jpeg[: len(jpeg) // 2], "[Tt]runcated"),
        "JPEG without its last bytes": (jpeg[:-20], "truncated"),
        "header of a JPEG": (jpeg[:10], "."),
        "PNG with a wrong byte": (png[:60] + bytes([png[60] ^ 255]) + png[61:], "."),
        "no pixel in the PNG": (png_header(10, 10), "."),
    }


@pytest.mark.parametrize("kind", damaged())
def test_damaged_files_are_refused_with_the_reason(kind):
    content, reason = damaged()[kind]
    with pytest.raises(UnreadableImageError, match=reason):
        decode(content)


def test_files_that_the_system_refuses(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"^cannot be read: No such file or directory$"):
        decode_image(tmp_path / "absent.png", (8, 8), NO_LIMIT)
    with pytest.raises(UnreadableImageError, match=r"^cannot be read: Is a directory$"):
        decode_image(tmp_path, (8, 8), NO_LIMIT)


def test_random_bytes_raise_nothing_else():
    rng = np.random.default_rng(0)
    starts = [encoded(Image.fromarray(COLOURS), kind) for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")]
    refused = 0
    with without_warnings():
        for start in starts:
            for _ in range(60):
                content = bytearray(start)
                for position in rng.integers(0, len(content), 8):
                    content[position] = rng.integers(256)
                try:
                    pixels = decode(bytes(content), max_pixels=10**6)
                except UnreadableImageError as error:
                    assert str(error)
                    refused += 1
                else:
                    assert pixels.shape in {(1, 16, 16), (3, 16, 16)}
    assert 20 < refused < 360


def test_warnings_are_silenced_and_come_back():
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with without_warnings():
            warnings.warn("odd metadata", stacklevel=1)
        warnings.warn("real", stacklevel=1)
    assert [str(one.message) for one in seen] == ["real"]
    assert warnings.filters == before
