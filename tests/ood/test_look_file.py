import zipfile

import numpy as np
import pytest

from covidnet.errors import RunError
from covidnet.ood.files import KINDS, TrainingLook, load_look, save_look
from covidnet.ood.pixels import PixelLimits
from covidnet.ood.reference import fit_reference


@pytest.fixture
def look():
    rng = np.random.default_rng(0)
    references = {
        kind: fit_reference(rng.standard_normal((20, 7)), rng.standard_normal((9, 7)), "val", 0.99) for kind in KINDS
    }
    return TrainingLook(PixelLimits(colour=0.3), references)


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "best.ckpt").write_bytes(b"weights")
    return tmp_path / "best.ckpt"


def test_it_comes_back(tmp_path, look, checkpoint):
    save_look(tmp_path / "x.npz", look, checkpoint)
    back = load_look(tmp_path / "x.npz", checkpoint)
    assert back.pixels == look.pixels and set(back.references) == set(KINDS)
    images = np.random.default_rng(1).standard_normal((5, 7))
    for kind in KINDS:
        assert np.allclose(back.references[kind].scores(images), look.references[kind].scores(images), rtol=1e-4)
        assert back.references[kind].limit_part == "val" and back.references[kind].n_train == 20


def test_what_could_not_be_made_stays_missing(tmp_path, look, checkpoint):
    save_look(tmp_path / "x.npz", TrainingLook(look.pixels, {"picture": look.references["picture"]}), checkpoint)
    assert list(load_look(tmp_path / "x.npz", checkpoint).references) == ["picture"]


def test_none_or_that_of_another_network_is_none(tmp_path, look, checkpoint):
    assert load_look(tmp_path / "x.npz", checkpoint) is None
    save_look(tmp_path / "x.npz", look, checkpoint)
    checkpoint.write_bytes(b"other weights")
    assert load_look(tmp_path / "x.npz", checkpoint) is None


def rewritten(path, **changes):
    with np.load(path) as content:
        values = dict(content) | changes
    with path.open("wb") as file:
        np.savez(file, **{name: value for name, value in values.items() if value is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"features_limit": -1.0},
        {"features_limit": np.nan},
        {"features_variances": np.zeros(7)},
        {"features_directions": np.ones((7, 3))},
        {"features_mean": np.full(7, np.nan)},
        {"pixels_colour": np.inf},
        {"pixels_wide": None},
        {"features_mean": np.array([{"an": "object"}], dtype=object)},
    ],
    ids=str,
)
def test_damage_is_named(tmp_path, look, checkpoint, changes):
    save_look(tmp_path / "x.npz", look, checkpoint)
    rewritten(tmp_path / "x.npz", **changes)
    with pytest.raises(RunError, match=r"x\.npz: damaged \(.+\)\. Delete it"):
        load_look(tmp_path / "x.npz", checkpoint)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04torn"])
def test_other_files_are_named(tmp_path, checkpoint, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"x\.npz: damaged"):
        load_look(tmp_path / "x.npz", checkpoint)


def test_a_pickle_in_it_is_not_run(tmp_path, look, checkpoint):
    class Trap:
        def __reduce__(self):
            return (zipfile.Path, (str(tmp_path / "sprung"),))

    save_look(tmp_path / "x.npz", look, checkpoint)
    rewritten(tmp_path / "x.npz", features_rest=np.array(Trap(), dtype=object))
    with pytest.raises(RunError, match="damaged"):
        load_look(tmp_path / "x.npz", checkpoint)
