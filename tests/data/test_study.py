import json
from dataclasses import replace

import pytest

from covidnet.data.images import ImageInfo
from covidnet.data.records import Record
from covidnet.data.study import outlier_limits, printable, study_dataset, study_table


def pair(label, name, width, height, mode="L", kind="JPEG", size=1000):
    return Record(f"{label}/{name}", label), ImageInfo(width, height, mode, kind, size, "")


@pytest.fixture
def study():
    sides = [100, 110, 120, 130, 500]
    pairs = [pair("covid", f"{w}.jpg", w, 100, "RGB" if w > 100 else "L", size=w) for w in sides]
    pairs += [pair("normal", "a.png", 200, 100, kind="PNG"), pair("normal", "b.png", 100, 200, kind="PNG")]
    return study_dataset(pairs, ["covid", "empty", "normal"], ["covid/x.jpg: empty file"], ["3 hidden files"])


def test_numbers_by_hand(study):
    covid, empty, normal = study.classes
    assert (covid.n, empty.n, normal.n, study.n) == (5, 0, 2, 7)
    spread = covid.width
    assert (spread.min, spread.q1, spread.median, spread.q3, spread.max) == (100, 110, 120, 130, 500)
    assert covid.modes == {"RGB": 4, "L": 1}
    assert normal.formats == {"PNG": 2}
    assert (normal.aspect_ratio.min, normal.aspect_ratio.median, normal.aspect_ratio.max) == (0.5, 1.25, 2.0)
    assert covid.bytes_median == 120
    assert empty.width is None and empty.bytes_median is None


def test_outliers_by_tukeys_rule(study):
    # Quartiles 110 and 130, so the fences are 80 and 160.
    assert outlier_limits([100, 110, 120, 130, 500]) == (80, 160)
    (found,) = study.classes[0].outliers
    assert (found.path, found.width, found.height, found.sides) == ("covid/500.jpg", 500, 100, ("width",))
    assert study.classes[2].outliers == ()


def test_a_value_on_the_fence_is_no_outlier():
    pairs = [pair("a", f"{i}.png", w, w) for i, w in enumerate([80, 110, 120, 130, 160])]
    pairs += [pair("a", "q1.png", 110, 110), pair("a", "q3.png", 130, 130)]
    assert outlier_limits([80, 110, 110, 120, 130, 130, 160]) == (80, 160)
    assert study_dataset(pairs, ["a"]).classes[0].outliers == ()


def test_json_is_plain(study):
    written = json.loads(json.dumps(study.to_json(), allow_nan=False))
    assert written["n"] == 7
    assert written["classes"][0]["outliers"][0]["path"] == "covid/500.jpg"
    assert written["skipped"] == ["covid/x.jpg: empty file"]


def test_table_holds_the_numbers(study):
    text = study_table(study)
    assert "| RGB" in text or "RGB |" in text
    assert "4 (80%)" in text and "1 (20%)" in text
    assert "`covid/500.jpg` 500 x 100 (width)" in text
    assert "covid/x.jpg: empty file" in text and "3 hidden files" in text
    assert "nan" not in text


def test_every_row_of_a_table_is_as_wide_as_its_header(study):
    blocks = [block for block in study_table(study).split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert len({len(line) for line in block.splitlines()}) == 1


def test_hostile_names_break_nothing():
    name = "a|b`c\nd\udcff.png"
    pairs = [pair("x|y", f"{i}.png", 100, 100) for i in range(8)] + [pair("x|y", name, 900, 900)]
    text = study_table(study_dataset(pairs, ["x|y"], skipped=[name]))
    text.encode("utf-8")
    assert "x¦y" in text
    assert "\nd" not in text
    assert printable("a\nb") == "a\ufffdb"


def test_long_lists_are_cut_in_the_table_only():
    study = study_dataset([pair("a", "1.png", 1, 1)], ["a"], skipped=[f"{i}.png: bad" for i in range(50)])
    text = study_table(study)
    assert "50 unreadable files" in text and "and 30 more" in text and "45.png" not in text
    assert len(study.to_json()["skipped"]) == 50


def test_no_images_at_all():
    text = study_table(study_dataset([], ["a", "b"]))
    assert "0 images" in text


def test_burnt_in_text_is_pointed_out(study):
    assert study.burned_in == () and "Burnt-in" not in study_table(study)
    record, info = pair("covid", "a|`b.dcm", 10, 10, "MONOCHROME2", "DICOM")
    found = study_dataset([(record, replace(info, burned_in=True)), (record, info)], ["covid"])
    assert found.burned_in == ("covid/a|`b.dcm",)
    table = study_table(found)
    assert "## Burnt-in text: 1 image\n" in table and "- `covid/a¦'b.dcm`\n" in table
    assert json.loads(json.dumps(found.to_json()))["burned_in"] == ["covid/a|`b.dcm"]
