"""Pages at the end of trainings, evaluations and sweeps, as a user types them."""

import subprocess
import sys

import pytest
from pages import Page
from support import ROOT, environment, only_run, runs_in

from covidnet.report.thumbnails import read_thumbnails

ON = "report.enabled=true"


def page_of(directory):
    return Page((directory / "report.html").read_text(encoding="utf-8"))


def test_a_run_ends_with_its_page_card_and_checklist(command, small, tmp_path):
    outcome = command("train", *small(tmp_path, ON, "protocol=holdout", "report.images=3"))
    run = only_run(tmp_path).directory
    assert outcome.status == 0
    assert f"page: {run / 'report.html'}" in outcome.out.splitlines()
    assert (run / "model_card.md").is_file() and (run / "checklist.md").is_file()
    assert len(read_thumbnails(run)) == 3
    page = page_of(run)
    assert len([own for own in page.of("img") if own.get("width") == "72"]) == 3
    assert len([own for own in page.of("tr") if "data-place" in own]) == 4
    assert "protocol=holdout" in page.words and "report.images" not in page.words[: page.words.index("share of images")]


def test_the_page_can_be_made_again_where_the_images_are_gone(command, small, tmp_path):
    command("train", *small(tmp_path, ON))
    run = only_run(tmp_path).directory
    first = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    typed = [sys.executable, "-m", "covidnet.report", str(run)]
    again = subprocess.run(typed, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=300)
    assert again.returncode == 0 and (run / "report.html").read_bytes() == first


def test_switched_off_there_is_none_and_an_older_one_goes(command, small, tmp_path):
    command("train", *small(tmp_path))
    run = only_run(tmp_path).directory
    assert not (run / "report.html").exists() and not (run / "thumbnails.npz").exists()
    (run / "report.html").write_text("of another training")
    assert command("train", f"resume={run}", "trainer.max_epochs=3").status == 0
    assert not (run / "report.html").exists()


def test_a_page_that_fails_leaves_the_run_finished(command, small, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("the template is torn\nand more")

    monkeypatch.setattr("covidnet.report.run_page.render_run", fail)
    outcome = command("train", *small(tmp_path, ON))
    run = only_run(tmp_path)
    assert outcome.status == 0 and run.metrics["n"] == 4
    assert (
        f"no page: the template is torn (the results are complete; try python -m covidnet.report {run.directory})"
        in (outcome.out.splitlines())
    )
    assert not (run.directory / "report.html").exists()


def test_a_shut_gate_still_leaves_a_page(command, small, tmp_path, monkeypatch):
    from covidnet.errors import AuditGateError

    def shut(*_):
        raise AuditGateError("audit.fail_on=warning: found something")

    monkeypatch.setattr("covidnet.training.audit.shut_gate", shut)
    outcome = command("train", *small(tmp_path, ON, "audit=fast", "audit.after_training=false"))
    assert outcome.status == 3
    page = page_of(only_run(tmp_path).directory)
    assert "audit" in [own.get("id") for own in page.of("section")]


def test_an_evaluation_has_a_page_where_the_run_had_one(command, small, tmp_path):
    command("train", *small(tmp_path, ON))
    run = only_run(tmp_path).directory
    assert command("evaluate", f"run={run}", "split=train").status == 0
    page = page_of(run / "evaluation" / "train")
    assert "the model was trained on these same images" in page.words.lower()
    assert page.of("a", href="./../../report.html")
    assert command("evaluate", f"run={run}", "report=false", "predict=always").status == 0
    assert not (run / "evaluation" / "test" / "report.html").exists()
    assert command("evaluate", f"run={run}", "bins=5").status == 0  # from the stored predictions, without images
    assert len([own for own in page_of(run / "evaluation" / "test").of("img") if own.get("width") == "72"]) == 4


def test_folds_have_pages_and_one_of_them_all(command, small, tmp_path):
    assert command("train", *small(tmp_path, ON, "protocol=kfold", "folds=2", "trainer.max_epochs=1")).status == 0
    run = only_run(tmp_path).directory
    page = page_of(run)
    links = [own["href"] for own in page.of("a") if "fold=" in own["href"]]
    assert links == ["./fold=0/report.html", "./fold=1/report.html"]
    assert all((run / link).is_file() for link in links)
    assert len([own for own in page.of("tr") if "data-place" in own]) == 20
    assert len([own for own in page.of("img") if own.get("width") == "72"]) == 20


def test_an_external_set_is_shown_with_its_pictures(command, small, tmp_path, images):
    assert command("train", *small(tmp_path, ON, f"data.external={images}")).status == 0
    page = page_of(only_run(tmp_path).directory)
    assert {own["data-part"] for own in page.of("tr") if "data-part" in own} == {"test", "external"}
    assert len([own for own in page.of("img") if own.get("width") == "72"]) == 24


def test_a_sweep_has_a_page_that_leads_to_its_runs(command, small, tmp_path):
    outcome = command("train", "-m", *small(tmp_path, ON, "random_state=1,2", "trainer.max_epochs=1"))
    assert outcome.status == 0
    (sweep,) = runs_in(tmp_path)
    page = page_of(sweep.directory)
    links = [own["href"] for own in page.of("a") if own["href"].endswith("/report.html")]
    assert len(links) == 2 and all((sweep.directory / link).is_file() for link in links)
    assert "python train.py -m" in page.words and "random_state=1,2" in page.words
    one = page_of((sweep.directory / links[0]).parent)
    assert one.of("a", href="./../report.html")


@pytest.mark.parametrize(("given", "line"), [("report.images=-1", "report.images"), ("report=1", "report"),
                                             ("report.image=3", "Did you mean report.images?")])  # fmt: skip
def test_mistyped_keys_are_refused(command, small, tmp_path, given, line):
    outcome = command("train", *small(tmp_path, given))
    assert outcome.status == 2 and line in outcome.err
