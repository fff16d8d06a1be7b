"""Every kind of picture file that the documentation names, by its pixel values."""

import io
import struct

import numpy as np
import pytest
from picture_files import COLOUR, COLOUR_ALPHA, GREY, GREY_ALPHA, PALETTE, PILLOW_13, encoded, png, tiff
from PIL import Image, ImageChops

from covidnet.data.images import UnreadableImageError, decode_content, without_warnings

NO_LIMIT = 10**9
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
TWELVE_BITS = np.arange(256).reshape(16, 16) * 16 + 15  # 15 to 4095; as 16 bits they would be 0 to 16 of 255
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def decode(content, size=(16, 16)):
    with without_warnings():
        return decode_content(content, size, NO_LIMIT)[0]


def rounded(values, full):
    return np.rint(np.asarray(values) * (255.0 / full)).astype(int)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png_of_every_depth(bits):
    full = 2**bits - 1
    samples = np.linspace(0, full, 256).round().astype(int).reshape(16, 16)
    assert np.array_equal(decode(png(samples, bits, GREY))[0], rounded(samples, full))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png_of_every_depth_with_transparent_entries(bits):
    rng = np.random.default_rng(bits)
    palette = rng.integers(0, 256, (2**bits, 3), dtype=np.uint8)
    samples = rng.integers(0, 2**bits, (16, 16))
    for more in ({}, {"tRNS": bytes(range(2**bits))}):  # the first entry is wholly transparent
        pixels = decode(png(samples, bits, PALETTE, PLTE=palette.tobytes(), **more))
        assert np.array_equal(pixels, palette[samples].transpose(2, 0, 1))


def test_a_palette_of_greys_is_grey():
    palette = np.repeat(RAMP.reshape(-1, 1)[::-1], 3, axis=1)
    assert np.array_equal(decode(png(RAMP, 8, PALETTE, PLTE=palette.tobytes())), 255 - RAMP[None])


def test_transparency_is_dropped_and_the_colour_beneath_stays():
    alpha = RAMP[..., None]
    assert np.array_equal(decode(png(np.dstack([RAMP, alpha]), 8, GREY_ALPHA))[0], RAMP)
    assert np.array_equal(decode(png(np.dstack([COLOURS, alpha]), 8, COLOUR_ALPHA)), COLOURS.transpose(2, 0, 1))
    assert np.array_equal(decode(png(RAMP, 8, GREY, tRNS=b"\0\7"))[0], RAMP)


@pytest.mark.parametrize(("colour_type", "channels"), [(COLOUR, 3), (COLOUR_ALPHA, 4), (GREY_ALPHA, 2)])
def test_sixteen_bit_png_with_several_channels_keeps_the_high_byte(colour_type, channels):
    samples = np.random.default_rng(0).integers(0, 65536, (16, 16, channels))
    shown = samples[..., :1] if channels == 2 else samples[..., :3]
    pixels = decode(png(samples, 16, colour_type))
    assert pixels.shape[0] == shown.shape[2]
    assert np.abs(pixels.transpose(1, 2, 0) - rounded(shown, 65535)).max() <= 1


def test_twelve_bits_in_sixteen_keep_their_levels():
    expected = rounded(TWELVE_BITS, 4095)
    for content in (
        png(TWELVE_BITS, 16, GREY),
        tiff(TWELVE_BITS.astype(np.uint16)),
        tiff(TWELVE_BITS.astype(np.uint16), order=">"),
        encoded(Image.fromarray(TWELVE_BITS.astype(np.uint16)), "TIFF", compression="tiff_lzw"),
    ):
        pixels = decode(content)
        assert np.array_equal(pixels[0], expected)
        assert len(np.unique(pixels)) > 250


def test_packed_twelve_bit_tiff():
    high, low = TWELVE_BITS.reshape(-1, 2).T
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], axis=1).astype(np.uint8).tobytes()
    assert np.array_equal(decode(tiff((packed, 16, 16), bits=12))[0], rounded(TWELVE_BITS, 4095))


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_of_either_byte_order(order):
    sixteen = (RAMP.astype(np.uint16) << 8) + 3
    assert np.array_equal(decode(tiff(RAMP, order=order))[0], RAMP)
    assert np.array_equal(decode(tiff(sixteen, order=order))[0], rounded(sixteen, 65535))
    fractions = (RAMP / 255).astype(np.float32)
    assert np.array_equal(decode(tiff(fractions, order=order, sample_format=3))[0], RAMP)
    colours = tiff(COLOURS, order=order, photometric=2, samples=3)
    assert np.array_equal(decode(colours), COLOURS.transpose(2, 0, 1))


