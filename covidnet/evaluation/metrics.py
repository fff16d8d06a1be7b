"""Every score of a table of predictions, as plain values that JSON can hold; what is undefined is None."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from covidnet.errors import ConfigError
from covidnet.evaluation.bootstrap import RESAMPLES, Resamples, clusters
from covidnet.evaluation.calibration import BINS
from covidnet.evaluation.operating_point import predictive_values
from covidnet.evaluation.probabilities import ProbabilityScores
from covidnet.evaluation.rates import Rate, rate_statistics, rates_to_json
from covidnet.naming import did_you_mean
from covidnet.predictions import Predictions

Indices = NDArray[np.int64]
"""Class indices, shape (N,)."""

LEVEL = 0.95

# Compared in lower case, without spaces and punctuation: "No Finding" and "no_finding" are one name.
NEGATIVE_NAME = re.compile(
    r"normals?|negatives?|neg|healthy|controls?|clear|benign|unaffected|none|no|false|0"
    r"|non?(findings?|disease|pneumonia|covid(19)?)|irrelevant(toinfection)?"
)


def default_positive_class(classes: Sequence[str]) -> str:
    """The first class, in order, that is not named like "normal"; the last one when all are.

    Raises:
        ValueError: There are no classes.
    """
    if not classes:
        raise ValueError("no classes to choose the positive one from")
    for name in classes:
        if not is_negative(name):
            return name
    return classes[-1]


def is_negative(name: str) -> bool:
    """Whether a class is named like "normal", "healthy" or "no finding"."""
    return NEGATIVE_NAME.fullmatch(re.sub(r"[\W_]+", "", name).lower()) is not None


def compute_metrics(
    predictions: Predictions,
    positive_class: str | None = None,
    *,
    bins: int = BINS,
    bootstrap: int = RESAMPLES,
    prevalence: float | None = None,
) -> dict[str, object]:
    """All scores of ``predictions``, which may be empty or lack some classes.

    Undefined values are None, never NaN: the recall of a class without images, the precision of a class that
    was never predicted, the AUROC of a split with one class. The macro and weighted averages count such
    values as 0, as scikit-learn's classification report does; the balanced accuracy is over the classes with
    images. docs/metrics.md says what each number is.

    Args:
        predictions: The table, of any number of classes.
        positive_class: Whose sensitivity and specificity are reported, one against the rest and by the
            predicted class; its probability gives the AUROC of two classes. None takes
            `default_positive_class`.
        bins: Of the expected calibration error.
        bootstrap: Number of resamples; they are the same ones at every call.
        prevalence: Share of the positive class among those whom the model is meant for, for predictive values.

    Returns:
        Only dicts, lists, strings, ints, floats and None. ``confusion_matrix`` has a row per true and a
        column per predicted class, in the order of ``classes``.

    Raises:
        ConfigError: ``positive_class`` is none of the classes.
    """
    classes = predictions.classes
    positive = classes.index(known_class(positive_class, classes))
    truth, predicted, patients = predictions.truth, _predicted(predictions), clusters(predictions)
    rates = {
        "accuracy": Rate(np.ones(len(truth), dtype=bool), predicted == truth),
        "sensitivity": Rate(truth == positive, predicted == positive),
        "specificity": Rate(truth != positive, predicted != positive),
    }
    scores = ProbabilityScores(predictions, positive, bins)
    resamples = Resamples(truth, patients, bootstrap)
    resampled = resamples.values({**rate_statistics(rates, patients), **scores.statistics()})
    found = rates_to_json(rates, patients, resamples, LEVEL, resampled)
    found["accuracy"]["correct"] = found["accuracy"].pop("successes")
    return {
        "n": len(truth),
        "n_patients": None if predictions.patients is None else resamples.patients,
        "classes": list(classes),
        "accuracy": found["accuracy"],
        "balanced_accuracy": _balanced_accuracy(truth, predicted),
        **scores.to_json(resampled, resamples, LEVEL),
        "positive_class": classes[positive],
        "sensitivity": found["sensitivity"],
        "specificity": found["specificity"],
        "predictive_values": None if prevalence is None else _predictive_values(rates, prevalence),
        "per_class": _per_class(truth, predicted, classes),
        "macro_average": _average(truth, predicted, len(classes), "macro"),
        "weighted_average": _average(truth, predicted, len(classes), "weighted"),
        "confusion_matrix": confusion_matrix(predictions).tolist(),
    }


def _predictive_values(rates: Mapping[str, Rate], prevalence: float) -> dict[str, object]:
    return predictive_values(rates["sensitivity"].exact(LEVEL), rates["specificity"].exact(LEVEL), prevalence)


def confusion_matrix(predictions: Predictions) -> NDArray[np.int64]:
    """Counts of shape (C, C): rows are true classes, columns predicted ones, in class order."""
    size = len(predictions.classes)
    counts = np.zeros((size, size), dtype=np.int64)
    # Not scikit-learn's: it refuses an empty table.
    np.add.at(counts, (predictions.truth, _predicted(predictions)), 1)
    return counts


def classification_report_text(predictions: Predictions) -> str:
    """scikit-learn's classification report; classes without images stay in it, with support 0."""
    if not len(predictions):
        return "no images, so no classification report\n"
    report: str = sk.classification_report(
        predictions.truth,
        _predicted(predictions),
        labels=list(range(len(predictions.classes))),
        target_names=list(predictions.classes),
        digits=2,
        zero_division=0,
    )
    return report


def known_class(name: str | None, classes: Sequence[str]) -> str:
    """The positive class: the configured one, or `default_positive_class` for None.

    Raises:
        ConfigError: There is no such class.
    """
    if name is None:
        return default_positive_class(classes)
    if name not in classes:
        hint = did_you_mean(name, classes)
        raise ConfigError(f"data.positive_class={name}: expected one of the classes {', '.join(classes)}.{hint}")
    return name


def _predicted(predictions: Predictions) -> Indices:
    """Predicted class indices; also for an empty table."""
    return predictions.predicted if len(predictions) else np.zeros(0, dtype=np.int64)


def _per_class(truth: Indices, predicted: Indices, classes: Sequence[str]) -> dict[str, dict[str, object]]:
    if not len(truth):
        return {name: {"precision": None, "recall": None, "f1": None, "support": 0} for name in classes}
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, predicted, labels=list(range(len(classes))), zero_division=np.nan
    )
    return {
        name: {
            "precision": _plain(precision[index]),
            "recall": _plain(recall[index]),
            "f1": _plain(f1[index]),
            "support": int(support[index]),
        }
        for index, name in enumerate(classes)
    }


def _average(truth: Indices, predicted: Indices, size: int, kind: str) -> dict[str, float | None]:
    """Precision, recall and F1 over all ``size`` classes; ``kind`` is macro or weighted (by support)."""
    if not len(truth):
        return {"precision": None, "recall": None, "f1": None}
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        truth, predicted, labels=list(range(size)), average=kind, zero_division=0
    )
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}


def _balanced_accuracy(truth: Indices, predicted: Indices) -> float | None:
    """Mean recall over the classes that have images."""
    if not len(truth):
        return None
    with warnings.catch_warnings():
        # It warns of a class that was predicted without having images; that is what we mean to leave out.
        warnings.simplefilter("ignore", UserWarning)
        return float(sk.balanced_accuracy_score(truth, predicted))


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
