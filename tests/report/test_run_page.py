import base64
import hashlib
import json
import re

import pytest
from made_up_runs import VERDICT, add_saliency, made_up, make_run
from pages import Page

from covidnet.errors import RunError
from covidnet.files import write_json, write_text
from covidnet.report.__main__ import main
from covidnet.report.run_page import make_run_page
from covidnet.report.source import read_run
from covidnet.reporting.results import Protocol

OPTIMISTIC = "the epoch was chosen on these same images: optimistic"


def page_of(directory, *more):
    return Page(make_run_page(directory, *more).read_text(encoding="utf-8"))


def sections(page):
    return [own["id"] for own in page.of("section") if "id" in own]


def test_the_first_screen_says_the_question_the_number_the_protocol_and_the_audit(run):
    page = page_of(run)
    accuracy = json.loads((run / "metrics.json").read_text())["accuracy"]
    first = page.words[: page.words.index("share of images named rightly")]
    limits = f"{accuracy['value']:.2f} [{accuracy['low']:.2f}, {accuracy['high']:.2f}]"
    for text in (
        "Can covid be told from normal?", limits, f"{accuracy['correct']} of 40 test images right",
        "Always answering covid (the tick) would give 0.50", "backbone=resnet18", "trained on", "my_xrays",
        "Protocol: holdout 20 validation images chose the epoch", "Audit: 1 warning", VERDICT,
        "For research only; never a diagnosis.",
    ):  # fmt: skip
        assert text in first.replace("\n", " "), text
    assert "data.root" not in first  # a path is no part of the question


def test_the_articles_protocol_warns_on_the_first_screen(tmp_path):
    page = page_of(make_run(tmp_path, made_up(10, "test"), protocol="article"))
    assert Protocol.of("article", "test").warning == OPTIMISTIC
    assert "also chose the epoch. The epoch was chosen on these same images: optimistic." in page.words
    assert page.of("section", **{"class": "callout warning"})


def test_every_section_has_its_place_in_the_contents(run):
    page = page_of(run)
    present = sections(page)
    assert present == [
        "scores", "audit", "data", "training", "confusion", "threshold", "curves", "calibration", "images", "repeat",
    ]  # fmt: skip
    links = [own["href"] for own in page.of("a") if own.get("href", "").startswith("#") and own["href"] != "#main"]
    assert [link[1:] for link in links if link[1:] in present][-len(present) :] == present
    identifiers = [own["id"] for _, own in page.elements if own.get("id")]
    assert len(set(identifiers)) == len(identifiers)


def test_nothing_is_asked_of_the_network_and_only_our_script_may_run(run):
    text = make_run_page(run).read_text(encoding="utf-8")
    page = Page(text)
    (policy,) = [own["content"] for own in page.of("meta", **{"http-equiv": "Content-Security-Policy"})]
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    for tag in ("script", "style"):
        for body in re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL):
            assert base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() in allowed
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert all(own["src"].startswith("data:image/") for own in page.of("img"))
    assert not page.of("iframe") and not [own for own in page.of("script") if "src" in own]
    assert all("style" not in own for _, own in page.elements)
    assert not [key for _, own in page.elements for key in own if key.startswith("on")]
    assert not re.findall(r"url\((?!#)", text)
    outside = [own["href"] for own in page.of("a") if not own["href"].startswith(("#", "./"))]
    assert outside == []


def test_it_can_be_read_without_seeing_it(run):
    page = page_of(run)
    assert page.of("html", lang="en") and page.of("main") and len(page.of("h1")) == 1
    assert all(own.get("alt") for own in page.of("img"))
    plots = page.of("svg", role="img")
    assert len(plots) >= 8 and all(own["aria-label"] for own in plots)
    hidden = [own for own in page.of("svg") if own.get("role") != "img"]
    assert all(own["aria-hidden"] == "true" for own in hidden)
    assert all(own.get("scope") for own in page.of("th"))
    fields = {own["id"] for tag in ("input", "select") for own in page.of(tag) if "aria-label" not in own}
    assert fields <= {own["for"] for own in page.of("label")}
    assert all(own["tabindex"] == "0" for own in page.of("div") if own.get("role") == "region")


def test_images_stand_wrong_first_with_pictures_and_saliency(run):
    files = read_run(run)
    add_saliency(run, files.scored.rows[:3])
    page = page_of(run)
    rows = [own for own in page.of("tr") if "data-place" in own]
    assert len(rows) == 40
    right = [own["data-right"] for own in rows]
    assert right == sorted(right) and 0 < right.count("0") < 40
    sure = [float(own["data-confidence"]) for own in rows]
    wrong = right.count("0")
    assert sure[:wrong] == sorted(sure[:wrong], reverse=True) and sure[wrong:] == sorted(sure[wrong:])
    assert sum(own["alt"].startswith("Grad-CAM") for own in page.of("img")) == 3
    assert [own["data-inside"] for own in rows].count("0.25") == 3
    assert {own["data-patient"] for own in rows} == {f"p{number}" for number in range(20)}


def test_pictures_are_bounded_and_so_are_rows(tmp_path, monkeypatch):
    run = make_run(tmp_path, made_up(60, "test"))
    pictures = [own for own in page_of(run, 5).of("img") if own.get("width") == "72"]
    assert len(pictures) == 5
    monkeypatch.setattr("covidnet.report.images.MOST_ROWS", 30)
    page = page_of(run)
    assert sum("data-place" in own for own in page.of("tr")) == 30
    assert "The table holds the first 30; all are in predictions.csv" in page.words


@pytest.mark.slow
def test_ten_thousand_test_images_make_no_larger_page(tmp_path):
    run = make_run(tmp_path, made_up(10_000, "test"))
    assert make_run_page(run).stat().st_size < 5_000_000