@pytest.mark.parametrize("order", ["<", ">"])
def test_signed_tiff_spreads_from_its_lowest_to_its_highest_value(order):
    hounsfield = np.linspace(-1000, 1000, 256).round().astype(np.int16).reshape(16, 16)
    pixels = decode(tiff(hounsfield, order=order, sample_format=2))[0]
    assert np.array_equal(pixels, np.rint((hounsfield + 1000.0) * 255 / 2000).astype(int))
    positive = (RAMP.astype(np.int16) << 4) + 15
    assert np.array_equal(decode(tiff(positive, order=order, sample_format=2))[0], rounded(positive, 4095))


def test_tiff_where_white_is_zero_is_inverted_at_every_depth():
    assert np.array_equal(decode(tiff(255 - RAMP, photometric=0))[0], RAMP)
    sixteen = RAMP.astype(np.uint16) * 257
    assert np.array_equal(decode(tiff(65535 - sixteen, photometric=0))[0], RAMP)
    twelve = 4095 - TWELVE_BITS  # 0 to 4080
    assert np.array_equal(decode(tiff(twelve.astype(np.uint16), photometric=0))[0], 255 - rounded(twelve, 4095))
    with pytest.raises(UnreadableImageError):  # Pillow's limit
        decode(tiff(65535 - sixteen, photometric=0, order=">"))
    turned = decode(tiff((65535 - sixteen)[:8], photometric=0, orientation=6), size=(16, 8))[0]
    assert np.array_equal(turned, np.rot90(RAMP[:8], -1))


