import json

import pytest
import yaml
from made_up_runs import VERDICT, made_up, make_run

from covidnet.files import write_json
from covidnet.report.answers import CLAIM_FACTS, TRIPOD_FACTS, make_answers
from covidnet.report.checklist_items import CLAIM, TRIPOD_AI
from covidnet.report.run_page import make_run_page
from covidnet.report.source import read_run


def card_of(run):
    make_run_page(run)
    return (run / "model_card.md").read_text(encoding="utf-8")


def front_matter(text):
    start, head, body = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(head), body


def test_the_cards_results_are_those_of_the_run(tmp_path):
    run = make_run(tmp_path / "run", made_up(20, "val") + made_up(40, "test") + made_up(20, "external", seed=4))
    head, body = front_matter(card_of(run))
    metrics = json.loads((run / "metrics.json").read_text())
    internal, external = head["model-index"][0]["results"]
    assert (internal["dataset"]["name"], internal["dataset"]["split"]) == ("my_xrays", "test")
    assert internal["task"]["type"] == head["pipeline_tag"] == "image-classification"
    found = {one["type"]: one for one in internal["metrics"]}
    assert found["accuracy"]["value"] == pytest.approx(metrics["accuracy"]["value"], abs=1e-4)
    assert found["roc_auc"]["value"] == pytest.approx(metrics["auroc"], abs=1e-4)
    limits = metrics["accuracy"]
    assert found["accuracy"]["name"] == f"accuracy (95% CI {limits['low']:.3f} to {limits['high']:.3f})"
    assert {one["type"]: one["value"] for one in external["metrics"]}["accuracy"] == metrics["external"]["accuracy"][
        "value"
    ]
    assert "external (n \\= 20)" in body.replace("(n =", "(n \\=").replace("\\(n", "(n").replace("\\)", ")")


def test_the_hub_reads_the_card(run):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(card_of(run))
    assert card.data.pipeline_tag == "image-classification"
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results["accuracy"] == json.loads((run / "metrics.json").read_text())["accuracy"]["value"]


def test_the_card_says_what_it_is_not_for_and_what_the_audit_found(run):
    _, body = front_matter(card_of(run))
    for text in (
        "For research only; never a diagnosis.", "## Out of scope", "Diagnosis, triage, screening", VERDICT,
        "**warning: the label can be read from the border.** It reaches 0.90.", "do not say",
    ):  # fmt: skip
        assert text in body, text
    (run / "audit.json").unlink()
    assert "The run was not audited" in card_of(run)


def test_the_articles_protocol_is_a_warning_in_the_card(tmp_path):
    text = card_of(make_run(tmp_path, made_up(10, "test"), protocol="article"))
    assert "the epoch was chosen on these same images: optimistic" in text


def test_the_checklists_are_whole():
    assert list(CLAIM) == [str(number) for number in range(1, 45)]
    assert {int("".join(filter(str.isdigit, item))) for item in TRIPOD_AI} == set(range(1, 28))
    assert len(TRIPOD_AI) == 52
    assert set(CLAIM_FACTS) <= set(CLAIM) and set(TRIPOD_FACTS) <= set(TRIPOD_AI)


def test_what_a_run_cannot_know_is_open(run):
    make_run_page(run)
    text = (run / "checklist.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and not line.startswith("| item")]
    assert len(rows) == len(CLAIM) + len(TRIPOD_AI)
    answers = {(table, row[0].strip("| ")): row[2] for table, row in zip([0] * 44 + [1] * 52, rows, strict=True)}
    for item in ("1", "3", "5", "11", "13", "14", "16", "18", "34", "36", "44"):
        assert answers[0, item].startswith("**open**"), item
    for item in ("3a", "5b", "6b", "8a", "14", "17", "18a", "18d", "19", "25"):
        assert answers[1, item].startswith("**open**"), item
    answered = sum(not answer.startswith("**open**") for answer in answers.values())
    assert f"{answered} of 96 items are answered" in text and "the authority" in text


def test_answers_come_from_the_files_and_go_with_them(run):
    claim, tripod = make_answers(read_run(run))
    assert "Patients: none of 30 has images in two parts" not in claim["20"]  # p0 to p9 are in both
    assert claim["20"].startswith("Images; 10 patients of 20 have images in several parts")
    assert claim["23"] == "torch 2.9.0." and "abc123" in claim["43"] and "ffff" in claim["7"]
    assert "20 validation images chose the epoch" in claim["19"] and "train 30" in claim["19"]
    assert claim["40"] == VERDICT == tripod["26"]
    assert "33" not in claim and "31" not in claim and "22" not in tripod  # no external set, no maps, no checkpoint
    for name in ("environment.json", "audit.json", "dataset.json", ".hydra/config.yaml"):
        (run / name).unlink()
    fewer, _ = make_answers(read_run(run))
    assert not {"7", "9", "12", "22", "23", "24", "25", "40", "43"} & set(fewer)


def test_class_imbalance_is_answered_only_where_the_configuration_knows_it(run):
    config = run / ".hydra" / "config.yaml"
    assert "13" not in make_answers(read_run(run))[1]
    text = config.read_text()
    config.write_text(text + "loss: {class_weights: balanced}\n")
    assert make_answers(read_run(run))[1]["13"] == "Against class imbalance: class weights balanced."
    config.write_text(text + "loss: {class_weights: none}\n")
    assert make_answers(read_run(run))[1]["13"] == "Nothing was done against class imbalance."


def test_an_unstated_seed_or_optimizer_is_not_invented(run):
    (run / ".hydra" / "config.yaml").write_text("protocol: holdout\n")
    claim, _ = make_answers(read_run(run))
    assert not {"9", "22", "24", "25"} & set(claim)
    write_json(run / "environment.json", {})
    assert "23" not in make_answers(read_run(run))[0]
