import pytest
from cohen import write_cohen

from covidnet.data.cohen import Choice, scan_cohen
from covidnet.errors import DataError

FINDINGS = {"covid": "Pneumonia/Viral/COVID-19", "normal": "No Finding"}
VIEWS = ("PA", "AP", "AP Supine")


def choice(**changes):
    values = {"findings": FINDINGS, "views": VIEWS, "modality": "X-ray", "source_column": "location", **changes}
    return Choice(**values)


def test_the_table_is_read_as_it_is(images, tmp_path):
    found = scan_cohen(write_cohen(images, tmp_path / "d"), choice())
    assert found.counts == {"covid": 10, "normal": 10}
    first = found.records[0]
    assert first.path.startswith("images/")
    assert first.patient and first.source.startswith("Hospital") and first.view in VIEWS and first.age and first.sex
    assert found.excluded == {
        "finding Tuberculosis": 1, "finding Pneumonia/Viral/SARS": 1, "view L": 1, "modality CT": 1,
        "not an image file (a volume)": 1,
    }  # fmt: skip


def changed(finding, to):
    return lambda rows: [{**row, "finding": to} if row["finding"] == finding else row for row in rows]


@pytest.mark.parametrize(
    ("findings", "counts"),
    [
        ({"covid": "COVID-19", "normal": "No Finding"}, {"covid": 10, "normal": 10}),
        ({"sick": "Pneumonia", "normal": "No Finding"}, {"normal": 10, "sick": 10}),
        ({"covid": "Viral/COVID-19", "pneumonia": "Pneumonia", "n": "No Finding"}, {"covid": 10, "n": 10}),
    ],
)
def test_findings_are_a_hierarchy_whose_deepest_level_decides(images, tmp_path, findings, counts):
    def only_phantoms(rows):
        return rows[:20]

    assert scan_cohen(write_cohen(images, tmp_path / "d", only_phantoms), choice(findings=findings)).counts == counts


def test_the_first_releases_wrote_lists(images, tmp_path):
    folder = write_cohen(images, tmp_path / "d", changed("Pneumonia/Viral/COVID-19", "COVID-19, ARDS"))
    assert scan_cohen(folder, choice(findings={"covid": "COVID-19", "n": "No Finding"})).counts == {
        "covid": 10,
        "n": 10,
    }


def test_an_image_of_two_classes_is_refused(images, tmp_path):
    folder = write_cohen(images, tmp_path / "d", changed("Pneumonia/Viral/COVID-19", "COVID-19, ARDS"))
    with pytest.raises(DataError, match=r"line \d+: the finding COVID-19, ARDS belongs to a and b"):
        scan_cohen(folder, choice(findings={"a": "COVID-19", "b": "ARDS", "n": "No Finding"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"findings": {"covid": "COVID19"}},
            r"findings.covid: no image has the finding COVID19. Did you mean COVID-19",
        ),
        ({"views": ["PA", "Lat"]}, r"data.views: no image has the view Lat.*Found: .*AP Supine"),
        ({"modality": "Xray"}, r"data.modality: no image has the modality Xray. Did you mean X-ray"),
        ({"source_column": "city"}, r"the columns city are missing"),
        ({"findings": {"covid": "Tuberculosis"}, "views": ["L"]}, r"no image is left by .*Left out: "),
    ],
)
def test_what_the_table_does_not_have_is_told(images, tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        scan_cohen(write_cohen(images, tmp_path / "d"), choice(**changes))


def test_a_missing_file_is_told_with_its_line(images, tmp_path):
    folder = write_cohen(images, tmp_path / "d")
    next((folder / "images").glob("*")).unlink()
    with pytest.raises(DataError, match=r"metadata.csv, line \d+: .*no such file"):
        scan_cohen(folder, choice())


def test_another_folder_is_told(tmp_path):
    with pytest.raises(DataError, match=r"metadata\.csv is not there"):
        scan_cohen(tmp_path, choice())
    (tmp_path / "metadata.csv").write_text("path,label\na,b\n")
    with pytest.raises(DataError, match=r"columns patientid, finding, view.*For other tables use data=csv"):
        scan_cohen(tmp_path, choice())


def test_patients_with_two_classes_are_allowed_or_refused(images, tmp_path):
    folder = write_cohen(images, tmp_path / "d", lambda rows: [{**row, "patientid": "1"} for row in rows])
    with pytest.raises(DataError, match="patient 1 is"):
        scan_cohen(folder, choice())
    assert len(scan_cohen(folder, choice(many_labels=True)).records) == 20
