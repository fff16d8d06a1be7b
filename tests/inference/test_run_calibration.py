import json

import pytest

from covidnet.errors import ConfigError, RunError
from covidnet.inference.calibration import read_calibration


def write(folder, content):
    (folder / "calibration.json").write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    ("content", "asked", "temperature"),
    [
        ({"temperature": 1.5}, None, 1.5),
        ({"temperature": 2, "applied": True, "other": []}, None, 2.0),
        ({"temperature": 1.5, "applied": False}, None, None),
        ({"temperature": 1.5, "applied": False}, "temperature", 1.5),
        ({"temperature": 1.5}, "none", None),
        ({"temperature": None, "reason": "all are right"}, None, None),
        ({}, None, None),
    ],
)
def test_the_temperature_is_taken_as_the_run_did_or_as_asked(tmp_path, content, asked, temperature):
    write(tmp_path, content)
    assert read_calibration(tmp_path, asked).temperature == temperature


def test_its_note_says_why_there_is_none(tmp_path):
    assert read_calibration(tmp_path, None).note == f"not calibrated: {tmp_path} has no calibration.json"
    write(tmp_path, {"temperature": None, "reason": "all are right"})
    assert read_calibration(tmp_path, None).note == "not calibrated: all are right"
    with pytest.raises(ConfigError, match="calibrate=temperature: the run has no temperature: all are right"):
        read_calibration(tmp_path, "temperature")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '"x"', "[" * 100_000, {"temperature": 0}, {"temperature": -1.0}, {"temperature": "1"},
     {"temperature": True}, '{"temperature": NaN}', '{"temperature": Infinity}'],
    ids=lambda content: str(content)[:30],
)  # fmt: skip
def test_damage_is_named_and_can_be_gone_without(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(RunError, match=r"calibration\.json: damaged \(.*calibrate=none"):
        read_calibration(tmp_path, None)
    assert read_calibration(tmp_path, "none").temperature is None
