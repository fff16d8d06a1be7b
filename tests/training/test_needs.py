from pathlib import Path
from types import SimpleNamespace

import pytest
from toy import toy_settings

from covidnet.data.records import Record
from covidnet.errors import ConfigError, DataError
from covidnet.training.needs import check_needs


def images(*records, root="own"):
    return SimpleNamespace(root=Path(root), records=records, classes=sorted({record.label for record in records}))


PLAIN = images(Record("1.png", "covid"), Record("2.png", "normal"))
PLACED = images(*(Record(f"{i}.png", label, f"p{i}", position=(0.1, 0.2)) for i, label in enumerate(["a", "normal"])))
LOCATION = toy_settings("head=location", "augment=none")


def test_plain_data_serve_plain_runs():
    check_needs(toy_settings(), PLAIN, PLAIN)
    check_needs(LOCATION, PLACED, None)
    check_needs(toy_settings("aggregate=noisy_or"), PLACED, None)


def test_positions_are_needed_of_every_image_also_elsewhere():
    for own, external, told in (
        (PLAIN, None, "own: positions of 0 of 2 images are known"),
        (images(*PLACED.records, *PLAIN.records), None, "own: positions of 2 of 4"),
        (PLACED, images(*PLAIN.records, root="elsewhere"), "elsewhere: positions of 0 of 2"),
    ):
        with pytest.raises(DataError, match=told + r".*head=location needs the position"):
            check_needs(LOCATION, own, external)


def test_patients_are_needed_to_be_scored():
    with pytest.raises(DataError, match="aggregate=mean: no image's patient is known"):
        check_needs(toy_settings("aggregate=mean"), PLAIN, None)
    two = images(*PLACED.records, Record("3.png", "healthy", "p3"))
    with pytest.raises(ConfigError, match="both healthy and normal mean no disease"):
        check_needs(toy_settings("aggregate=noisy_or"), two, None)


def test_a_class_that_does_not_exist():
    with pytest.raises(ConfigError, match="Did you mean covid"):
        check_needs(toy_settings("data.positive_class=covit"), PLAIN, None)
