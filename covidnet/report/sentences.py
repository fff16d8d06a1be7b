"""Sentences of a run's page that belong to no table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from covidnet.report.source import RunFiles
from covidnet.report.words import interval, number, with_interval
from covidnet.reporting.patients import RULE_TITLES


def drop_text(files: RunFiles) -> str:
    """How the accuracy changes from internal to external images: ``-0.10 [-0.25, +0.05]``."""
    drop = (files.metrics.get("external") or {}).get("accuracy_drop") or {}
    value = drop.get("value")
    if value is None:
        return ""
    limits = f" [{0 - drop['high']:+.2f}, {0 - drop['low']:+.2f}]" if drop.get("low") is not None else ""
    return f"{0 - value:+.2f}{limits}"


def patient_scores(files: RunFiles) -> dict[str, Any] | None:
    """What patients.csv gives, where images were combined to patients."""
    found = files.metrics.get("patients")
    if not isinstance(found, dict) or not isinstance(found.get("accuracy"), dict):
        return None
    rule = str(found.get("aggregate"))
    return {"rule": RULE_TITLES.get(rule, rule), "accuracy": with_interval(found["accuracy"]), "n": found.get("n")}


def area_texts(files: RunFiles) -> list[str]:
    """AUROC and average precision of the scored images, then of the external ones."""
    external = files.metrics.get("external") or {}
    texts = []
    for metrics in (files.metrics, external):
        for name, key in (("AUROC", "auroc"), ("Average precision", "average_precision")):
            limits = interval(metrics.get(f"{key}_interval"), 3)
            mean = ", mean of the classes," if len(files.table.classes) > 2 else ""
            texts.append(f"{name}{mean} {number(metrics.get(key), 3)} {limits}".rstrip() + ".")
    return texts


def calibration_text(metrics: Mapping[str, Any]) -> str:
    """The calibration error before and after a temperature, and whether it is applied."""
    found = metrics.get("calibration")
    if not isinstance(found, dict) or not isinstance(found.get("before"), dict):
        return ""
    usual = (metrics.get("ece_if_calibrated") or {}).get("high")
    text = f"The calibration error is {number(found['before'].get('ece'), 3)}"
    text += f" (chance alone gives a calibrated model up to {number(usual, 3)})." if usual is not None else "."
    after = found.get("after")
    if not isinstance(after, dict):
        return f"{text} No temperature was fitted: {found.get('reason')}." if found.get("reason") else text
    temperature = f"A temperature of {number(found.get('temperature'))}" if found.get("temperature") else (
        "Each fold's own temperature"
    )  # fmt: skip
    applied = "it is applied to all numbers here" if found.get("applied") else "it is not applied to the numbers here"
    return f"{text} {temperature} would make it {number(after.get('ece'), 3)}; {applied}."


def saliency_text(saliency: Mapping[str, Any] | None) -> str:
    """Such as "Grad-CAM: 0.45 [0.40, 0.50] of the evidence lies inside the lung field, which is 0.38 of the image"."""
    methods = (saliency or {}).get("methods")
    if not isinstance(methods, dict):
        return ""
    texts = []
    for one in methods.values():
        overall = one.get("overall") if isinstance(one, dict) else None
        if isinstance(overall, dict):
            inside, area = overall.get("inside_lungs"), overall.get("lung_area")
            texts.append(
                f"{one.get('title')}: {with_interval(inside)} of the evidence lies inside the lung field, "
                f"which is {number((area or {}).get('value'))} of the image."
            )
    return " ".join(texts)
