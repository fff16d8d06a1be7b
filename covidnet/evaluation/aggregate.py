"""From images to patients: the probabilities of a patient's images, or patches, combined to one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from covidnet.errors import ConfigError, DataError, RunError
from covidnet.evaluation.metrics import is_negative
from covidnet.predictions import Prediction, Predictions

Table = NDArray[np.float64]
"""Probabilities of one patient's images, shape (N, C)."""


def noisy_or(table: Table, negative: int | None) -> NDArray[np.float64]:
    """Probabilities of a patient by the noisy-OR rule, shape (C,), with sum 1.

    For each class c of disease, P_c = 1 - prod_i (1 - p_ic) over the patient's suspicious images i: those whose most
    probable class is one of disease. For the class without disease, P_0 = prod_i p_i0 over the same images. Then all
    are divided by their sum. Where no image is suspicious, the one with the lowest p_i0 stands for the patient.

    So a patient is called healthy when all images are, as in Xu et al. 2020 (arXiv 2002.09334), and ill otherwise: a
    suspicious image has p_i0 below its p_ic, hence P_0 below the largest P_c.

    Args:
        table: Shape (N, C), in [0, 1], N at least 1.
        negative: Index of the class without disease; None where every class is a disease, and then every image counts.
    """
    counted = table
    if negative is not None:
        suspicious = table.argmax(axis=1) != negative
        counted = table[suspicious] if suspicious.any() else table[[int(table[:, negative].argmin())]]
    combined = 1.0 - np.prod(1.0 - counted, axis=0)
    if negative is not None:
        combined[negative] = np.prod(counted[:, negative])
    return _normalised(combined)


def mean(table: Table, negative: int | None) -> NDArray[np.float64]:
    """Mean of the images' probabilities, shape (C,)."""
    return np.asarray(table.mean(axis=0))


def maximum(table: Table, negative: int | None) -> NDArray[np.float64]:
    """The highest probability of each disease, the lowest of the class without; scaled to sum 1, shape (C,)."""
    combined = table.max(axis=0)
    if negative is not None:
        combined[negative] = table[:, negative].min()
    return _normalised(combined)


RULES: Mapping[str, Callable[[Table, int | None], NDArray[np.float64]]] = {
    "mean": mean,
    "max": maximum,
    "noisy_or": noisy_or,
}
"""By the name that the configuration key ``aggregate`` gives them."""


def aggregate(predictions: Predictions, rule: str) -> Predictions:
    """One row per patient and split: ``path`` is the patient's name, or an image's own path where it has no patient.

    A patient whose images have several labels has the disease among them.

    Args:
        predictions: Rows of images, at least one with a patient.
        rule: One of ``RULES``.

    Raises:
        ConfigError: Several classes are named like "normal".
        DataError: No row has a patient.
        RunError: A patient's images are labelled with two diseases.
    """
    patients = predictions.patients
    if patients is None:
        raise DataError(no_patients(rule))
    negative = negative_class(predictions.classes, rule)
    groups: dict[tuple[str, str], list[Prediction]] = {}
    for row, patient in zip(predictions.rows, patients, strict=True):
        groups.setdefault((row.split, patient), []).append(row)
    return Predictions(
        predictions.classes, tuple(_combine(rows, predictions.classes, negative, rule) for rows in groups.values())
    )


def negative_class(classes: Sequence[str], rule: str) -> int | None:
    """Index of the one class named like "normal", "healthy" or "no finding"; None where there is none.

    Raises:
        ConfigError: There are several, so that it is not clear what a healthy patient is.
    """
    negative = [index for index, name in enumerate(classes) if is_negative(name)]
    if len(negative) > 1 and rule != "mean":
        names = " and ".join(classes[index] for index in negative)
        raise ConfigError(f"aggregate={rule}: both {names} mean no disease; expected one such class, or aggregate=mean")
    return negative[0] if len(negative) == 1 else None


def no_patients(rule: str) -> str:
    """The message for data that do not tell whose images are whose."""
    return (
        f"aggregate={rule}: no image's patient is known. A table names them with data.columns.patient=COLUMN, a folder "
        "with data.patients=names or a regular expression; aggregate=none needs none"
    )


def _combine(rows: Sequence[Prediction], classes: Sequence[str], negative: int | None, rule: str) -> Prediction:
    table = np.array([row.probabilities for row in rows], dtype=np.float64)
    name = rows[0].patient or rows[0].path
    sources = {row.source for row in rows}
    return Prediction(
        path=name,
        split=rows[0].split,
        label=_label(name, {row.label for row in rows}, None if negative is None else classes[negative]),
        probabilities=tuple(RULES[rule](table, negative).tolist()),
        source=sources.pop() if len(sources) == 1 else "",
    )


def _label(patient: str, labels: set[str], negative: str | None) -> str:
    diseases = sorted(labels - {negative})
    if len(diseases) > 1:
        raise RunError(
            f"patient {patient}: images are labelled {' and '.join(diseases)}; a patient has one disease. Correct the "
            "labels, or give aggregate=none"
        )
    return diseases[0] if diseases else str(negative)


def _normalised(combined: NDArray[np.float64]) -> NDArray[np.float64]:
    total = float(combined.sum())
    return combined / total if total > 0.0 else np.full(len(combined), 1.0 / len(combined))