def test_internal_and_external_stand_side_by_side_with_the_drop(tmp_path):
    run = make_run(tmp_path, made_up(20, "val") + made_up(40, "test", seed=2) + made_up(30, "external", seed=9))
    page, metrics = page_of(run), json.loads((run / "metrics.json").read_text())
    drop = metrics["external"]["accuracy_drop"]
    assert "test (n = 40) external (n = 30)" in page.words
    change = f"{-drop['value']:+.2f} [{-drop['high']:+.2f}, {-drop['low']:+.2f}]"
    assert f"From internal to external images the accuracy changes by {change}" in page.words
    assert f"{metrics['external']['accuracy']['value']:.2f}" in page.words[:1500]
    assert len([own for own in page.of("figure") if own.get("data-plot", "").endswith("_external")]) == 4


def test_a_run_over_folds_leads_to_the_pages_of_its_folds(tmp_path):
    rows = made_up(20, "val") + made_up(40, "test", seed=2)
    mean = {"mean": 0.8, "low": 0.6, "high": 1.0, "sd": 0.1, "n": 2, "method": "corrected"}
    folds = {"count": 2, "accuracy_per_fold": [0.7, 0.9], "auroc_per_fold": [0.8, None], "accuracy": mean}
    run = make_run(tmp_path / "run", rows, protocol="kfold", extra={"folds": folds})
    make_run(run / "fold=0", rows, protocol="kfold")
    make_run_page(run / "fold=0")
    page = page_of(run)
    assert [own["href"] for own in page.of("a") if "fold" in own["href"]][-1:] == ["./fold=0/report.html"]
    assert "fold 0 0.700 0.800 fold 1 0.900 –" in page.words
    assert "Mean accuracy of the folds 0.800 [0.600, 1.000] (corrected)" in page.words
    own = Page((run / "fold=0" / "report.html").read_text())
    assert own.of("a", href="./../report.html")


def test_an_evaluation_shows_its_own_numbers_and_the_runs_data(run):
    place = run / "evaluation" / "val"
    files = read_run(run)
    from covidnet.reporting.results import save_results

    save_results(place, files.table.of_split("val"), "val", None, None, Protocol.of("holdout", "val"), [], {})
    page = page_of(place)
    assert "20 validation images right" in page.words and "Images by class and part" in page.words
    assert page.of("a", href="./../../report.html")
    assert not (place / "model_card.md").exists()


def test_what_is_absent_is_left_out(run):
    for name in ("audit.json", "dataset.json", "history.csv", "environment.json", "split.csv", "thumbnails.npz"):
        (run / name).unlink()
    page = page_of(run)
    assert sections(page) == ["scores", "data", "confusion", "threshold", "curves", "calibration", "images", "repeat"]
    assert "No audit" in page.words and not [own for own in page.of("img") if own.get("width") == "72"]


FILES = (
    "audit.json", "dataset.json", "history.csv", "environment.json", "split.csv", "thumbnails.npz", "saliency.csv",
    ".hydra/config.yaml", "calibration.json",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", ["{", "[1, 2]", "\x00\xff"])
def test_what_is_damaged_is_left_out_and_told(run, name, content):
    (run / name).write_bytes(content.encode("latin-1"))
    page = page_of(run)
    assert "scores" in sections(page) and "images" in sections(page)


def test_damage_is_named_on_the_page(run):
    write_text(run / "audit.json", "{")
    assert "Left out of this page: audit.json could not be read" in page_of(run).words


def test_the_command_is_the_one_that_was_typed(run):
    page = page_of(run)
    assert "git checkout abc123 python train.py 'data.root=my xrays' backbone=resnet18" in page.words
    write_json(run / "environment.json", {"command": ["python", "train.py", "resume=run"]})
    assert "python train.py backbone=resnet18 data.root=x" in page_of(run).words


def test_an_older_run_without_intervals_and_calibration_has_a_page(run):
    metrics = json.loads((run / "metrics.json").read_text())
    kept = {
        key: value
        for key, value in metrics.items()
        if not key.endswith("_interval") and key not in {"calibration", "operating_point", "patients", "ece", "brier"}
    }
    write_json(run / "metrics.json", kept)
    page = page_of(run)
    assert "threshold" in sections(page) and "Brier score" not in page.words


def test_as_many_pictures_as_the_run_was_told(run):
    config = run / ".hydra" / "config.yaml"
    config.write_text(config.read_text() + "report: {images: 7}\n")
    assert len([own for own in page_of(run).of("img") if own.get("width") == "72"]) == 7


def test_a_page_follows_a_later_audit_where_there_is_one(run):
    from covidnet.training.page import refresh_page

    refresh_page(run)
    assert not (run / "report.html").exists()
    make_run_page(run)
    (run / "audit.json").unlink()
    refresh_page(run)
    assert "No audit" in (run / "report.html").read_text()


def test_a_directory_that_is_no_run_is_refused_in_words(tmp_path, capsys, monkeypatch):
    with pytest.raises(RunError, match=r"metrics\.json is missing"):
        make_run_page(tmp_path)
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    assert main() == 1
    assert "no finished run" in capsys.readouterr().err
    write_text(tmp_path / "metrics.json", "[]")
    with pytest.raises(RunError, match="expected a JSON object"):
        make_run_page(tmp_path)


def test_the_command_makes_a_page_again_without_the_images(run, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["report", str(run), "--images", "3"])
    assert main() == 0
    assert str(run / "report.html") in capsys.readouterr().out.replace("\n", "")
    assert {path.name for path in run.iterdir()} >= {"report.html", "model_card.md", "checklist.md"}
    before = (run / "report.html").read_bytes()
    assert main() == 0 and (run / "report.html").read_bytes() == before
