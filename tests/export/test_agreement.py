import numpy as np
import pytest

from covidnet.errors import ExportError
from covidnet.export.agreement import compare, require


def outputs(logits):
    logits = np.array(logits, dtype=np.float32)
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits, exponents / exponents.sum(axis=1, keepdims=True)


def test_the_largest_difference_of_all_batches_counts():
    first = [outputs([[0.0, 1.0], [2.0, 1.0]]), outputs([[0.0, 3.0]])]
    second = [outputs([[0.0, 1.0], [2.0, 1.25]]), outputs([[4.0, 3.0]])]
    found = compare(first, second)
    assert (found.images, found.logits, found.largest_logit, found.same_class) == (3, 4.0, 3.0, 2)
    assert not found.holds
    with pytest.raises(
        ExportError, match=r"x\.onnx: does not agree with PyTorch on 3 images: logits differ by up to 4"
    ):
        require(found, "x.onnx")


@pytest.mark.parametrize(
    ("size", "change", "holds"),
    [(1.0, 9e-5, True), (1.0, 2e-4, False), (90.0, 5e-3, True), (90.0, 2e-2, False), (1.0, float("nan"), False)],
)
def test_rounding_is_allowed_by_the_size_of_the_logits(size, change, holds):
    found = compare([outputs([[0.0, size]])], [outputs([[0.0, size + change]])])
    assert found.holds is holds
    assert found.to_json()["tolerance"] == 1e-4


def test_as_many_batches_are_needed_of_both():
    with pytest.raises(ValueError, match="zip"):
        compare([outputs([[0.0, 1.0]])], [])
