"""DICOM: each way of storing an image, by its pixel values; each damage, by its message; and no name of a patient."""

import base64
import hashlib
import io
import logging
import sys
import warnings

import imagecodecs
import numpy as np
import pydicom
import pytest
from dicom_files import NO_LIMIT, dicom, lookup_table
from PIL import Image
from pydicom import uid
from pydicom.pixels import apply_voi_lut
from pydicom.pixels.encoders.base import get_encoder

from covidnet.data.dicom import decode_dicom, decoder_versions, patient_group
from covidnet.data.dicom_header import is_dicom
from covidnet.data.images import UnreadableImageError, decode_content, decode_image, without_warnings
from covidnet.errors import MissingExtraError

RAMP = (np.arange(256).reshape(16, 16) * 16).astype(np.uint16)  # 12 bits: 0 to 4080
EIGHT = np.arange(256, dtype=np.uint8).reshape(16, 16)
NOISE = np.random.default_rng(0).integers(0, 4096, (16, 16)).astype(np.uint16)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
WHOLE_RANGE = {"WindowCenter": 2048, "WindowWidth": 4096}


def decode(content, size=(16, 16), max_pixels=NO_LIMIT):
    with without_warnings():
        return decode_content(content, size, max_pixels)[0]


def reason(content, max_pixels=NO_LIMIT):
    with pytest.raises(UnreadableImageError) as error:
        decode(content, max_pixels=max_pixels)
    message = str(error.value)
    assert message and "\n" not in message
    return message


def in_range(values, low, high):
    """Values from ``low`` to ``high`` as 0 to 255."""
    return np.rint(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255).astype(int)


def test_a_window_spreads_its_values_from_black_to_white():
    pixels = decode(dicom(RAMP, bits=12, WindowCenter=1000, WindowWidth=501))
    assert pixels.shape == (1, 16, 16) and pixels.dtype == np.uint8
    assert np.array_equal(pixels[0], in_range(RAMP, 749.5, 1249.5))  # PS3.3, C.11.2.1.2.1


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(2048, 4096), (900, 300), (4000, 2), (100, 1)])
def test_windows_are_those_of_pydicom(function, centre, width):
    content = dicom(RAMP, bits=12, WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
    with np.errstate(over="ignore"):
        theirs = apply_voi_lut(RAMP, pydicom.dcmread(io.BytesIO(content)), prefer_lut=False)
    assert np.array_equal(decode(content)[0], np.rint(theirs * (255 / 4095)))


def test_of_several_windows_the_first_counts():
    both = dicom(RAMP, bits=12, WindowCenter=[1000, 3000], WindowWidth=[501, 10])
    assert np.array_equal(decode(both), decode(dicom(RAMP, bits=12, WindowCenter=1000, WindowWidth=501)))


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"WindowCenter": 1000},
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": 1000, "WindowWidth": 0},
        {"WindowCenter": 1000, "WindowWidth": -5},
        {"WindowCenter": 90_000, "WindowWidth": 10},  # all pixels would be black
        {"VOILUTSequence": []},
    ],
)
def test_without_a_window_that_shows_something_percentiles_are_spread(window):
    low, high = np.percentile(RAMP, [0.5, 99.5])
    assert np.array_equal(decode(dicom(RAMP, bits=12, **window))[0], in_range(RAMP, low, high))


def test_nearly_empty_and_empty_pictures_without_a_window():
    dots = np.zeros((40, 40), dtype=np.uint16)
    dots[0, 0], dots[5, 5] = 1000, 4000
    pixels = decode(dicom(dots, bits=12), size=(40, 40))[0]
    assert (pixels[0, 0], pixels[5, 5], pixels[9, 9]) == (64, 255, 0)
    for flat in (0, 700):
        assert (decode(dicom(np.full((4, 4), flat, dtype=np.uint16), bits=12)) == 0).all()


