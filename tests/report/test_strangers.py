"""Names of strangers: files, patients, sources, classes and folders may be called anything."""

import json

import pytest
import yaml
from made_up_runs import CLASSES, add_saliency, audit, made_up, make_run
from pages import Page

from covidnet.files import write_json, write_text
from covidnet.predictions import Prediction
from covidnet.report.markdown import code, code_block, escape
from covidnet.report.run_page import make_run_page
from covidnet.report.source import read_run

NAMES = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "it's \"quoted\"", "new\nline", "tab\there",
    "bytes_\udcff\udcfe", "</script><script>alert(2)</script>", "{{ 7 * 7 }}", "{% raw %}", "[link](http://evil.example)",
    "a|b`c`*d*", "javascript:alert(1)", "\u202emirrored", "\x1b[31mred", "&lt;b&gt;", "--><b>",
)  # fmt: skip


@pytest.fixture
def strange(tmp_path):
    rows = [
        Prediction(row.path, row.split, row.label, row.probabilities, NAMES[n % 16], NAMES[(n + 1) % 16])
        for n, row in enumerate(made_up(20, "val") + made_up(48, "test", names=NAMES) + made_up(20, "external"))
    ]
    run = make_run(tmp_path / "run <b>&'x", rows, overrides=[f"backbone={name}" for name in NAMES[:3]])
    add_saliency(run, read_run(run).scored.rows[:4])
    found = audit(list(NAMES[:5]))
    found["verdict"]["sentence"] = found["findings"][0]["title"] = NAMES[0]
    write_json(run / "audit.json", found)
    write_json(run / "environment.json", {"command": ["python", "train.py", *NAMES], "data": {"root": NAMES[1]},
                                          "packages": {NAMES[0]: NAMES[1]}, "git": {"commit": NAMES[0]}})  # fmt: skip
    return run


def test_names_are_text_and_nothing_else(strange):
    text = make_run_page(strange).read_bytes().decode("utf-8")  # it is UTF-8 whatever the names
    page = Page(text)
    assert len(page.of("script")) == 3 and all(set(own) <= {"type", "id"} for own in page.of("script"))
    assert all(own["src"].startswith("data:image/") for own in page.of("img"))
    assert not [key for _, own in page.elements for key in own if key.startswith("on")]
    assert not page.of("b") and "49" not in page.words[: page.words.index("Scores")]
    assert all(own["href"].startswith(("#", "./")) for own in page.of("a"))
    for name in ("/script>", NAMES[2], NAMES[7], NAMES[8], NAMES[14]):  # a slash makes a folder
        assert f"{name.rpartition('/')[2]}_test" in page.text
    assert "covid/<script>alert(1)<" in page.text
    shown = {own["data-name"] for own in page.of("tr") if "data-name" in own}
    assert any(name.startswith("new\N{REPLACEMENT CHARACTER}line") for name in shown)
    assert any(name.startswith("bytes_\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}") for name in shown)


def test_the_scripts_data_cannot_end_their_element(tmp_path):
    classes = ("</script><script>alert(1)</script>", "normal")
    rows = [
        Prediction(row.path, row.split, classes[CLASSES.index(row.label)], row.probabilities)
        for row in made_up(20, "val") + made_up(40, "test")
    ]
    text = _make(tmp_path, classes, rows)
    start = text.index('id="threshold-data">') + len('id="threshold-data">')
    data = json.loads(text[start : text.index("</script>", start)])
    assert data["series"][0]["name"] == classes[0]
    assert len(Page(text).of("script")) == 3


def _make(directory, classes, rows):
    from covidnet.predictions import Predictions
    from covidnet.reporting.results import Protocol, save_results

    protocol = Protocol.of("holdout", "val")
    save_results(directory, Predictions(classes, tuple(rows)), "test", None, classes[0], protocol, [], {})
    return make_run_page(directory).read_text(encoding="utf-8")


def test_an_overlay_lies_in_the_run_or_is_not_shown(run, tmp_path):
    files = read_run(run)
    add_saliency(run, files.scored.rows[:1])
    outside = tmp_path / "secret.png"
    (run / "saliency" / "0000_gradcam.png").rename(outside)
    for name in ("../secret.png", str(outside), "saliency/none.png", "metrics.json"):
        table = (run / "saliency.csv").read_text().splitlines()
        write_text(run / "saliency.csv", "\n".join([table[0], table[1].rpartition(",")[0] + f",{name}"]) + "\n")
        page = Page(make_run_page(run).read_text())
        assert not [own for own in page.of("img") if own["alt"].startswith("Grad-CAM")], name


def test_the_card_and_the_checklist_hold_names_as_text(strange):
    make_run_page(strange)
    for name in ("model_card.md", "checklist.md"):
        text = (strange / name).read_bytes().decode("utf-8")
        _, _, body = text.partition("\n# ")
        lines = [line for line in body.splitlines() if not line.startswith("    ")]
        unescaped = "\n".join(lines).replace("\\<", "").replace("\\[", "")
        outside_code = "".join(unescaped.split("`")[::2])
        assert "<script" not in outside_code and "<img" not in outside_code and "[link" not in outside_code
        assert "http://" not in outside_code
    head = (strange / "model_card.md").read_text(encoding="utf-8").split("---\n")[1]
    assert yaml.safe_load(head)["model-index"][0]["name"] == strange.name


def test_escaped_text_is_read_as_it_was():
    commonmark = pytest.importorskip("markdown_it")
    for name in NAMES:
        printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
        for written in (f"x {escape(name)} y", f"x {code(name)} y"):
            tokens = commonmark.MarkdownIt().parse(written)[1].children
            assert {token.type for token in tokens} <= {"text", "text_special", "code_inline"}
            assert "".join(token.content for token in tokens) == f"x {printable} y"
    assert code_block(["a\nb\x00"]) == ["    a", "    b\N{REPLACEMENT CHARACTER}"]
