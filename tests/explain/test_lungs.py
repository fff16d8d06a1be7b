"""The lung field of an image: its mask's or the simple one."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from covidnet.audit.views import lung_field
from covidnet.data.records import scan_folder
from covidnet.explain.lungs import LungFields

SIZE = 32


@pytest.fixture
def fields(tmp_path):
    """``fields(mask)`` for an image with this mask array, or mask file content."""

    def make(mask=None):
        (tmp_path / "covid").mkdir()
        Image.new("L", (60, 40), 90).save(tmp_path / "covid" / "a.png")
        file = tmp_path / "covid" / "a_mask.png"
        if isinstance(mask, bytes):
            file.write_bytes(mask)
        elif mask is not None:
            Image.fromarray(mask).save(file)
        scan = scan_folder(tmp_path)
        return LungFields(SimpleNamespace(root=tmp_path, scan=scan, records=scan.records), SIZE, 10**6)

    return make


def test_without_a_mask_it_is_the_audits_simple_field(fields):
    field = fields().of("covid/a.png")
    assert field.source == "simple" and np.array_equal(field.inside, lung_field(SIZE, SIZE))
    assert field.area == pytest.approx(0.59, abs=0.02)


@pytest.mark.parametrize("values", [(0, 255), (0, 1), (0, 2), (3, 200)])
def test_a_mask_is_stretched_as_the_image_is(fields, values):
    mask = np.full((400, 600), values[0], dtype=np.uint8)
    mask[:, 300:] = values[1]
    field = fields(mask).of("covid/a.png")
    assert field.source == "mask" and field.area == 0.5
    assert not field.inside[:, :16].any() and field.inside[:, 16:].all()


def test_labels_of_two_lungs_are_both_lungs(fields):
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[:, :15], mask[:, 45:] = 1, 2
    assert fields(mask).of("covid/a.png").area == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("mask", [b"no image", np.zeros((40, 60), dtype=np.uint8)])
def test_a_mask_that_cannot_be_used_is_noted_once(fields, mask):
    found = fields(mask)
    assert found.of("covid/a.png").source == found.of("covid/a.png").source == "simple"
    (fault,) = found.faults
    assert fault.startswith("covid/a_mask.png: ")
