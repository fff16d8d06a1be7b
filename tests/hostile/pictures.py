"""Picture files: drawn at random in every common format, then damaged, enlarged, disguised."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from .cases import SIDE, Case

LOSSLESS = {
    "png": ("PNG", {}), "bmp": ("BMP", {}), "tif": ("TIFF", {}), "tif lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "tif deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}), "webp": ("WEBP", {"lossless": True, "exact": True}),
    "ppm": ("PPM", {}), "jp2": ("JPEG2000", {"irreversible": False}),
}  # fmt: skip
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".PNG", ".JpG", ".jfif", ".dcm")
HUGE = 100_000
BROKEN_EXIF = (
    b"",
    b"Exif",
    b"Exif\0\0",
    b"Exif\0\0II*\0",
    b"Exif\0\0MM\0*\xff\xff\xff\xff",
    b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\xff\x06\0\0\0",
    b"Exif\0\0" + b"\xff" * 4000,
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x01\0\0\0a\0\0\0\0\0\0\0",
    b"Exif\0\0II*\0\x08\0\0\0\x02\0" + 2 * b"\x69\x87\x04\0\x01\0\0\0\x08\0\0\0" + b"\x08\0\0\0",
)


def picture_case(rng):
    """A case by one of the ways below."""
    make = WAYS[rng.choice(len(WAYS), p=SHARES)]
    return make(rng)


def drawn(rng, colour=None):
    """Pixels of shape (S, S) or (S, S, 3)."""
    colour = bool(rng.integers(2)) if colour is None else colour
    return rng.integers(0, 256, (SIDE, SIDE, 3) if colour else (SIDE, SIDE), dtype=np.uint8)


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def base(rng):
    """A sound file of any format, with what it shows."""
    name = rng.choice([*LOSSLESS, "jpg", "gif"])
    if name == "jpg":
        smooth = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.uint8) * 3
        return "jpg", saved(Image.fromarray(smooth), "JPEG", quality=95), smooth, 6
    if name == "gif":
        pixels = drawn(rng, colour=False)
        return "gif", saved(Image.fromarray(pixels), "GIF"), pixels, 0
    kind, options = LOSSLESS[name]
    pixels = drawn(rng)
    return name, saved(Image.fromarray(pixels), kind, **options), pixels, 0


def suffix_of(rng):
    return str(rng.choice(SUFFIXES))


def whole(rng):
    """A sound file whose suffix says nothing of its format."""
    name, content, pixels, tolerance = base(rng)
    return Case(f"{name} wrong suffix", suffix_of(rng), content, pixels, tolerance)


def of_mode(rng):
    """1-bit, palette, 16-bit, float, with transparency, CMYK, YCbCr, LAB."""
    mode = str(rng.choice(["1", "P", "I;16", "F", "LA", "RGBA", "CMYK", "I"]))
    grey = drawn(rng, colour=False)
    if mode == "1":
        bits = grey > 127
        kind = str(rng.choice(["PNG", "BMP", "TIFF", "GIF"]))
        return Case(f"1-bit {kind}", suffix_of(rng), saved(Image.fromarray(bits), kind), bits * np.uint8(255))
    if mode == "P":
        image = Image.fromarray(grey % 16, "P")
        palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
        palette[0], palette[1] = (1, 2, 3), (200, 20, 2)
        image.putpalette(palette.tobytes())
        kind = str(rng.choice(["PNG", "BMP", "TIFF", "GIF"]))
        return Case(f"palette {kind}", suffix_of(rng), saved(image, kind), palette[grey % 16])
    if mode in {"I;16", "I"}:
        deep = rng.integers(0, 65536, (SIDE, SIDE)).astype(np.uint16)
        deep[0, 0] = 65535
        shown = np.rint(deep / 257.0).astype(np.uint8)
        kind = "PNG" if mode == "I" else str(rng.choice(["PNG", "TIFF"]))
        return Case(f"16-bit {kind}", suffix_of(rng), saved(Image.fromarray(deep), kind), shown)
    if mode == "F":
        values = rng.random((SIDE, SIDE)).astype(np.float32)
        if rng.integers(2):
            values[1, 1], values[2, 2], values[3, 3] = np.nan, np.inf, -np.inf
            return Case("float with NaN TIFF", suffix_of(rng), saved(Image.fromarray(values), "TIFF"))
        shown = np.rint(values * 255).astype(np.uint8)
        return Case("float TIFF", suffix_of(rng), saved(Image.fromarray(values), "TIFF"), shown)
    if mode == "LA":
        two = np.dstack([grey, drawn(rng, colour=False)])
        return Case("LA PNG", suffix_of(rng), saved(Image.fromarray(two, "LA"), "PNG"), grey)
    if mode == "RGBA":
        colour = drawn(rng, colour=True)
        four = np.dstack([colour, drawn(rng, colour=False)])
        return Case("RGBA PNG", suffix_of(rng), saved(Image.fromarray(four, "RGBA"), "PNG"), colour)
    inks = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8), "CMYK")
    if rng.integers(2):
        return Case("CMYK JPEG", suffix_of(rng), saved(inks, "JPEG"))
    return Case("CMYK TIFF", suffix_of(rng), saved(inks, "TIFF"), np.asarray(inks.convert("RGB")))


def animated(rng):
    """Several frames; the first counts."""
    frames = [Image.fromarray(drawn(rng, colour=False)) for _ in range(int(rng.integers(2, 6)))]
    first = np.asarray(frames[0])
    kind = str(rng.choice(["PNG", "GIF", "WEBP", "TIFF"]))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    return Case(f"animated {kind}", suffix_of(rng), content, first, 1 if kind == "WEBP" else 0)


def truncated(rng):
    name, content, _, _ = base(rng)
    return Case(f"{name} truncated", suffix_of(rng), content[: int(rng.integers(0, len(content)))])


def flipped(rng):
    name, content, _, _ = base(rng)
    damaged = bytearray(content)
    for at in rng.integers(0, len(damaged), int(rng.choice([1, 1, 2, 8, 64]))):
        damaged[at] ^= 1 << int(rng.integers(8))
    return Case(f"{name} bits flipped", suffix_of(rng), bytes(damaged))


def overwritten(rng):
    """The header's or any other numbers replaced by extremes."""
    name, content, _, _ = base(rng)
    damaged = bytearray(content)
    at = int(rng.integers(0, min(len(damaged) - 8, 200)))
    damaged[at : at + 4] = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"][rng.integers(4)]
    return Case(f"{name} header overwritten", suffix_of(rng), bytes(damaged))