def test_eight_bits_without_a_window_are_shown_as_they_are():
    assert np.array_equal(decode(dicom(EIGHT // 2))[0], EIGHT // 2)
    assert np.array_equal(decode(dicom(EIGHT // 4, bits=6))[0], in_range(EIGHT // 4, 0, 63))
    rescaled = decode(dicom(EIGHT // 2, RescaleSlope=3, RescaleIntercept=-7))[0]
    assert np.array_equal(rescaled, in_range(EIGHT // 2, *np.percentile(EIGHT // 2, [0.5, 99.5])))


def test_monochrome1_is_inverted():
    for more in (WHOLE_RANGE, {}, {"VOILUTSequence": lookup_table(0, 8, [step // 16 for step in range(4096)])}):
        plain = decode(dicom(RAMP, bits=12, **more))
        inverted = decode(dicom(RAMP, bits=12, PhotometricInterpretation="MONOCHROME1", **more))
        assert np.array_equal(inverted, 255 - plain)
    twice = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}  # says the same twice
    assert np.array_equal(
        decode(dicom(RAMP, bits=12, **twice, **WHOLE_RANGE)), 255 - decode(dicom(RAMP, bits=12, **WHOLE_RANGE))
    )


def test_values_are_rescaled_before_the_window():
    rescaled = dicom(RAMP, bits=12, RescaleSlope="0.5", RescaleIntercept="-1000", WindowCenter=0, WindowWidth=1001)
    assert np.array_equal(decode(rescaled)[0], in_range(RAMP * 0.5 - 1000, -500.5, 499.5))
    turned = dicom(RAMP, bits=12, RescaleSlope=-1, RescaleIntercept=4095, **WHOLE_RANGE)
    assert np.array_equal(decode(turned)[0], in_range(4095.0 - RAMP, 0, 4095))


def test_signed_values():
    hounsfield = (RAMP.astype(np.int32) - 2048).astype(np.int16)
    window = {"WindowCenter": -600, "WindowWidth": 1501}
    for bits in (12, 16):
        assert np.array_equal(decode(dicom(hounsfield, bits=bits, **window))[0], in_range(hounsfield, -1350.5, 149.5))


def test_bits_beyond_those_stored_are_ignored():
    dirty = RAMP | 0xA000  # an overlay of old files
    assert np.array_equal(decode(dicom(dirty, bits=12, **WHOLE_RANGE)), decode(dicom(RAMP, bits=12, **WHOLE_RANGE)))


def test_modality_lookup_table():
    table = lookup_table(100, 16, [(step * 7) % 5000 for step in range(3000)])
    window = {"WindowCenter": 2500, "WindowWidth": 5001}
    expected = np.asarray(table[0].LUTData)[np.clip(RAMP.astype(int) - 100, 0, 2999)]
    assert np.array_equal(
        decode(dicom(RAMP, bits=12, ModalityLUTSequence=table, **window))[0], in_range(expected, -0.5, 4999.5)
    )


@pytest.mark.parametrize(("first", "bits", "count"), [(0, 12, 4096), (500, 10, 2000), (0, 8, 4096), (-20, 16, 65536)])
def test_voi_lookup_table_wins_over_the_window(first, bits, count):
    entries = np.linspace(0, 1, count) ** 2 * (2**bits - 1)
    table = lookup_table(first, bits, entries.astype(int).tolist())
    expected = entries.astype(int)[np.clip(RAMP.astype(int) - first, 0, count - 1)]
    signed = {"PixelRepresentation": 1} if first < 0 else {}
    values = RAMP.astype(np.int16) if first < 0 else RAMP
    bits_stored = 13 if first < 0 else 12
    content = dicom(values, uid.ImplicitVRLittleEndian, bits=bits_stored, VOILUTSequence=table, **WHOLE_RANGE, **signed)
    pixels = decode(content)[0]
    assert np.array_equal(pixels, in_range(expected, 0, 2**bits - 1))


def test_padding_is_black_and_does_not_shift_the_percentiles():
    values = RAMP.copy()
    values[:4] = 4095
    values[4, :4] = 4090
    more = {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4085}
    low, high = np.percentile(np.delete(values[4:].ravel(), range(4)), [0.5, 99.5])
    for mode, sign in (("MONOCHROME2", 1), ("MONOCHROME1", -1)):
        pixels = decode(dicom(values, bits=12, PhotometricInterpretation=mode, **more))[0]
        assert (pixels[:4] == 0).all() and (pixels[4, :4] == 0).all()
        expected = in_range(values[5:], low, high)
        assert np.array_equal(pixels[5:], expected if sign > 0 else 255 - expected)
    everything = dicom(np.full((4, 4), 9, dtype=np.uint8), PixelPaddingValue=9)
    assert (decode(everything) == 9).all()


def test_colours():
    planes = dicom(COLOURS, PlanarConfiguration=1)
    sixteen = (COLOURS.astype(np.uint16) << 4) + 15
    for content in (dicom(COLOURS), planes, dicom(sixteen, bits=12)):
        assert np.abs(decode(content).transpose(1, 2, 0).astype(int) - COLOURS).max() <= 1
    luminance = np.asarray(Image.fromarray(COLOURS).convert("YCbCr"))
    assert (
        np.abs(
            decode(dicom(luminance, PhotometricInterpretation="YBR_FULL")).transpose(1, 2, 0).astype(int) - COLOURS
        ).max()
        <= 3
    )
    grey = decode(dicom(np.repeat(EIGHT[..., None], 3, axis=2)))
    assert np.array_equal(grey, EIGHT[None])


@pytest.mark.parametrize("bits", [8, 16])
def test_palettes(bits):
    palette = np.random.default_rng(1).integers(0, 256, (200, 3), dtype=np.uint8)
    stored = palette if bits == 8 else palette.astype("<u2") * 257
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [200, 10, bits]
        elements[f"{name}PaletteColorLookupTableData"] = stored[:, channel].tobytes()
    expected = palette[np.clip(EIGHT.astype(int) - 10, 0, 199)].transpose(2, 0, 1)
    assert np.array_equal(decode(dicom(EIGHT, **elements)), expected)
    wide = EIGHT.astype(np.uint16) * 4  # indices beyond the range of the entries' type
    expected = palette[np.clip(wide.astype(int) - 10, 0, 199)].transpose(2, 0, 1)
    assert np.array_equal(decode(dicom(wide, **elements)), expected)
    assert "palette" in reason(dicom(EIGHT, PhotometricInterpretation="PALETTE COLOR"))


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_uncompressed_transfer_syntaxes(syntax):
    table = lookup_table(0, 12, range(4096))
    content = dicom(NOISE, syntax, bits=12, VOILUTSequence=table)
    assert np.array_equal(decode(content)[0], in_range(NOISE, 0, 4095))


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_a_bare_data_set_without_preamble(syntax):
    content = dicom(NOISE, syntax, bits=12, preamble=False, **WHOLE_RANGE)
    assert content[128:132] != b"DICM"
    pixels, info = decode_content(content, (16, 16), NO_LIMIT)
    assert np.array_equal(pixels[0], in_range(NOISE, 0, 4095))
    assert (info.format, info.compression) == ("DICOM", syntax.keyword)


def run_length(values):
    header = pydicom.dcmread(io.BytesIO(dicom(values)))
    encoder, options = get_encoder(uid.RLELossless), {}
    if values.ndim == 3:
        options["planar_configuration"] = 0
    return encoder.encode(
        values.tobytes(), rows=values.shape[0], columns=values.shape[1], samples_per_pixel=header.SamplesPerPixel,
        bits_allocated=header.BitsAllocated, bits_stored=header.BitsStored, number_of_frames=1,
        pixel_representation=0, photometric_interpretation=header.PhotometricInterpretation, **options,
    )  # fmt: skip


def pillow(values, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(values, **options):
    return imagecodecs.jpeg8_encode(values, lossless=True, bitspersample=12, **options)


def jpeg2000(values, **options):
    return imagecodecs.jpeg2k_encode(values, level=0, codecformat="j2k", **options)


LOSSLESS = {
    uid.RLELossless: run_length,
    uid.JPEGLossless: lambda values: jpeg(values, predictor=4),
    uid.JPEGLosslessSV1: lambda values: jpeg(values, predictor=1),
    uid.JPEGLSLossless: imagecodecs.jpegls_encode,
    uid.JPEG2000Lossless: lambda values: jpeg2000(values, bitspersample=12),
    uid.JPEG2000: lambda values: pillow(values, "JPEG2000", no_jp2=True),
}


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda one: one.keyword)
def test_losslessly_compressed_values_are_the_uncompressed_ones(syntax):
    content = dicom(NOISE, syntax, frame=LOSSLESS[syntax](NOISE), bits=12, **WHOLE_RANGE)
    pixels, info = decode_content(content, (16, 16), NO_LIMIT)
    assert np.array_equal(pixels[0], in_range(NOISE, 0, 4095))
    assert (info.compression, info.bits) == (syntax.keyword, 12)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless])
def test_compressed_signed_values(syntax):
    signed = ((NOISE.astype(np.int32) - 2048) & 0xFFF).astype(np.uint16)  # 12 bits, two's complement
    content = dicom(
        signed.view(np.int16), syntax, frame=LOSSLESS[syntax](signed), bits=12, WindowCenter=0, WindowWidth=4096
    )
    assert np.array_equal(decode(content)[0], in_range(NOISE.astype(int) - 2048, -2048, 2047))


FROM_ANOTHER_ENCODER = {
    uid.JPEGLosslessSV1: (
        "/9j/wwALEAAIAAgBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABwoQ/9oACAEBAAEAAMgoKCgoKCg0EIKCgoKCgoNBCCgo"
        "KCgoKDQQgoKCgoKCg0EIKCgoKCgoNBCCgoKCgoKDQQgoKCgoKCg0EIKCgoKCgoP/2Q=="
    ),
    uid.JPEGLSLossless: (
        "/9j/9wALEAAIAAgBAREA//gADQH//wASAEMBFABA/9oACAEBAAAAAKQMgZAx/n2QMf0EJBSAn6fL1eJBIIXa6XK4W62S"
        "AQOtXRzcnFwT8gZvbm1sa2pPiBWloZ2ZlZF6QIxsTCwL68vCA11cW1taWV2A/9k="
    ),
}
"""8 x 8 pixels of 12 bits, 65 apart, as GDCM 3.2 compresses them."""


@pytest.mark.parametrize("syntax", FROM_ANOTHER_ENCODER, ids=lambda one: one.keyword)
def test_frames_of_another_encoder(syntax):
    values = (np.arange(64).reshape(8, 8) * 65 % 4096).astype(np.uint16)
    frame = base64.b64decode(FROM_ANOTHER_ENCODER[syntax])
    pixels = decode(dicom(values, syntax, frame=frame, bits=12, **WHOLE_RANGE), size=(8, 8))
    assert np.array_equal(pixels[0], in_range(values, 0, 4095))


def test_lossy_jpeg():
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    baseline = dicom(smooth, uid.JPEGBaseline8Bit, frame=pillow(smooth, "JPEG", quality=95))
    assert np.abs(decode(baseline, size=(64, 64))[0].astype(int) - smooth).max() <= 3
    twelve = (smooth.astype(np.uint16) << 5) + 17
    frame = imagecodecs.jpeg8_encode(twelve, level=98, bitspersample=12)
    extended = dicom(twelve, uid.JPEGExtended12Bit, frame=frame, bits=12, **WHOLE_RANGE)
    assert np.abs(decode(extended, size=(64, 64))[0].astype(int) - in_range(twelve, 0, 4095)).max() <= 3


def test_compressed_colours():
    smooth = np.stack([np.add.outer(np.arange(64), np.arange(64)) * k // 2 for k in (1, 2, 3)], axis=-1).astype(
        np.uint8
    )
    lossless = imagecodecs.jpeg8_encode(smooth, lossless=True, colorspace="RGB", outcolorspace="RGB")
    frames = {
        uid.JPEGBaseline8Bit: (pillow(smooth, "JPEG", quality=98, subsampling=0), "YBR_FULL_422", 6),
        uid.JPEG2000Lossless: (jpeg2000(smooth, mct=True), "YBR_RCT", 0),
        uid.JPEGLosslessSV1: (lossless, "RGB", 0),
        uid.JPEGLSLossless: (imagecodecs.jpegls_encode(smooth), "RGB", 0),
        uid.RLELossless: (run_length(smooth), "RGB", 0),
    }  # fmt: skip
    for syntax, (frame, colours, tolerance) in frames.items():
        content = dicom(smooth, syntax, frame=frame, PhotometricInterpretation=colours)
        pixels = decode(content, size=(64, 64)).transpose(1, 2, 0).astype(int)
        assert np.abs(pixels - smooth).max() <= tolerance, syntax.keyword


def test_run_lengths_beyond_one_row_and_in_several_packets():
    for values in (np.zeros((40, 50), dtype=np.uint16), np.repeat(NOISE, 30, axis=1)):
        content = dicom(values, uid.RLELossless, frame=run_length(values), bits=12, **WHOLE_RANGE)
        assert np.array_equal(decode(content, size=values.shape)[0], in_range(values, 0, 4095))


def test_info_is_what_the_header_says(tmp_path):
    content = dicom(RAMP[:10], bits=12, PhotometricInterpretation="MONOCHROME1", BurnedInAnnotation="YES")
    (tmp_path / "no_suffix").write_bytes(content)
    _, info = decode_image(tmp_path / "no_suffix", (8, 8), NO_LIMIT)
    assert (info.width, info.height, info.mode, info.format, info.bits) == (16, 10, "MONOCHROME1", "DICOM", 12)
    assert (info.bytes, info.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (info.compression, info.burned_in) == ("ExplicitVRLittleEndian", True)
    assert info.patient == hashlib.sha256(b"P-1").hexdigest()[:16]
    colours = decode_content(dicom(COLOURS, BurnedInAnnotation="NO"), (8, 8), NO_LIMIT)[1]
    assert (colours.mode, colours.bits, colours.burned_in) == ("RGB", 24, False)


def test_several_frames_are_refused_by_name():
    content = dicom(np.concatenate([EIGHT] * 3), NumberOfFrames=3, Rows=16)
    assert reason(content) == "multi-frame DICOM with 3 frames; expected one image per file"
    for one in (1, None):
        assert np.array_equal(decode(dicom(EIGHT, NumberOfFrames=one))[0], EIGHT)


def test_the_size_is_checked_before_the_pixels_are_looked_at():
    huge = dicom(EIGHT, Rows=60_000, Columns=60_000)
    assert reason(huge, max_pixels=10**8) == "60000x60000 pixels, more than data.max_pixels=100000000"
    assert decode(dicom(EIGHT), max_pixels=256).shape == (1, 16, 16)
    assert reason(dicom(EIGHT), max_pixels=255) == "16x16 pixels, more than data.max_pixels=255"
    for missing in ("Rows", "Columns"):
        assert "pixels" in reason(dicom(EIGHT, without=[missing]))


def test_a_compressed_frame_may_not_be_larger_than_the_header_says():
    large = np.zeros((4000, 5000), dtype=np.uint16)
    for syntax in (uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless):
        content = dicom(NOISE, syntax, frame=LOSSLESS[syntax](large), bits=12)
        assert reason(content, max_pixels=1000) == "damaged DICOM: 16x16 pixels in the header, 5000x4000 in the frame"
    boxes_without_end = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0jp2h" + b"\0" * 40
    assert "damaged DICOM pixels" in reason(dicom(NOISE, uid.JPEG2000, frame=boxes_without_end, bits=12))


def test_missing_pixels_and_other_kinds_of_dicom():
    assert reason(dicom(EIGHT, without=["PixelData"])) == (
        "DICOM (Digital X-Ray Image Storage - For Presentation) without pixel data, or cut off before them"
    )
    for keyword in ("SamplesPerPixel", "BitsAllocated", "BitsStored"):
        assert reason(dicom(EIGHT, **{keyword: 0})) == f"damaged DICOM header: {keyword} is missing"
    assert "photometric interpretation" in reason(dicom(EIGHT, PhotometricInterpretation="HSV"))
    assert "channels" in reason(dicom(COLOURS, PhotometricInterpretation="MONOCHROME2"))
    assert "channels" in reason(dicom(EIGHT, PhotometricInterpretation="RGB"))
    deflated = dicom(EIGHT, uid.DeflatedExplicitVRLittleEndian)
    assert reason(deflated) == "deflated DICOM (Deflated Explicit VR Little Endian) is not supported"
    video = dicom(EIGHT, uid.MPEG2MPML, frame=b"\0\0\1\xb3" * 8)
    assert reason(video) == ("DICOM with a transfer syntax that is not supported (MPEG2 Main Profile / Main Level)")


def test_files_cut_off_anywhere_are_refused():
    contents = [dicom(NOISE, bits=12, **WHOLE_RANGE)]
    contents += [dicom(NOISE, syntax, frame=encode(NOISE), bits=12) for syntax, encode in LOSSLESS.items()]
    for content in contents:
        for part in (0.1, 0.3, 0.5, 0.7, 0.9):
            reason(content[: int(len(content) * part)])
        reason(content[:-9])


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda one: one.keyword)
def test_compressed_frames_cut_off_anywhere_are_refused(syntax):
    values = np.tile(NOISE, (8, 8))
    frame = LOSSLESS[syntax](values)
    for part in (0.02, 0.5, 0.9, 0.99):
        assert "damaged DICOM" in reason(dicom(values, syntax, frame=frame[: int(len(frame) * part)], bits=12))


def test_damaged_grey_levels_are_told_in_one_line():
    for sequence in ("VOILUTSequence", "ModalityLUTSequence"):
        short = lookup_table(0, 12, range(100))
        short[0].LUTDescriptor = [4096, 0, 12]
        assert reason(dicom(RAMP, bits=12, **{sequence: short})).startswith(
            "damaged DICOM header: window, lookup table"
        )


def test_no_random_bytes_raise_anything_else_or_show_the_patient():
    rng = np.random.default_rng(0)
    starts = [
        dicom(NOISE, bits=12, **WHOLE_RANGE, VOILUTSequence=lookup_table(0, 8, [0, 255]), PixelPaddingValue=3),
        dicom(NOISE, uid.ImplicitVRLittleEndian, bits=12, preamble=False, RescaleSlope=2, RescaleIntercept=1),
        *(dicom(NOISE, syntax, frame=encode(NOISE), bits=12) for syntax, encode in LOSSLESS.items()),
    ]
    refused = 0
    for start in starts:
        assert b"Doe^Jane" in start
        for _ in range(150):
            content = bytearray(start)
            for position in rng.integers(0, len(content), 12):
                content[position] = rng.integers(256)
            try:
                decode(bytes(content), max_pixels=10**5)
            except UnreadableImageError as error:
                assert str(error) and "\n" not in str(error)
                assert "Doe" not in str(error) and "Jane" not in str(error) and "P-1" not in str(error)
                refused += 1
    assert 300 < refused < 1200


def test_odd_personal_elements_are_neither_warned_of_nor_logged(caplog, capfd):
    content = bytearray(dicom(EIGHT, PatientBirthDate="19500101", PatientAge="070Y"))
    for found, odd in ((b"19500101", b"Doe-1950"), (b"070Y", b"Doe?")):
        content[content.index(found) : content.index(found) + len(found)] = odd
    with warnings.catch_warnings(record=True) as seen, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        assert np.array_equal(decode_content(bytes(content), (16, 16), NO_LIMIT)[0][0], EIGHT)
        patient_group(bytes(content))
    assert [str(one.message) for one in seen] == []
    assert caplog.text == "" and capfd.readouterr() == ("", "")


def test_patient_groups(tmp_path):
    assert patient_group(dicom(EIGHT, PatientID="12345")) == hashlib.sha256(b"12345").hexdigest()[:16]
    same = {patient_group(dicom(one, PatientID="A 7 ")) for one in (EIGHT, EIGHT // 2)}
    assert same == {hashlib.sha256(b"A 7").hexdigest()[:16]}
    assert patient_group(dicom(EIGHT, PatientID="A7")) not in same
    for nobody in ("", "ANONYMOUS", "Anonymized", "0", None):
        assert patient_group(dicom(EIGHT, PatientID=nobody)) is None
    assert patient_group(dicom(EIGHT, without=["PatientID"])) is None
    path = tmp_path / "IM1"
    path.write_bytes(dicom(EIGHT, without=["PixelData"]))
    assert patient_group(path) == patient_group(dicom(EIGHT))
    for other in (b"", b"text", pillow(EIGHT, "PNG"), b"\0" * 128 + b"DICM"):
        assert patient_group(other) is None
    assert patient_group(tmp_path / "absent.dcm") is None
    assert patient_group(dicom(EIGHT, uid.DeflatedExplicitVRLittleEndian)) is None


def test_other_files_are_not_taken_for_dicom():
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"):
        assert not is_dicom(pillow(EIGHT, kind))
    for start in (b"", b"\x08\x00", b"\x08\x00\x05", b"text", b"\x02\x00\x00\x01UL", b"\x08\x00\x10\x00XX\x01\x02"):
        assert not is_dicom(start)


def test_a_dicom_name_on_another_picture_changes_nothing(tmp_path):
    (tmp_path / "picture.dcm").write_bytes(pillow(EIGHT, "PNG"))
    pixels, info = decode_image(tmp_path / "picture.dcm", (16, 16), NO_LIMIT)
    assert np.array_equal(pixels[0], EIGHT)
    assert (info.format, info.patient, info.bits) == ("PNG", None, None)


def test_missing_packages_are_no_fault_of_the_image(monkeypatch):
    lossless = dicom(NOISE, uid.JPEGLosslessSV1, frame=LOSSLESS[uid.JPEGLosslessSV1](NOISE), bits=12)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(
        MissingExtraError, match=r"JPEG Lossless.* needs an optional package: pip install 'covidnet\[dicom\]'"
    ):
        decode(lossless)
    assert decode(dicom(EIGHT)).shape == (1, 16, 16)
    monkeypatch.setattr("covidnet.data.dicom_header.util.find_spec", lambda name: None)
    for call in (decode, patient_group):
        with pytest.raises(MissingExtraError, match=r"pip install 'covidnet\[dicom\]'"):
            call(dicom(EIGHT))
    assert patient_group(pillow(EIGHT, "PNG")) is None


def test_versions_of_the_decoders_are_known():
    assert [line.split()[0] for line in decoder_versions()] == ["pydicom", "imagecodecs"]


def test_decode_dicom_gives_colours_last():
    assert decode_dicom(dicom(COLOURS), NO_LIMIT).pixels.shape == (16, 16, 3)
    assert decode_dicom(dicom(EIGHT), NO_LIMIT).pixels.shape == (16, 16)
