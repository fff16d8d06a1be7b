import json

import numpy as np
import pytest
from PIL import Image

from covidnet.config.compose import compose_train
from covidnet.config.resolvers import planted_faults
from covidnet.data.faults import COPIES, Faults, Storage, alter_image, plant
from covidnet.data.phantoms import PhantomSpec, plan_phantoms, write_phantoms
from covidnet.data.records import MANIFEST
from covidnet.errors import ConfigError, DataError

GREY = np.random.default_rng(0).integers(60, 180, (300, 260), dtype=np.uint8)
CLEAN = list(plan_phantoms(PhantomSpec(40, seed=2)))


def planted(**faults):
    return plant(CLEAN, Faults(**faults), seed=2)


def covid(pairs):
    return [pair for pair in pairs if pair[0].label == "covid"]


def test_nothing_planted_is_the_same_to_the_last_byte(tmp_path):
    spec = PhantomSpec(count=2, seed=1)
    assert list(plan_phantoms(spec)) == list(plan_phantoms(PhantomSpec(2, 1, Faults())))
    folder = write_phantoms(tmp_path / "clean", spec)
    assert json.loads((folder / MANIFEST).read_text())["spec"] == {"count": 2, "seed": 1}
    faulty = write_phantoms(tmp_path / "faulty", PhantomSpec(2, 1, Faults(colour_mode=1.0)))
    assert json.loads((faulty / MANIFEST).read_text())["spec"]["faults"] == {"colour_mode": 1.0}
    with pytest.raises(DataError, match="colour_mode"):
        write_phantoms(faulty, spec)


def test_only_covid_films_are_taken_otherwise():
    for (before, after), strength in zip(
        [("height", 1.0), ("zoom", 0.5), ("exposure", 0.2)], (1.0, 0.5, 0.2), strict=True
    ):
        name = {"height": "size"}.get(before, before)
        pairs = planted(**{name: strength})
        for clean, (phantom, _) in zip(CLEAN, pairs, strict=True):
            old, new = getattr(clean.acquisition, before), getattr(phantom.acquisition, before)
            expected = {"height": round(old / 2), "zoom": old * 1.5, "exposure": old + 0.2}[before]
            assert new == (pytest.approx(expected) if clean.label == "covid" else old), after


@pytest.mark.parametrize("fault", ["colour_mode", "marker"])
def test_a_share_of_the_covid_images_is_marked_and_a_larger_share_contains_it(fault):
    chosen = []
    for share in (0.25, 0.5):
        pairs = planted(**{fault: share})
        hit = {phantom.name for phantom, storage in pairs if getattr(storage, fault.removesuffix("_mode"))}
        assert len(hit) == share * 20 and hit <= {phantom.name for phantom, _ in covid(pairs)}
        chosen.append(hit)
    assert chosen[0] < chosen[1]


def test_copies_show_what_their_original_shows():
    pairs = planted(duplicates=0.2)
    copies = [(phantom, storage.copy) for phantom, storage in pairs if storage.copy]
    assert len(copies) == 8 and {how for _, how in copies} == set(COPIES)
    for phantom, _ in copies:
        twins = [other for other, _ in pairs if other.anatomy == phantom.anatomy]
        assert len(twins) == 2 and twins[0].acquisition == twins[1].acquisition and twins[0].label == twins[1].label
        assert phantom.name.endswith(phantom.acquisition.suffix)
    assert len({phantom.path for phantom, _ in pairs}) == 40


def test_shared_patients_are_named():
    pairs = planted(patients=0.1)
    owners = [phantom.name.split("_")[0] for phantom, _ in pairs]
    assert len(set(owners)) == 36 and all(owner.startswith("person") for owner in owners)
    for owner in {one for one in owners if owners.count(one) == 2}:
        first, second = (phantom for phantom, _ in pairs if phantom.name.startswith(f"{owner}_"))
        assert first.anatomy == second.anatomy and first.acquisition != second.acquisition


def test_names_of_the_healthy_mislead():
    named = [phantom for phantom, _ in planted(names=0.5) if "bacteria" in phantom.name or "virus" in phantom.name]
    assert len(named) == 10 and {phantom.label for phantom in named} == {"normal"}


def test_what_is_done_to_the_pixels():
    plain = np.asarray(alter_image(GREY, Storage()))
    assert (plain == GREY).all()
    framed = np.asarray(alter_image(GREY, Storage(border=0.1))).astype(int) - GREY
    assert set(np.unique(framed)) == {0, 26} or set(np.unique(framed)) == {0, 25, 26}
    assert (framed[:15] > 0).all() and (framed[30:-30, 30:-30] == 0).all()
    marked = np.asarray(alter_image(GREY, Storage(marker=True)))
    assert (marked[:40, 180:] == 250).sum() > 50 and (marked[60:] == GREY[60:]).all()
    assert alter_image(GREY, Storage(colour=True)).mode == "RGB"
    for how in COPIES:
        assert alter_image(GREY, Storage(copy=how)).mode == "L"
    assert alter_image(GREY, Storage(copy="resized")).size == (182, 210)
    mirrored = alter_image(GREY, Storage(copy="mirrored"))
    assert mirrored.tobytes() == Image.fromarray(GREY[:, ::-1].copy()).tobytes()


def test_strengths_are_checked():
    with pytest.raises(DataError, match=r"faults.zoom=1.5"):
        Faults(zoom=1.5)
    with pytest.raises(ConfigError, match=r"data.faults.zoom: found 2"):
        compose_train(["data=phantoms", "data.faults.zoom=2"])


def test_the_folder_is_named_after_what_is_planted():
    assert compose_train(["data=phantoms"]).data.root == "outputs/phantoms/60-images-seed-0"
    settings = compose_train(["data=phantoms", "data.faults.zoom=0.3", "data.faults.names=1"])
    assert settings.data.root == "outputs/phantoms/60-images-seed-0-zoom-0.3-names-1"
    assert planted_faults({"zoom": 0.0, "size": 0}) == ""