def cut_and_pasted(rng):
    one, two = base(rng), base(rng)
    cut = int(rng.integers(1, min(len(one[1]), len(two[1]))))
    return Case(f"{one[0]} spliced", suffix_of(rng), one[1][:cut] + two[1][cut:])


def trailing(rng):
    """A sound PNG or JPEG with anything behind its end is whole."""
    name, content, pixels, tolerance = base(rng)
    while name not in {"png", "bmp"}:
        name, content, pixels, tolerance = base(rng)
    tail = rng.integers(0, 256, int(rng.integers(1, 5000)), dtype=np.uint8).tobytes()
    return Case(f"{name} trailing bytes", suffix_of(rng), content + tail, pixels, tolerance)


def noise(rng):
    marks = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"BM", b"RIFF", b"GIF89a", b"P5 ",
             b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"<svg", b"PK\3\4", b"\x1f\x8b",
             b"MZ", b"\x7fELF", b"\xffO\xffQ", b"8BPS", b"II+\0\x08\0\0\0"]  # fmt: skip
    mark = marks[rng.integers(len(marks))]
    body = rng.integers(0, 256, int(rng.choice([0, 1, 8, 100, 5000])), dtype=np.uint8).tobytes()
    return Case("noise", suffix_of(rng), mark + body)


def exif(rng):
    """Broken EXIF in a sound file: the picture is whole, as it is stored."""
    pixels = drawn(rng, colour=False)
    data = BROKEN_EXIF[rng.integers(len(BROKEN_EXIF))]
    kind = str(rng.choice(["PNG", "WEBP"]))
    if kind == "PNG":
        plain = saved(Image.fromarray(pixels), "PNG")
        content = plain[:33] + chunk(b"eXIf", data.removeprefix(b"Exif\0\0")) + plain[33:]
    else:
        content = saved(Image.fromarray(pixels), "WEBP", lossless=True, exact=True, exif=data or b"Exif")
    return Case(f"broken EXIF {kind}", suffix_of(rng), content, pixels)


def turned(rng):
    """A sound orientation is followed."""
    pixels = drawn(rng, colour=False)
    data = Image.Exif()
    data[274] = 6  # the stored picture is to be turned by 90 degrees, clockwise
    content = saved(Image.fromarray(pixels), "PNG", exif=data.tobytes())
    return Case("turned by EXIF", suffix_of(rng), content, np.rot90(pixels, -1))


