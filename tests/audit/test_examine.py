"""The whole audit on phantoms: each planted fault is found, and clean phantoms raise no warning."""

import json

import pytest

from covidnet.audit.examine import Effort, examine
from covidnet.audit.gather import gather
from covidnet.config.compose import compose_train
from covidnet.data import phantoms
from covidnet.data.dataset import open_dataset
from covidnet.data.faults import Faults
from covidnet.data.phantoms import PhantomSpec, write_phantoms
from covidnet.data.split import stratified_split

FAST = Effort("fast", 2, 1999)
COUNT = 40


@pytest.fixture(scope="module", autouse=True)
def _each_film_is_drawn_once():
    """Most faults leave most films as they are, and drawing them is nearly all of the work."""
    drawn = {}
    draw = phantoms.draw_phantom

    def remember(*parts):
        if parts not in drawn:
            drawn[parts] = draw(*parts)
        return drawn[parts]

    phantoms.draw_phantom = remember
    yield
    phantoms.draw_phantom = draw


def audited(folder, faults, seed=0):
    write_phantoms(folder, PhantomSpec(COUNT, seed, faults))
    dataset = open_dataset(compose_train([f"data.root={folder}", "data.cache=false"]).data)
    split = stratified_split([record.label for record in dataset.records], 50, 0.2)
    material = gather(dataset, split, "random_state=50", None)
    return material, examine(material, FAST)


def grave(audit):
    return {finding.id for finding in audit.findings if finding.severity != "note"}


@pytest.mark.parametrize("seed", [0, 1])
def test_clean_phantoms_raise_no_warning(tmp_path, seed):
    material, audit = audited(tmp_path / "clean", Faults(), seed)
    assert grave(audit) == set() and audit.verdict.level == "clean"
    assert material.synthetic
    json.dumps(audit.to_json(material), allow_nan=False)


@pytest.mark.parametrize(
    ("fault", "strength", "finding"),
    [
        ("colour_mode", 0.8, "shortcuts.file_properties"),
        ("size", 1.0, "shortcuts.file_properties"),
        ("border", 0.3, "shortcuts.border"),
        ("marker", 1.0, "shortcuts.corners"),
        ("zoom", 0.4, "shortcuts.lungs_masked"),
        ("exposure", 0.3, "shortcuts.border"),
        ("duplicates", 0.2, "leakage.duplicates"),
        ("patients", 0.2, "leakage.patients"),
        ("names", 0.5, "labels.contradicted"),
    ],
)
def test_each_planted_fault_is_found(tmp_path, fault, strength, finding):
    _, audit = audited(tmp_path / fault, Faults(**{fault: strength}))
    assert finding in grave(audit)
    assert audit.verdict.level in ("blocker", "warning")
    shortcuts = {name for name in grave(audit) if name.startswith("shortcuts.")}
    assert bool(shortcuts) == finding.startswith("shortcuts.")


def test_all_planted_copies_are_found(tmp_path):
    material, audit = audited(tmp_path / "copies", Faults(duplicates=0.2))
    assert len(audit.pairs) >= 7  # of 8: a copy may lie beyond the candidates
    assert {pair.kind for pair in audit.pairs} >= {"copy", "mirrored copy", "cropped copy"}
    assert all(material.records[p.first].label == material.records[p.second].label for p in audit.pairs)


def test_little_material_is_no_error(make_material):
    one_class = make_material(8, labels=("covid",), parts=None, split="found 1 class")
    audit = examine(one_class, FAST)
    assert grave(audit) == {"test.no_split"} and audit.cues == ()
    assert "cannot be split" in audit.verdict.sentence


def test_noise_is_clean(make_material):
    audit = examine(make_material(40), FAST)
    assert grave(audit) == set()
    assert audit.verdict.level == "clean"