def test_tiff_with_alpha_and_cmyk():
    alpha = np.full_like(RAMP, 128)
    grey = tiff(np.dstack([RAMP, alpha]), samples=2, extra=[2])
    assert np.array_equal(decode(grey)[0], RAMP)
    premultiplied = tiff(np.dstack([RAMP // 2, np.full_like(RAMP, 255)]), samples=2, extra=[1])
    if PILLOW_13:
        assert np.array_equal(decode(premultiplied)[0], RAMP // 2)
    else:
        with pytest.raises(UnreadableImageError):
            decode(premultiplied)
    inks = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    pixels = decode(tiff(inks, samples=4, photometric=5)).transpose(1, 2, 0)
    assert np.abs(pixels - without_ink(inks)).max() <= 1


def without_ink(inks):
    """RGB of CMYK, 0 to 255: what the inks leave of white light."""
    parts = inks.astype(float)
    return (255 - parts[..., :3]) * (255 - parts[..., 3:]) / 255


def test_one_bit_pictures():
    bits = (RAMP // 3) % 2
    image = Image.fromarray(bits.astype(bool))
    for content in (png(bits, 1, GREY), encoded(image, "BMP"), encoded(image, "TIFF", compression="group4")):
        assert np.array_equal(decode(content)[0], bits * 255)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA"])
def test_bmp(mode):
    image = Image.fromarray(COLOURS).convert(mode)
    expected = np.asarray(image.convert("RGB" if mode != "L" else "L"))
    pixels = decode(encoded(image, "BMP"))
    assert np.array_equal(pixels, expected[None] if mode == "L" else expected.transpose(2, 0, 1))


def test_lossless_webp_and_the_first_picture_of_an_animation():
    image = Image.fromarray(COLOURS)
    assert np.array_equal(decode(encoded(image, "WEBP", lossless=True)), COLOURS.transpose(2, 0, 1))
    image.putalpha(Image.fromarray(RAMP))
    assert np.array_equal(decode(encoded(image, "WEBP", lossless=True, exact=True)), COLOURS.transpose(2, 0, 1))
    frames = [Image.fromarray(np.roll(COLOURS, step, axis=0)) for step in range(3)]
    content = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert np.array_equal(decode(content), COLOURS.transpose(2, 0, 1))


def blocks(values):
    """Each value as a block of 8 x 8 pixels, which JPEG stores nearly exactly."""
    return np.kron(np.asarray(values, dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))


def cmyk_blocks(seed=0):
    inks = np.random.default_rng(seed).integers(0, 256, (2, 2, 4), dtype=np.uint8)
    return np.stack([blocks(inks[..., channel]) for channel in range(4)], axis=-1)


def jpeg(image):
    return encoded(image, "JPEG", quality=100, subsampling=0)


def adobe_marker(content):
    """Where the segment APP14 begins, and where it ends."""
    start = content.index(b"\xff\xee")
    return start, start + 2 + struct.unpack(">H", content[start + 2 : start + 4])[0]


def test_jpeg_in_grey_and_in_colours():
    grey = blocks([[0, 80], [160, 255]])
    assert np.abs(decode(jpeg(Image.fromarray(grey)))[0].astype(int) - grey).max() <= 1
    colours = np.stack([blocks([[255, 0], [0, 90]]), blocks([[0, 255], [0, 60]]), blocks([[0, 0], [255, 30]])], axis=-1)
    pixels = decode(jpeg(Image.fromarray(colours)))
    assert np.abs(pixels.transpose(1, 2, 0).astype(int) - colours).max() <= 2


def test_cmyk_jpeg_as_adobe_writes_it():
    inks = cmyk_blocks()
    content = jpeg(Image.fromarray(inks, "CMYK"))
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "CMYK" and "adobe" in image.info
    assert np.abs(decode(content).transpose(1, 2, 0) - without_ink(inks)).max() <= 3


def test_cmyk_jpeg_without_adobes_mark_is_not_inverted():
    inks = cmyk_blocks(1)
    content = jpeg(ImageChops.invert(Image.fromarray(inks, "CMYK")))  # Pillow inverts once more
    start, end = adobe_marker(content)
    content = content[:start] + content[end:]
    assert np.abs(decode(content).transpose(1, 2, 0) - without_ink(inks)).max() <= 3


def test_ycck_jpeg():
    inks = cmyk_blocks(2)
    luminance = np.asarray(Image.fromarray(np.ascontiguousarray(inks[..., :3])).convert("YCbCr"))
    stored = np.dstack([luminance, 255 - inks[..., 3]])
    content = bytearray(jpeg(Image.fromarray(255 - stored, "CMYK")))  # Pillow inverts what it stores
    _, end = adobe_marker(bytes(content))
    assert content[end - 1] == 0
    content[end - 1] = 2  # Adobe's transform: YCCK
    assert np.abs(decode(bytes(content)).transpose(1, 2, 0) - without_ink(inks)).max() <= 4


SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip
"""Where the first row and the first column are to be seen, by orientation (EXIF 2.3, 4.6.4)."""


def seen(stored, orientation):
    """The stored array as it is to be seen, from the definition."""
    row_side, column_side = SIDES[orientation]
    height, width = stored.shape
    upright = orientation < 5
    out = np.zeros((height, width) if upright else (width, height), dtype=stored.dtype)
    for row in range(height):
        for column in range(width):
            along_rows = row if row_side in {"top", "left"} else height - 1 - row
            along_columns = column if column_side in {"top", "left"} else width - 1 - column
            out[(along_rows, along_columns) if upright else (along_columns, along_rows)] = stored[row, column]
    return out


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("orientation", SIDES)
def test_every_orientation_in_every_format(orientation):
    stored = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40 + 10, np.ones((8, 8), dtype=np.uint8))
    expected = seen(stored, orientation).astype(int)
    image = Image.fromarray(stored)
    sixteen = stored.astype(np.uint16) * 257
    contents = {
        "JPEG": encoded(image, "JPEG", quality=100, exif=exif(orientation)),
        "PNG": encoded(image, "PNG", exif=exif(orientation)),
        "PNG, 16 bits": encoded(Image.fromarray(sixteen), "PNG", exif=exif(orientation)),
        "WebP": encoded(image, "WEBP", lossless=True, exif=exif(orientation)),
        "TIFF": tiff(stored, orientation=orientation),
        "TIFF, 16 bits, MM": tiff(sixteen, order=">", orientation=orientation),
        "TIFF, LZW": encoded(image, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation}),
    }
    for name, content in contents.items():
        pixels, info = decode_content(content, expected.shape, NO_LIMIT)
        assert (info.height, info.width) == expected.shape, name
        assert np.abs(pixels[0] - expected).max() <= (1 if name == "JPEG" else 0), name


def test_an_orientation_that_does_not_exist_turns_nothing():
    for orientation in (0, 9, 65535):
        assert np.array_equal(decode(encoded(Image.fromarray(RAMP), exif=exif(orientation)))[0], RAMP)


def test_formats_that_start_programs_or_inflate_are_not_opened():
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n%%EOF\n"
    with Image.open(io.BytesIO(postscript)) as image:
        assert image.format == "EPS"
    with pytest.raises(UnreadableImageError, match=r"^not an image that Pillow knows$"):
        decode(postscript)


def test_info_tells_the_compression_of_tiff():
    image = Image.fromarray(RAMP)
    infos = [
        decode_content(encoded(image, "TIFF", compression=one), (16, 16), NO_LIMIT)[1] for one in (None, "tiff_lzw")
    ]
    assert [info.compression for info in infos] == ["raw", "tiff_lzw"]
    assert decode_content(encoded(image), (16, 16), NO_LIMIT)[1].compression is None
