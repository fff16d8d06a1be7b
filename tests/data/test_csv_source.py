import pytest

from covidnet.data.csv_source import TableSettings, scan_table
from covidnet.data.records import Record
from covidnet.errors import DataError

ROLES = ("path", "label", "patient", "source", "split", "view", "age", "sex", "weight", "x", "y")
AUTO = dict.fromkeys(ROLES, "auto")


@pytest.fixture
def scan(tmp_path):
    """Scan a table with the given text; the files a.png to d.png exist beside it."""
    for name in "abcd":
        (tmp_path / f"{name}.png").touch()

    def run(text, missing="error", root=tmp_path, **settings):
        (tmp_path / "t.csv").write_text(text)
        settings = {"columns": AUTO, **settings}
        return scan_table(tmp_path / "t.csv", root, TableSettings(**settings), missing=missing)

    return run


def test_every_column_is_read(scan):
    found = scan(
        "file,finding,patient_id,hospital,split,view,age,sex,weight,x,y\n"
        "b.png,covid,p1,north,Valid,PA,61,F,0.5,0.25,1\n"
        "a.png,normal,p2,south,TRAIN,AP,,M,2,0,0.5\n"
    )
    assert found.records == [
        Record("a.png", "normal", "p2", "south", "train", "AP", "", "M", 2.0, (0.0, 0.5)),
        Record("b.png", "covid", "p1", "north", "val", "PA", "61", "F", 0.5, (0.25, 1.0)),
    ]
    assert found.classes == ["covid", "normal"]


def test_classes_choose_and_join_labels(scan):
    text = "path,label\na.png,bacterial\nb.png,viral\nc.png,none\nd.png,\n"
    found = scan(text, classes={"pneumonia": ["bacterial", "viral"], "normal": "none"})
    assert [record.label for record in found.records] == ["pneumonia", "pneumonia", "normal"]
    assert found.excluded == {"label (empty)": 1}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"x": "viral", "y": ["bacterial", "viral"]}, "label viral is in the classes x and y"),
        (
            {"x": "virall"},
            r"classes.x: no image has the label virall. Did you mean viral\? Found: bacterial",
        ),
    ],
)
def test_unknown_and_ambiguous_labels_are_refused(scan, classes, message):
    with pytest.raises(DataError, match=message):
        scan("path,label\na.png,bacterial\nb.png,viral\n", classes=classes)


def test_all_faults_are_listed_with_their_lines(scan):
    with pytest.raises(DataError) as caught:
        scan("path,label,weight,x,y\na.png,,1,0,0\nb.png,u,-1,0,0\nc.png,u,1,1.5,0\n,u,1,0,0\nd.png,u,nan,0,one\n")
    text = str(caught.value)
    assert "6 of its 5 rows" in text
    for line, said in [
        (2, "label is empty"), (3, "weight is -1; expected a number of at least 0"), (4, "x is 1.5; expected a number"),
        (5, "path is empty"), (6, "weight is nan"), (6, "y is one"),
    ]:  # fmt: skip
        assert any(f"line {line}: {said}" in one for one in text.splitlines()), said


def test_missing_files_are_told_with_their_lines_or_left_to_the_decoder(scan, tmp_path):
    text = "path,label\na.png,u\ngone.png,v\n"
    with pytest.raises(DataError, match=r"t.csv, line 3: .*gone.png: no such file. Paths start from data.root="):
        scan(text)
    assert [record.path for record in scan(text, missing="skip").records] == ["a.png", "gone.png"]


def test_a_file_has_one_row(scan):
    with pytest.raises(DataError, match=r"line 4: a.png stands in line 2 already"):
        scan("path,label\na.png,u\nb.png,v\n./a.png,v\n")


def test_a_patient_has_one_class_unless_that_is_meant(scan):
    text = "path,label,patient\na.png,u,p\nb.png,u,\nc.png,v,p\nd.png,v,\n"
    with pytest.raises(DataError, match=r"line 4: patient p is v here and u in line 2.*data.patient_labels=many"):
        scan(text)
    assert len(scan(text, many_labels=True).records) == 4


def test_paths_may_be_absolute_or_written_with_backslashes(scan, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.png").touch()
    found = scan(f"path,label\nsub\\e.png,u\n{tmp_path}/a.png,v\n")
    assert {record.path for record in found.records} == {"sub/e.png", f"{tmp_path}/a.png"}
