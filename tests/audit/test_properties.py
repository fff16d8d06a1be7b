import numpy as np
import pytest
from dicom_files import dicom
from PIL import EpsImagePlugin, Image

from covidnet.audit.properties import property_features, read_properties
from covidnet.data.images import decode_image

VALUES = np.arange(16, dtype=np.uint16).reshape(4, 4) * 200


@pytest.fixture
def properties(tmp_path):
    """A function that writes a file and returns its properties."""

    def read(name, content=None, **options):
        path = tmp_path / name
        if content is None:
            Image.fromarray(VALUES if name.endswith(("png", "tif")) else VALUES.astype(np.uint8)).save(path, **options)
        else:
            path.write_bytes(content)
        return read_properties(path, decode_image(path, (8, 8), 10**6)[1])

    return read


def test_properties_of_dicom(properties):
    found = properties("a.dcm", dicom(VALUES, bits=12, PhotometricInterpretation="MONOCHROME1"))
    assert (found.mode, found.format, found.bits) == ("MONOCHROME1", "DICOM", 12)
    assert (found.compression, found.quantization) == ("ExplicitVRLittleEndian", "none")
    assert (found.width, found.height, found.aspect) == (4, 4, 1.0)
    assert "Doe" not in repr(found) and "P-1" not in repr(found)


def test_properties_of_pictures(properties):
    jpeg, png, tiff = properties("a.jpg"), properties("a.png"), properties("a.tif", compression="tiff_lzw")
    assert [one.bits for one in (jpeg, png, tiff)] == [8, 16, 16]
    assert [one.compression for one in (jpeg, png, tiff)] == ["none", "none", "tiff_lzw"]
    assert len(jpeg.quantization) == 8 and png.quantization == "none"


def test_the_transfer_syntax_is_a_feature(properties):
    little = [properties(f"{number}.dcm", dicom(VALUES)) for number in range(2)]
    files = [*little, *(properties(f"{number}.png") for number in range(2))]
    features = property_features(files)
    assert features["compression"].shape == (4, 2)
    assert np.array_equal(features["compression"][:2], features["compression"][2:, ::-1])
    assert features["JPEG quantisation"].shape == (4, 0)


def test_a_file_is_opened_again_as_jpeg_only(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    Image.fromarray(VALUES.astype(np.uint8)).save(path)
    info = decode_image(path, (8, 8), 10**6)[1]
    Image.fromarray(VALUES.astype(np.uint8)).save(path, "EPS")  # which Pillow gives to Ghostscript
    opened = []
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", lambda own: opened.append(own))
    assert read_properties(path, info).quantization == "none"
    assert opened == []
