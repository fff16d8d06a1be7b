import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from covidnet.data.phantoms import (
    CLASSES,
    Anatomy,
    Opacity,
    PhantomSpec,
    draw_phantom,
    lung_field,
    plan_phantoms,
    write_phantoms,
)
from covidnet.data.records import scan_folder
from covidnet.errors import DataError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "demo", PhantomSpec(count=6, seed=3))


def test_the_same_spec_gives_the_same_bytes(written, tmp_path):
    again = write_phantoms(tmp_path / "deep" / "other", PhantomSpec(count=6, seed=3))
    assert contents(again) == contents(written)
    assert [path.name for path in again.parent.iterdir()] == [".other-lock", "other"]  # no temporary folder is left


def test_a_folder_holds_as_many_images_of_each_class(written):
    assert scan_folder(written).counts == {"covid": 3, "normal": 3}


def test_odd_counts_give_the_first_class_one_more():
    labels = [phantom.label for phantom in plan_phantoms(PhantomSpec(count=7))]
    assert labels.count(CLASSES[0]) == 4
    assert labels.count(CLASSES[1]) == 3


def test_an_image_does_not_depend_on_the_count():
    few = list(plan_phantoms(PhantomSpec(count=5, seed=1)))
    many = list(plan_phantoms(PhantomSpec(count=230, seed=1)))
    assert many[:5] == few
    assert len({Path(phantom.name).stem for phantom in many}) == 230


def test_seeds_give_other_images():
    first, second = (list(plan_phantoms(PhantomSpec(count=20, seed=seed))) for seed in (0, 1))
    assert not {phantom.anatomy for phantom in first} & {phantom.anatomy for phantom in second}


def test_names_do_not_reveal_the_class():
    phantoms = list(plan_phantoms(PhantomSpec(count=400)))
    covid = np.array([phantom.label == "covid" for phantom in phantoms])
    numbers = np.array([int(Path(phantom.name).stem.removeprefix("phantom-")) for phantom in phantoms])
    assert all("covid" not in phantom.name and "normal" not in phantom.name for phantom in phantoms)
    assert abs(np.corrcoef(covid, numbers % 2)[0, 1]) < 0.15
    assert abs(np.corrcoef(covid, numbers)[0, 1]) < 0.15


def test_acquisition_does_not_depend_on_the_class():
    phantoms = list(plan_phantoms(PhantomSpec(count=1000)))
    covid = np.array([phantom.label == "covid" for phantom in phantoms])
    fields = ("height", "aspect", "zoom", "rotation", "exposure", "contrast", "gamma", "noise", "vignette")
    for name in fields:
        values = [getattr(phantom.acquisition, name) for phantom in phantoms]
        assert abs(np.corrcoef(covid, values)[0, 1]) < 0.12, name
    assert abs(np.corrcoef(covid, [p.acquisition.quality is None for p in phantoms])[0, 1]) < 0.12
    assert all((phantom.opacity is not None) == (phantom.label == "covid") for phantom in phantoms)


def test_files_are_the_planned_sizes_and_formats(written):
    sizes = set()
    for phantom in plan_phantoms(PhantomSpec(count=6, seed=3)):
        with Image.open(written / phantom.path) as image:
            assert image.mode == "L"
            assert (image.height, image.width) == phantom.acquisition.shape
            assert image.format == ("PNG" if phantom.acquisition.quality is None else "JPEG")
            sizes.add(image.size)
    assert len(sizes) == 6


@pytest.mark.parametrize("index", range(3))
def test_opacities_brighten_the_lung_fields_only(index):
    phantom = list(plan_phantoms(PhantomSpec(count=6, seed=index)))[index]
    film = replace(phantom.acquisition, height=400, noise=0.0)
    opacity = Opacity.draw(np.random.default_rng(index))
    healthy = draw_phantom(phantom.anatomy, film).astype(int)
    ill = draw_phantom(phantom.anatomy, film, opacity).astype(int)
    mask = lung_field(phantom.anatomy, film)
    assert healthy.shape == mask.shape == film.shape
    assert 0.08 < mask.mean() < 0.5
    assert (ill - healthy)[mask].mean() > 8
    assert (ill == healthy)[~mask].all()
    assert healthy[mask].mean() < healthy[~mask].mean() + 20


