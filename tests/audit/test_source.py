import numpy as np

from covidnet.audit.source import find_sources, judge_source, study_source
from covidnet.audit.table import Column
from covidnet.data.records import Record

LABELS = np.arange(80) % 2


def study(sources, shift=0.0, disease=0.0):
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(80, 16)).astype(np.float32)
    pixels[:, :4] += shift * (np.array(sources) == "A")[:, None]
    pixels[:, 4:8] += disease * LABELS[:, None]
    column = Column("hospital", tuple(sources))
    return study_source(column, LABELS, ["covid", "normal"], pixels, repeats=2, permutations=599)


def severities(found):
    return {finding.id: finding.severity for finding in judge_source(found)}


def test_a_source_per_class_is_a_blocker():
    found = study(["A" if label == 0 else "B" for label in LABELS])
    assert severities(found) == {"source.label": "blocker"}
    assert found.counts == {"A": {"covid": 40, "normal": 0}, "B": {"covid": 0, "normal": 40}}
    assert found.left_out == ()


def test_pixels_that_tell_a_confounded_source():
    # Nine of ten covid images from A, one of ten normal ones.
    sources = ["A" if (label == 0) != (i // 2 % 10 == 0) else "B" for i, label in enumerate(LABELS)]
    found = study(sources, shift=3.0)
    assert severities(found)["source.label"] == "blocker"
    assert severities(found)["source.pixels"] == "warning"
    assert set(found.source_from_pixels) == {"covid", "normal"}


def test_a_source_that_says_nothing_of_the_label():
    sources = ["A" if i // 2 % 2 else "B" for i in range(80)]
    assert severities(study(sources)) == {"source.left_out": "note"}
    told = study(sources, shift=3.0, disease=2.0)
    assert severities(told) == {"source.pixels": "note", "source.left_out": "note"}
    assert [one.n for one in told.left_out] == [40, 40]
    assert all(one.balanced_accuracy > 0.8 for one in told.left_out)


def test_what_holds_for_one_source_only():
    rng = np.random.default_rng(1)
    sources = np.array(["A" if i // 2 % 2 else "B" for i in range(80)])
    pixels = rng.normal(size=(80, 8)).astype(np.float32)
    # In each source another feature tells the label.
    pixels[sources == "A", 0] += 4 * LABELS[sources == "A"]
    pixels[sources == "B", 1] += 4 * LABELS[sources == "B"]
    found = study_source(Column("site", tuple(sources)), LABELS, ["a", "b"], pixels, repeats=2, permutations=0)
    assert severities(found)["source.left_out"] == "warning"


def test_sources_are_columns_and_folders():
    records = [Record(f"{source}/covid/{i}.png", "covid") for i, source in enumerate("AABB")]
    columns = [Column("device", ("x", "x", "x", "")), Column("site", ("1", "2", "1", "2"))]
    assert [column.name for column in find_sources(records, columns)] == ["site", "sub-folder"]
    assert find_sources([Record("covid/1.png", "covid"), Record("normal/2.png", "normal")], []) == []