def chunk(name, data):
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def size_bomb(rng):
    """A few bytes that claim a hundred thousand pixels a side."""
    way = int(rng.integers(6))
    width, height = (HUGE, HUGE) if rng.integers(2) else (int(rng.integers(20_000, 2**31 - 1)), HUGE)
    if way == 0:
        header = struct.pack(">IIBBBBB", width, height, *[(1, 0), (8, 2), (16, 6), (8, 3)][rng.integers(4)], 0, 0,
                             int(rng.integers(2)))  # fmt: skip
        body = zlib.compress(bytes(100_000), 9)
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
        return Case("bomb PNG", ".png", content, refused=True)
    if way == 1:
        head = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
        info = struct.pack("<IiiHHIIiiII", 40, min(width, 2**31 - 1), height, 1, 24, 0, 0, 0, 0, 0, 0)
        return Case("bomb BMP", ".bmp", head + info + bytes(100), refused=True)
    if way == 2:
        entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, int(rng.choice([1, 5, 8]))),
                   (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 10)]  # fmt: skip
        ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries) + bytes(4)
        content = b"II*\0" + struct.pack("<I", 20) + bytes(12) + ifd
        return Case("bomb TIFF", ".tif", content, refused=True)
    if way == 3:
        plain = bytearray(saved(Image.new("L", (SIDE, SIDE)), "GIF"))
        plain[6:10] = b"\xff\xff\xff\xff"
        return Case("bomb GIF", ".png", bytes(plain), refused=True)
    if way == 4:
        plain = bytearray(saved(Image.new("L", (SIDE, SIDE)), "JPEG"))
        at = plain.index(b"\xff\xc0")
        plain[at + 5 : at + 9] = b"\xff\xff\xff\xff"
        return Case("bomb JPEG", ".jpg", bytes(plain), refused=True)
    plain = bytearray(saved(Image.new("L", (SIDE, SIDE)), "JPEG2000"))
    at = plain.index(b"\xffO\xffQ")
    plain[at + 8 : at + 16] = struct.pack(">II", HUGE, HUGE)
    return Case("bomb JPEG 2000", ".jpg", bytes(plain), refused=True)


def zip_bomb(rng):
    """Texts and profiles of a sound PNG that inflate to many times their size."""
    pixels = drawn(rng, colour=False)
    plain = saved(Image.fromarray(pixels), "PNG")
    packed = zlib.compress(bytes(int(rng.choice([2**20, 2**25, 2**27]))), 9)
    way = int(rng.integers(4))
    extra = [
        chunk(b"iCCP", b"x\0\0" + packed),
        chunk(b"zTXt", b"Comment\0\0" + packed),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + packed),
        b"".join(chunk(b"tEXt", b"k%d\0" % number + b"v" * 60_000) for number in range(200)),
    ][way]
    return Case(f"zip bomb {('iCCP', 'zTXt', 'iTXt', 'tEXt')[way]}", ".png", plain[:33] + extra + plain[33:])


def odd_chunks(rng):
    """PNG whose chunks repeat, stand in any order, are missing, or lie about their length."""
    plain = saved(Image.fromarray(drawn(rng)), "PNG")
    parts, at = [], 8
    while at < len(plain):
        length = struct.unpack(">I", plain[at : at + 4])[0]
        parts.append(plain[at : at + 12 + length])
        at += 12 + length
    way = int(rng.integers(4))
    if way == 0:
        parts = [parts[index] for index in rng.permutation(len(parts))]
    elif way == 1:
        parts.pop(int(rng.integers(len(parts))))
    elif way == 2:
        parts.insert(0, parts[int(rng.integers(len(parts)))])
    else:
        which = int(rng.integers(len(parts)))
        parts[which] = struct.pack(">I", int(rng.integers(2**31))) + parts[which][4:]
    return Case("PNG chunks out of order", suffix_of(rng), plain[:8] + b"".join(parts))


WEIGHTS = {
    whole: 12, of_mode: 14, animated: 5, truncated: 16, flipped: 18, overwritten: 8, cut_and_pasted: 5, trailing: 3,
    noise: 6, exif: 4, turned: 2, size_bomb: 6, zip_bomb: 1, odd_chunks: 4,
}  # fmt: skip
WAYS = list(WEIGHTS)
SHARES = np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values())
