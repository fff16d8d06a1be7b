"""Tables of predictions for the tests of the statistics."""

from dataclasses import replace

import numpy as np

from covidnet.predictions import Prediction, Predictions

NAMES = ("covid", "normal", "viral", "tb")


def drawn(n, size=2, seed=0, sharpness=1.0, split="test", per_patient=0, signal=1.5):
    """Rows whose true probabilities are known: at a sharpness of 1 they are calibrated.

    The classes are drawn from the probabilities, which are then sharpened.
    """
    random = np.random.default_rng(seed)
    logits = signal * random.normal(size=(n, size))
    shares = softmax(logits)
    truth = [random.choice(size, p=row) for row in shares]
    given = softmax(sharpness * logits)
    classes = NAMES[:size]
    rows = [
        Prediction(f"{i}.png", split, classes[index], tuple(row.tolist()), str(i // per_patient) if per_patient else "")
        for i, (index, row) in enumerate(zip(truth, given, strict=True))
    ]
    return Predictions(classes, tuple(rows))


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def binary(scores, positive, split="test", patients=None):
    """Rows of two classes from the scores of the first."""
    rows = [
        Prediction(f"{i}.png", split, NAMES[0] if hit else NAMES[1], (float(score), 1 - float(score)),
                   patients[i] if patients else "")
        for i, (score, hit) in enumerate(zip(scores, positive, strict=True))
    ]  # fmt: skip
    return Predictions(NAMES[:2], tuple(rows))


def repeated(table, times):
    """Every image ``times`` over, as those of one patient."""
    rows = [
        replace(row, path=f"{row.path}-{copy}", patient=f"patient {row.path}")
        for row in table.rows
        for copy in range(times)
    ]
    return Predictions(table.classes, tuple(rows))


def joined(*tables):
    return Predictions(tables[0].classes, tuple(row for table in tables for row in table.rows))


def relabelled(table):
    """The same rows, every label of two classes turned round."""
    other = dict(zip(table.classes, reversed(table.classes), strict=True))
    return Predictions(table.classes, tuple(replace(row, label=other[row.label]) for row in table.rows))
