"""Who is in each class: how many images, and age, sex and view where a table has them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import chi2_contingency, kruskal

from covidnet.audit.findings import Finding
from covidnet.audit.table import Column, Table
from covidnet.data.records import Record

UNEVEN = 3.0
"""Ratio of the largest to the smallest class from which accuracy misleads."""
ALARM = 0.01
LEAST_KNOWN = 10


def judge_representation(records: Sequence[Record], table: Table) -> list[Finding]:
    """Class balance, and each described column by class."""
    labels = [record.label for record in records]
    findings = [_balance(Counter(labels))]
    for role, column in table.described.items():
        found = _age(column, labels) if role == "age" else _kinds(role, column, labels)
        if found is not None:
            findings.append(found)
    return findings


def _balance(counts: Mapping[str, int]) -> Finding:
    shares = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    ratio = max(counts.values()) / min(counts.values())
    total = sum(counts.values())
    majority = max(counts.values()) / total
    uneven = ratio >= UNEVEN
    return Finding(
        id="representation.classes",
        severity="warning" if uneven else "note",
        title="uneven classes" if uneven else "class balance",
        evidence=f"{total} images: {shares}. Always naming the largest class is right for {majority:.0%}.",
        action="Report balanced accuracy, sensitivity and specificity." if uneven else "Nothing.",
        clause=f"always naming the largest class is right for {majority:.0%}" if uneven else "",
        numbers={"counts": dict(counts), "largest_share": majority},
    )


def _age(column: Column, labels: Sequence[str]) -> Finding | None:
    """Compare the ages of the classes by the Kruskal-Wallis test."""
    ages: dict[str, list[float]] = {label: [] for label in sorted(set(labels))}
    for value, label in zip(column.values, labels, strict=True):
        number = re.search(r"\d+(?:\.\d+)?", value)
        if number:
            ages[label].append(float(number.group()) / (12 if value.strip().lower().endswith("m") else 1))
    known = {label: values for label, values in ages.items() if values}
    total = sum(map(len, known.values()))
    if total < LEAST_KNOWN:
        return None
    medians = {label: float(np.median(values)) for label, values in known.items()}
    varied = len({value for values in known.values() for value in values}) > 1
    p_value = float(kruskal(*known.values()).pvalue) if len(known) > 1 and varied else 1.0
    texts = [f"{label} {medians[label]:.0f} ({len(values)} known)" for label, values in known.items()]
    differ = p_value <= ALARM
    return _finding(
        "age", differ, f"Median age: {', '.join(texts)}; Kruskal-Wallis p = {p_value:.2g}.", p_value, medians
    )


def _kinds(role: str, column: Column, labels: Sequence[str]) -> Finding | None:
    """Compare the shares of the classes by the chi-squared test."""
    counts: dict[str, Counter[str]] = {label: Counter() for label in sorted(set(labels))}
    for value, label in zip(column.values, labels, strict=True):
        if value:
            counts[label][value.lower()] += 1
    values = sorted({value for counter in counts.values() for value in counter})
    known = {label: counter for label, counter in counts.items() if counter}
    if sum(counter.total() for counter in known.values()) < LEAST_KNOWN:
        return None
    p_value = 1.0
    if len(known) > 1 and len(values) > 1:
        p_value = float(chi2_contingency([[counter[value] for value in values] for counter in known.values()]).pvalue)
    texts = [
        f"{label} " + ", ".join(f"{value} {count}" for value, count in counter.most_common(4))
        for label, counter in known.items()
    ]
    numbers = {label: dict(counter) for label, counter in known.items()}
    text = f"{role.capitalize()}: {'; '.join(texts)}; chi-squared p = {p_value:.2g}."
    return _finding(role, p_value <= ALARM, text, p_value, numbers)


def _finding(role: str, differ: bool, evidence: str, p_value: float, numbers: Mapping[str, object]) -> Finding:
    return Finding(
        id=f"representation.{role}",
        severity="warning" if differ else "note",
        title=f"the classes differ in {role}" if differ else f"{role} by class",
        evidence=evidence,
        action=f"Match the classes by {role}, or report the score within each group." if differ else "Nothing.",
        clause=f"the classes differ in {role}" if differ else "",
        numbers={"by_class": dict(numbers), "p_value": p_value},
    )
