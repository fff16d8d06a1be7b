import json

import numpy as np
import pytest

from covidnet.demo.pictures import figure
from covidnet.demo.texts import answer_text, heading, read_verdict, score_of
from covidnet.inference.answer import Answer
from covidnet.runs.layout import RunLayout

NASTY = "<img src=x onerror=alert(1)>&\n\udce9"
CLEAN = "&lt;img src=x onerror=alert(1)&gt;&amp;��"


def test_no_text_of_a_file_becomes_markup(tmp_path):
    (tmp_path / "audit.json").write_text(json.dumps({"verdict": {"level": NASTY, "sentence": NASTY}}))
    layout = RunLayout(tmp_path)
    page = heading(layout, read_verdict(layout), [NASTY], NASTY)
    assert page.count(CLEAN) == 3 and "<img" not in page
    for answer in (Answer(NASTY, NASTY, (0.5, 0.5), (NASTY,)), Answer(NASTY, None, None, (NASTY,))):
        text = answer_text(answer, (NASTY, "normal"))
        assert text.count(CLEAN) == (4 if answer.predicted else 2) and "<img" not in text
    assert 'alt="&lt;b&gt;&quot;"' in figure(np.zeros((1, 2, 2), dtype=np.uint8), NASTY, '<b>"')


@pytest.mark.parametrize(("level", "style"), [("blocker", "stop"), ("warning", "doubt"), ("clean", "fine")])
def test_the_audits_verdict(tmp_path, level, style):
    (tmp_path / "audit.json").write_text(json.dumps({"verdict": {"level": level, "sentence": "It is so."}}))
    verdict = read_verdict(RunLayout(tmp_path))
    assert (verdict.sentence, verdict.style) == ("It is so.", style)
    assert f'<p class="box {style}"><b>Audit of the run.</b> It is so.</p>' in heading(
        RunLayout(tmp_path), verdict, [], None
    )


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"verdict": 3}', "[" * 100_000], ids=lambda text: str(text)[:9]
)
def test_a_run_without_a_readable_audit_says_how_to_make_one(tmp_path, content):
    if content is not None:
        (tmp_path / "audit.json").write_text(content)
    verdict = read_verdict(RunLayout(tmp_path))
    assert verdict.style == "doubt" and f"python -m covidnet.audit run={tmp_path}" in verdict.sentence


def test_a_run_over_folds_has_the_audit_of_its_first(tmp_path):
    for fold, sentence in (("fold=0", "first"), ("fold=1", "second")):
        (tmp_path / fold).mkdir()
        (tmp_path / fold / "audit.json").write_text(json.dumps({"verdict": {"level": "clean", "sentence": sentence}}))
    assert read_verdict(RunLayout(tmp_path)).sentence == "first"


def test_what_an_answer_says():
    text = answer_text(Answer("a.png", "b", (0.25, 0.75), (), {"features": 0.5}), ("a", "b"))
    assert "<b>b</b> for <code>a.png</code>" in text and "features 0.50" in text and "never a diagnosis" in text
    assert text.index("0.750") < text.index("0.250") and "width: 75.0%" in text
    refused = answer_text(Answer("a.png", None, None, ("blank: yes", "odd shape: yes")), ("a", "b"))
    assert "<b>No prediction</b>" in refused and refused.count("<li>") == 2 and "<table" not in refused


def test_the_score_with_its_interval_and_its_warning(tmp_path):
    file = tmp_path / "metrics.json"
    assert score_of(file) is None
    content = {"accuracy": {"value": 0.9, "low": 0.55, "high": 1.0, "n": 10}, "protocol": {"warning": None}}
    file.write_text(json.dumps(content))
    assert score_of(file) == "Test accuracy 0.90 [0.55, 1.00] on 10 images."
    file.write_text(json.dumps(content | {"protocol": {"warning": "optimistic"}}))
    assert score_of(file) == "Test accuracy 0.90 [0.55, 1.00] on 10 images; optimistic."
    file.write_text(json.dumps({"accuracy": {"value": None}}))
    assert score_of(file) is None
