"""Small image files of the tests' own making."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_image():
    """A function that writes one image of random pixels and returns its path; the same arguments, the same bytes."""

    def make(path, seed=0, size=(20, 16), mode="L", **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        shape = (height, width, 3) if mode == "RGB" else (height, width)
        values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(values).save(path, **options)
        return path

    return make


@pytest.fixture
def make_folder(make_image):
    """A function that writes ``counts[label]`` grey and colour images per class, all different."""

    def make(root, counts=None):
        for offset, (label, count) in enumerate((counts or {"covid": 4, "normal": 4}).items()):
            for number in range(count):
                mode = "RGB" if number % 2 else "L"
                make_image(root / label / f"{number:03d}.png", 1000 * offset + number, (20 + number, 16), mode)
        return root

    return make


@pytest.fixture
def open_folder():
    """A folder that other users may enter, unlike ``tmp_path``."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def no_superuser(open_folder):
    """Give up the superuser's rights for one test, so that permissions mean something in ``open_folder``."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(scope="module")
def one_thread():
    """Many small operations of torch are slower with the threads of several test processes on the same cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