def test_opacities_are_bilateral_and_favour_the_lower_lungs():
    film = replace(next(plan_phantoms(PhantomSpec())).acquisition, height=380, zoom=1.0, rotation=0.0)
    film = replace(film, aspect=1.0, shift=(0.0, 0.0), noise=0.0)
    upper = lower = 0.0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        anatomy, opacity = Anatomy.draw(rng), Opacity.draw(rng)
        added = draw_phantom(anatomy, film, opacity).astype(int) - draw_phantom(anatomy, film)
        mask = lung_field(anatomy, film)
        left, right = added[:, :190][mask[:, :190]].mean(), added[:, 190:][mask[:, 190:]].mean()
        assert min(left, right) > 3
        upper += added[:160][mask[:160]].mean()
        lower += added[160:][mask[160:]].mean()
    assert lower > 1.3 * upper


def test_a_finished_folder_is_used_again_untouched(written):
    before = {path: path.stat().st_mtime_ns for path in [written, *written.rglob("*")]}
    assert write_phantoms(written, PhantomSpec(count=6, seed=3)) == written
    assert {path: path.stat().st_mtime_ns for path in [written, *written.rglob("*")]} == before


@pytest.mark.parametrize("spec", [PhantomSpec(count=4, seed=3), PhantomSpec(count=6, seed=4)])
def test_a_folder_of_another_spec_is_refused(written, spec):
    before = contents(written)
    with pytest.raises(DataError, match=r"demo: found phantoms of .*expected .*Delete"):
        write_phantoms(written, spec)
    assert contents(written) == before


def test_a_folder_of_another_generator_is_refused(tmp_path):
    folder = write_phantoms(tmp_path / "demo", PhantomSpec(count=2))
    manifest = json.loads((folder / "phantoms.json").read_text())
    assert manifest["spec"] == {"count": 2, "seed": 0}
    (folder / "phantoms.json").write_text(json.dumps({**manifest, "generator_version": -1}))
    with pytest.raises(DataError, match="generator_version"):
        write_phantoms(folder, PhantomSpec(count=2))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"found holiday.jpg without a readable phantoms.json"):
        write_phantoms(tmp_path, PhantomSpec(count=2))
    assert contents(tmp_path) == {"holiday.jpg": b"mine"}
    with pytest.raises(DataError, match="found a file"):
        write_phantoms(tmp_path / "holiday.jpg", PhantomSpec(count=2))


def test_a_folder_with_lost_images_is_refused(tmp_path):
    folder = write_phantoms(tmp_path / "demo", PhantomSpec(count=2))
    next((folder / "covid").iterdir()).unlink()
    with pytest.raises(DataError, match="1 of 2 images missing"):
        write_phantoms(folder, PhantomSpec(count=2))


def test_an_empty_folder_is_filled(tmp_path):
    assert len(scan_folder(write_phantoms(tmp_path, PhantomSpec(count=2))).records) == 2


def test_a_failed_drawing_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("out of ink")

    monkeypatch.setattr("covidnet.data.phantoms.draw_phantom", fail)
    with pytest.raises(RuntimeError):
        write_phantoms(tmp_path / "demo", PhantomSpec(count=2))
    assert [path.name for path in tmp_path.iterdir()] == [".demo-lock"]


def test_writers_at_once_all_succeed(tmp_path):
    folder, spec = tmp_path / "demo", PhantomSpec(count=2)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: write_phantoms(folder, spec), range(4))) == [folder] * 4
    assert {path.name for path in tmp_path.iterdir()} == {"demo", ".demo-lock"}
    assert len(scan_folder(folder).records) == 2


@pytest.mark.parametrize("values", [{"count": 1}, {"count": 0}, {"count": -4}, {"seed": -1}])
def test_impossible_specs_are_refused(values):
    with pytest.raises(DataError, match=next(iter(values))):
        PhantomSpec(**values)


def test_importing_is_light():
    heavy = "{'torch', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)"
    code = f"import sys, covidnet.data.phantoms; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)
