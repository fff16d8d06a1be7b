"""The page of a sweep, from runs that were never trained."""

import json
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from made_up_runs import made_up, make_run
from pages import Page

from covidnet.files import write_json, write_text
from covidnet.report.__main__ import main
from covidnet.report.run_page import make_run_page
from covidnet.sweeps.layout import SweepLayout, SweepRecord, write_record
from covidnet.sweeps.page import remake_sweep_page
from covidnet.sweeps.report import report_sweep

SCALES = ("[1,1]", "[0.7,1.3]")
MADE = tempfile.TemporaryDirectory(prefix="covidnet-made-up-runs-")


@cache
def made_run(number, overrides, page):
    """A run that is made once and copied into every sweep that has it."""
    rows = made_up(20, "val", seed=number) + made_up(30, "test", seed=100 + number)
    directory = Path(MADE.name) / f"{len(list(Path(MADE.name).iterdir()))}"
    make_run(directory, rows, overrides=list(overrides))
    if page:
        make_run_page(directory)
    return directory


def make_sweep(directory, states=(1, 2, 3), fixed=("backbone=resnet18",), scales=SCALES, pages=True):
    jobs = {
        f"scale-{number}_state-{state}": {"augment.scale": scale, "random_state": str(state)}
        for number, scale in enumerate(scales)
        for state in states
    }
    for number, (name, values) in enumerate(jobs.items()):
        own = [f"{key}={value}" for key, value in values.items()]
        shutil.copytree(made_run(number, (*fixed, *own), pages), directory / name)
    write_record(SweepLayout(directory), SweepRecord(("augment.scale", "random_state"), tuple(fixed), jobs))
    return directory, jobs


def test_the_page_says_what_the_comparison_says_and_leads_to_every_run(tmp_path):
    directory, jobs = make_sweep(tmp_path)
    report_sweep(directory)
    page = Page((directory / "report.html").read_text(encoding="utf-8"))
    (comparison,) = json.loads((directory / "summary.json").read_text())["comparisons"]
    first = page.words[: page.words.index("Each two configurations")]
    assert "How does augment.scale change the accuracy?" in first and comparison["sentence"] in first
    assert f"{comparison['mean']:+.3f}".replace("-", "−") in first and "For research only" in first
    assert "augment.scale=[1,1],[0.7,1.3]" in first and "random_state=1,2,3" in first
    assert "Audit: 1 warning (first run)" in first
    links = [own["href"] for own in page.of("a") if own["href"].endswith("/report.html")]
    assert links == [f"./{name}/report.html" for name in jobs]
    assert all((directory / link).is_file() for link in links)
    assert len([own for own in page.of("figure") if "data-plot" in own]) == 2
    assert page.of("meta", **{"http-equiv": "Content-Security-Policy"}) and not page.of("img")


def test_runs_without_a_page_or_scores_stand_in_the_table_with_their_reason(tmp_path):
    directory, jobs = make_sweep(tmp_path)
    first, second, *_ = jobs
    (directory / first / "metrics.json").unlink()
    write_json(directory / first / "failure.json", {"error": "out of <memory>"})
    (directory / second / "report.html").unlink()
    page = Page(remake_sweep_page(directory).read_text(encoding="utf-8"))
    assert "2 of 6" not in page.words and "1 of 6 runs have no scores; 1 failed." in page.words
    assert "out of <memory>" in page.text and "failed" in page.words
    links = [own["href"] for own in page.of("a") if own["href"].endswith("/report.html")]
    assert f"./{second}/report.html" not in links and len(links) == 5


def test_two_swept_keys_have_a_table_of_means(tmp_path):
    directory, jobs = make_sweep(tmp_path, states=(1, 2))
    jobs = {name: {"augment.scale": values["augment.scale"], "backbone": f"b{values['random_state']}"}
            for name, values in jobs.items()}  # fmt: skip
    write_record(SweepLayout(directory), SweepRecord(("augment.scale", "backbone"), (), jobs))
    page = Page(remake_sweep_page(directory).read_text(encoding="utf-8"))
    assert "Mean accuracy by augment.scale (down) and backbone (across)" in page.words
    assert "It is the best of 4 by these same scores, which flatters it." in page.words


def test_seeds_alone_ask_how_much_the_score_varies(tmp_path):
    directory, _ = make_sweep(tmp_path, scales=SCALES[:1])
    page = Page(remake_sweep_page(directory).read_text(encoding="utf-8"))
    assert "How much does the accuracy vary from run to run?" in page.words
    assert "comparisons" not in [own.get("id") for own in page.of("section")]


def test_the_command_is_that_of_the_sweep(tmp_path):
    directory, _ = make_sweep(tmp_path, pages=False)
    task = ["random_state=1,2,3", "augment.scale=[1,1],[0.7,1.3]"]
    write_json(directory / "multirun.yaml", {"hydra": {"overrides": {"task": task, "hydra": ["hydra.mode=MULTIRUN"]}}})
    page = Page(remake_sweep_page(directory).read_text(encoding="utf-8"))
    assert "python train.py -m random_state=1,2,3 'augment.scale=[1,1],[0.7,1.3]'" in page.words


def test_the_page_is_made_again_by_the_command_and_for_any_folder_of_runs(tmp_path, monkeypatch, capsys):
    directory, _ = make_sweep(tmp_path)
    (directory / "sweep.json").unlink()
    monkeypatch.setattr(sys, "argv", ["report", str(directory)])
    assert main() == 0
    assert "How does augment.scale change the accuracy?" in (directory / "report.html").read_text(encoding="utf-8")


def test_without_reports_a_sweep_has_no_page(tmp_path):
    directory, _ = make_sweep(tmp_path, fixed=("report.enabled=false",), pages=False)
    write_text(directory / "report.html", "of another time")
    report_sweep(directory)
    assert not (directory / "report.html").exists() and (directory / "summary.json").is_file()


def test_a_page_that_fails_leaves_the_summary(tmp_path, monkeypatch, capsys):
    directory, _ = make_sweep(tmp_path, pages=False)
    monkeypatch.setattr("covidnet.sweeps.page.make_sweep_page", lambda results: 1 / 0)
    assert report_sweep(directory)
    assert (directory / "summary.json").is_file() and "no page: division by zero" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["<b>x</b>", 'a"b', "c\udcff"])
def test_values_of_strangers_are_text(tmp_path, name):
    directory, _ = make_sweep(tmp_path, states=(1,), scales=(name, "other"), pages=False)
    page = Page(remake_sweep_page(directory).read_bytes().decode("utf-8"))
    assert not page.of("b") and not page.of("img")
    assert name.replace("\udcff", "\N{REPLACEMENT CHARACTER}") in page.text


def test_a_sweep_prints_no_command_of_a_terminal(tmp_path, capsys):
    stranger, key = "x\x1b]0;title\x07\x9b31m", "augment.\x1b[2Jscale"
    directory, jobs = make_sweep(tmp_path, states=(1, 2), scales=(stranger, "other"), pages=False)
    jobs = {
        name: {key: values["augment.scale"], "random_state": values["random_state"]} for name, values in jobs.items()
    }
    jobs["more"] = {key: stranger, "random_state": "\x1b[31m"}
    (directory / "more").mkdir()
    (directory / "more" / "failure.json").write_text(json.dumps({"error": f"lost {stranger}"}))
    write_record(SweepLayout(directory), SweepRecord((key, "random_state"), ("backbone=\x1b[1m",), jobs))
    report_sweep(directory)
    out, err = capsys.readouterr()
    assert "title" in out and "failed: " in out
    assert not {char for char in out + err if not char.isprintable()} - {"\n"}
