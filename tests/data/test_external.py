import pytest
from toy import toy_settings

from covidnet.data.external import open_external
from covidnet.errors import DataError


@pytest.fixture
def settings(cache):
    def make(*overrides):
        return toy_settings(f"data.cache_dir={cache}", "data.image_size=32", *overrides).data

    return make


def test_none_is_opened_unless_asked_for(settings):
    assert open_external(settings(), ["covid", "normal"]) is None


def test_a_folder_of_the_same_classes(settings, images):
    external = open_external(settings(f"data.external={images}"), ["covid", "normal"])
    assert len(external.records) == 20


def test_other_names_are_told_and_can_be_translated(settings, images):
    with pytest.raises(DataError, match=r"data.external=.*its label covid, normal is none of the classes COVID-19, No"):
        open_external(settings(f"data.external={images}"), ["COVID-19", "No"])
    translated = settings(f"data.external={images}", "data.external_classes={COVID-19: [covid]}")
    external = open_external(translated, ["COVID-19", "No"])
    assert {record.label for record in external.records} == {"COVID-19"}
    assert external.scan.excluded == {"label normal": 10}


def test_a_class_or_label_that_does_not_exist_is_told(settings, images):
    wrong = settings(f"data.external={images}", "data.external_classes={covit: [covid]}")
    with pytest.raises(DataError, match=r"data.external_classes: covit is none of the classes.*Did you mean covid"):
        open_external(wrong, ["covid", "normal"])
    wrong = settings(f"data.external={images}", "data.external_classes={covid: [covvid]}")
    with pytest.raises(DataError, match=r"classes.covid: no image has the label covvid. Did you mean covid"):
        open_external(wrong, ["covid", "normal"])


def test_the_command_names_the_key(settings, images):
    with pytest.raises(DataError, match=r"^external=.* its label .*, external_classes=\{"):
        open_external(settings(f"data.external={images}"), ["a", "b"], "external")
    with pytest.raises(DataError, match=r"^external=.*absent: no such folder"):
        open_external(settings(f"data.external={images}/absent"), ["a", "b"], "external")


def test_a_table(settings, images, tmp_path):
    file = next(path for path in images.rglob("*") if path.parent.name == "covid")
    (tmp_path / "t.csv").write_text(f"file;diagnosis;patientid\n{file};covid;p1\n")
    external = open_external(settings(f"data.external={tmp_path}/t.csv"), ["covid", "normal"])
    assert [(record.label, record.patient) for record in external.records] == [("covid", "p1")]


def test_faults_name_the_key(settings, tmp_path):
    with pytest.raises(DataError, match=r"data.external=.*nowhere: no such folder or table"):
        open_external(settings(f"data.external={tmp_path}/nowhere"), ["a", "b"])
    with pytest.raises(DataError, match=r"^data.external: .*no image in any class folder"):
        open_external(settings(f"data.external={tmp_path}"), ["a", "b"])
