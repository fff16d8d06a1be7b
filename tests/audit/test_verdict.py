import numpy as np

from covidnet.audit.findings import Finding, listed, ordered, reaches, worst
from covidnet.audit.probes import Score
from covidnet.audit.shortcuts import Cue, CueScore, judge_cues, mcnemar, strongest
from covidnet.audit.verdict import ModelScore, give_verdict


def cue(name="border", value=0.94, low=0.88, p=0.001, lungless=True, model_p=None, better=False, right=9):
    score = Score(value, low, min(1.0, value + 0.04), p, p, 0.5, np.zeros(1))
    on_test = None if model_p is None else np.arange(10) < right
    shown = Cue(name, f"the {name}", lungless, np.zeros((1, 1)))
    return CueScore(shown, score, {}, on_test, model_p, better)


def verdict(cues, others=(), model=None):
    return give_verdict([*judge_cues(cues, 2), *others], cues, model)


def test_the_model_against_the_cue():
    told = verdict([cue(model_p=1.0)], model=ModelScore(10, 10))
    assert told.level == "blocker"
    assert told.sentence == (
        "Do not trust a score on these images: the border alone reaches 0.94 [0.88, 0.98] where guessing reaches 0.50; "
        "the model's 1.00 on 10 images cannot be told apart from it."
    )
    assert (
        "is better than it (p = 0.01)" in verdict([cue(model_p=0.01, better=True)], model=ModelScore(10, 10)).sentence
    )
    assert "the model's 0.80 on 10 images is no better" in verdict([cue(model_p=1.0)], model=ModelScore(8, 10)).sentence


def test_a_weak_shortcut_is_a_warning_and_chance_is_nothing():
    assert verdict([cue(value=0.7, low=0.6)]).sentence.startswith("Doubt a score on these images: the border alone")
    clean = verdict([cue(value=0.6, low=0.48, p=0.2)])
    assert clean.level == "clean" and "no leak and no shortcut" in clean.sentence


def test_cues_with_lungs_never_alarm():
    told = judge_cues([cue("thumbnail", lungless=False)], 2)
    assert {one.severity for one in told if one.id == "shortcuts.thumbnail"} == {"note"}
    assert verdict([cue("thumbnail", lungless=False), cue(p=0.5)]).level == "clean"


def test_of_cues_nearly_as_good_the_first_speaks():
    assert strongest([cue("a", 0.94), cue("b", 0.98)]).cue.name == "a"
    assert strongest([cue("a", 0.80), cue("b", 0.98)]).cue.name == "b"
    assert strongest([cue(p=0.5)]) is None


def test_the_gravest_come_first_and_the_rest_is_counted():
    others = [Finding(str(i), "warning", "t", "e", "a", clause=f"clause {i}") for i in range(5)]
    told = verdict([cue(value=0.7, low=0.6)], [*others, Finding("z", "blocker", "t", "e", "a", clause="the worst")])
    assert told.sentence.startswith("Do not trust a score on these images: the worst; the border alone")
    assert told.sentence.endswith("and 4 more.")
    assert (told.blockers, told.warnings) == (1, 6)


def test_mcnemar_by_hand():
    first, second = np.array([True] * 6 + [False] * 4), np.array([False] * 6 + [False] * 4)
    assert mcnemar(first, second) == 2 * 0.5**6
    assert mcnemar(first, first) == 1.0


def test_severities():
    found = [Finding("a", "note", "", "", ""), Finding("b", "blocker", "", "", ""), Finding("c", "warning", "", "", "")]
    assert [one.id for one in ordered(found)] == ["b", "c", "a"] and worst(found) == "blocker"
    assert [one.id for one in reaches(found, "warning")] == ["b", "c"]
    assert reaches(found, "never") == [] and worst([]) is None
    assert listed(list("abcde")) == "a, b, c and 2 more"
