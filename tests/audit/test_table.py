import pytest

from covidnet.audit.representation import judge_representation
from covidnet.audit.table import Column, Table, find_table, read_table
from covidnet.data.records import Record
from covidnet.errors import DataError

RECORDS = [Record(f"{label}/{i:02d}.png", label) for i, label in enumerate(["covid"] * 12 + ["normal"] * 12)]


def write(path, header, rows):
    path.write_text("\n".join([",".join(header), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_rows_find_their_images_by_path_name_or_stem(tmp_path):
    rows = [("covid/00.png", "p1", "A"), ("01.png", "p2", "B"), ("02", "p1", ""), ("elsewhere.png", "p9", "C")]
    table = read_table(write(tmp_path / "t.csv", ("filename", "Patient ID", "Hospital"), rows), RECORDS)
    assert table.patient.name == "Patient ID" and table.patient.values[:4] == ("p1", "p2", "p1", "")
    assert [column.name for column in table.sources] == ["Hospital"] and table.sources[0].known == 2


def test_an_ambiguous_name_names_no_image(tmp_path):
    twins = [Record("a/1.png", "a"), Record("b/1.png", "b")]
    path = write(tmp_path / "t.csv", ("file", "patient"), [("a/1.png", "p1"), ("b/1.png", "p2"), ("a/1.png", "p3")])
    assert read_table(path, twins).patient.values == ("", "p2")


def test_the_data_root_s_own_table_is_used(tmp_path):
    assert find_table(tmp_path, None, RECORDS) == Table()
    write(tmp_path / "metadata.csv", ("path", "sex"), [("covid/00.png", "F")])
    assert find_table(tmp_path, None, RECORDS).described["sex"].values[0] == "F"


def test_tables_that_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match="no such table"):
        read_table(tmp_path / "missing.csv", RECORDS)
    with pytest.raises(DataError, match="none names the image"):
        read_table(write(tmp_path / "a.csv", ("age", "sex"), [(3, "F")]), RECORDS)
    with pytest.raises(DataError, match="names none of the 24 images"):
        read_table(write(tmp_path / "b.csv", ("path", "sex"), [("other.png", "F")]), RECORDS)


def judged(**columns):
    described = {role: Column(role, values) for role, values in columns.items()}
    return {one.id: one for one in judge_representation(RECORDS, Table(described=described))}


def test_children_against_adults():
    ages = tuple(["45"] * 6 + ["60Y"] * 6 + ["3"] * 6 + ["018M"] * 6)
    found = judged(age=ages)["representation.age"]
    assert found.severity == "warning" and "covid 52 (12 known), normal 2 (12 known)" in found.evidence
    assert judged(age=tuple(["40", "50"] * 12))["representation.age"].severity == "note"


def test_views_and_sexes():
    assert judged(view=tuple(["PA"] * 12 + ["AP"] * 12))["representation.view"].severity == "warning"
    assert judged(sex=tuple(["F", "M"] * 12))["representation.sex"].severity == "note"
    assert "representation.sex" not in judged(sex=tuple(["F", "M"] + [""] * 22))


def test_class_balance():
    assert judged()["representation.classes"].severity == "note"
    (uneven,) = judge_representation(RECORDS[:15], Table())
    assert uneven.severity == "warning" and "80%" in uneven.evidence


def test_what_the_data_source_knows_comes_before_a_table_in_the_root(tmp_path):
    write(tmp_path / "metadata.csv", ("path", "sex"), [("covid/00.png", "F")])
    known = [Record(f"{i}.png", "covid", f"p{i}", "north", age="3") for i in range(4)]
    table = find_table(tmp_path, None, known)
    assert table.patient.values == ("p0", "p1", "p2", "p3")
    assert [column.name for column in table.sources] == ["source"]
    assert set(table.described) == {"age"} and table.file == "the data source"
