import numpy as np
import pytest

from covidnet.data.depth import full_range, scale_depth


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_each_depth_of_detectors_fills_the_eight_bits(bits):
    full = 2**bits - 1
    values = np.array([0, full // 2, full], dtype=np.uint16)
    assert scale_depth(values).tolist() == [0, round(full // 2 * 255 / full), 255]
    assert full_range(full) == full


def test_the_depth_is_the_smallest_that_holds_the_largest_value():
    assert [full_range(value) for value in (0, 255, 256, 1023, 1024, 4096, 16384, 65536)] == [
        255, 255, 1023, 1023, 4095, 16383, 65535, 65536,
    ]  # fmt: skip
    assert scale_depth(np.array([0, 3000], dtype=np.uint16)).tolist() == [0, 187]  # of 4095


def test_values_that_are_no_brightness_spread_from_the_lowest_to_the_highest():
    assert scale_depth(np.array([-2.0, 0.0, 2.0, np.nan])).tolist() == [0, 128, 255, 0]
    assert scale_depth(np.array([-1, -1], dtype=np.int16)).tolist() == [0, 0]
    assert scale_depth(np.array([np.nan, np.inf])).tolist() == [0, 0]


def test_fractions_and_whole_floating_point_numbers():
    assert scale_depth(np.array([0.0, 0.5, 1.0], dtype=np.float32)).tolist() == [0, 128, 255]
    assert scale_depth(np.array([0.0, 1.5, 255.0])).tolist() == [0, 2, 255]
    assert scale_depth(np.array([0, 1], dtype=np.uint16)).tolist() == [0, 1]


@pytest.mark.parametrize("largest", [0, 7, 255, 256, 3000, 65535])
def test_a_container_decides_nothing(largest):
    values = np.random.default_rng(0).integers(0, largest + 1, (9, 11))
    values[0, 0] = largest
    containers = [scale_depth(values.astype(dtype)) for dtype in ("<u2", ">u2", np.int32, np.uint32)]
    assert all(np.array_equal(one, containers[0]) for one in containers)
