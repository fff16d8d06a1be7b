"""What a run's files say of its results, each fact a sentence; empty where they say nothing."""

from __future__ import annotations

from covidnet.report.scores import make_scores
from covidnet.report.source import RunFiles
from covidnet.report.words import counted, interval, listed, number, with_interval


def measures(files: RunFiles) -> str:
    """What was computed."""
    names = [row.name for row in make_scores(files).rows]
    return f"{', '.join(names)}; confusion matrix, ROC, precision-recall and reliability curves."


def uncertainty(files: RunFiles) -> str:
    """How the intervals were computed."""
    methods = make_scores(files).methods
    return f"95 % intervals: {'; '.join(methods)}." if methods else ""


def altered(files: RunFiles) -> str:
    """The model on altered images."""
    found = [one for one in (files.audit or {}).get("after_training") or [] if isinstance(one, dict)]
    tested = [f"{one.get('title')} {with_interval(one.get('accuracy'))}" for one in found]
    return f"Accuracy on altered test images: {'; '.join(tested)}." if tested else ""


def saliency(files: RunFiles) -> str:
    """Saliency maps, where they were made."""
    return "Saliency of test images, and its share inside the lung field: saliency.csv." if files.saliency else ""


def internal(files: RunFiles) -> str:
    """The accuracy on the run's own images."""
    accuracy = with_interval(files.metrics.get("accuracy"))
    return f"Accuracy {accuracy} on {counted(len(files.scored), 'image')} of the part {files.split_name}."


def external(files: RunFiles) -> str:
    """The accuracy on images from elsewhere."""
    found = files.metrics.get("external")
    if not isinstance(found, dict):
        return ""
    return f"Accuracy {with_interval(found.get('accuracy'))} on {found.get('n')} images from elsewhere."


def performance(files: RunFiles) -> str:
    """Accuracy and AUROC."""
    metrics = files.metrics
    area = f"{number(metrics.get('auroc'), 3)} {interval(metrics.get('auroc_interval'), 3)}".rstrip()
    return f"Accuracy {with_interval(metrics.get('accuracy'))}, AUROC {area}."


def diagnostic(files: RunFiles) -> str:
    """Sensitivity and specificity."""
    metrics = files.metrics
    sensitivity, specificity = (with_interval(metrics.get(key)) for key in ("sensitivity", "specificity"))
    return f"Sensitivity for {files.positive} {sensitivity}, specificity {specificity}."


def errors(files: RunFiles) -> str:
    """How many are wrong, and where they are shown."""
    table = files.scored
    wrong = int((table.truth != table.predicted).sum()) if len(table) else 0
    return f"{wrong} of {counted(len(table), 'image')} wrong; report.html shows them first."


def verdict(files: RunFiles) -> str:
    """The audit's sentence."""
    return str(((files.audit or {}).get("verdict") or {}).get("sentence", ""))


def by_cluster(files: RunFiles) -> str:
    """Accuracy on each source that was left out."""
    found = [one for one in (files.metrics.get("folds") or {}).get("external") or [] if isinstance(one, dict)]
    named = [
        (listed([str(name) for name in one["sources"]]), number(one.get("accuracy")))
        for one in found
        if one.get("sources")
    ]
    return f"Accuracy by source left out: {', '.join(map(' '.join, named))}." if named else ""


def predictions(files: RunFiles) -> str:
    """Where the probabilities are."""
    return "predictions.csv holds the class probabilities of every image; all numbers follow from it."


def recalibration(files: RunFiles) -> str:
    """Whether a temperature was fitted."""
    found = files.metrics.get("calibration") or {}
    if not found.get("after"):
        return ""
    state = "applied" if found.get("applied") else "not applied"
    return f"Temperature scaling, fitted on {found.get('n_fitted')} {found.get('fitted_on')} images; {state}."


def recalibrated(files: RunFiles) -> str:
    """The calibration error before and after."""
    found = files.metrics.get("calibration") or {}
    if not found.get("after") or not found.get("before"):
        return ""
    before, after = (number(found[key].get("ece"), 3) for key in ("before", "after"))
    return f"Calibration error {before} before and {after} after temperature scaling."
