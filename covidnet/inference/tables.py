"""Answers as a file, written while they come: a CSV table or a JSON document."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from covidnet.console import RESEARCH_ONLY
from covidnet.errors import DataError
from covidnet.files import replacing
from covidnet.inference.answer import Answer
from covidnet.inference.predictor import Predictor
from covidnet.ood.files import KINDS
from covidnet.predictions import PROBABILITY_PREFIX
from covidnet.spreadsheet import safe_path, safe_text

DISTANCE = "distance_"
"""Before the kind, in columns and keys."""


def write_answers(path: Path, kind: str, answers: Iterable[Answer], predictor: Predictor) -> None:
    """Write all answers, or nothing where one of them raises.

    Args:
        path: The file.
        kind: ``csv`` or ``json``.
        answers: Taken one by one.
        predictor: Whose answers they are.

    Raises:
        DataError: The file cannot be written.
    """
    write: Callable[[IO[str], Iterable[Answer], Predictor], None] = _write_csv if kind == "csv" else _write_json
    try:
        with (
            replacing(path) as temporary,
            temporary.open("x", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            write(file, answers, predictor)
    except OSError as error:
        raise DataError(f"output={path}: cannot be written ({error.strerror}). Give another file.") from error


def _write_csv(file: IO[str], answers: Iterable[Answer], predictor: Predictor) -> None:
    columns = [safe_text(PROBABILITY_PREFIX + name) for name in predictor.classes]
    distances = [DISTANCE + kind for kind in KINDS]
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["path", "predicted", *columns, "abstained", "reason", *distances, "saliency", "notice"])
    for answer in answers:
        probabilities = ["" for _ in columns] if answer.probabilities is None else map(repr, answer.probabilities)
        writer.writerow(
            [
                safe_path(answer.path),
                safe_text(answer.predicted or ""),
                *probabilities,
                int(answer.abstained),
                "; ".join(answer.reasons),
                *(f"{answer.distances[kind]:.4g}" if kind in answer.distances else "" for kind in KINDS),
                safe_path(answer.saliency or ""),
                RESEARCH_ONLY,
            ]
        )


def _write_json(file: IO[str], answers: Iterable[Answer], predictor: Predictor) -> None:
    """One image a line, so that the document is also written, and can be read, line by line."""
    head = json.dumps(_describe(predictor), indent=2, allow_nan=False)
    file.write(head.removesuffix("\n}") + ',\n  "images": [')
    separator = "\n"
    for answer in answers:
        file.write(f"{separator}    {json.dumps(answer_to_json(answer, predictor.classes), allow_nan=False)}")
        separator = ",\n"
    file.write("\n  ]\n}\n")


def _describe(predictor: Predictor) -> dict[str, Any]:
    return {
        "notice": RESEARCH_ONLY,
        "classes": list(predictor.classes),
        "models": [
            {"run": str(model.layout.directory), "temperature": model.calibration.temperature}
            for model in predictor.models
        ],
        "unchecked": predictor.unchecked,
    }


def answer_to_json(answer: Answer, classes: Iterable[str]) -> dict[str, Any]:
    """Plain values; a distance that is not finite is None."""
    probabilities = None if answer.probabilities is None else dict(zip(classes, answer.probabilities, strict=True))
    distances = {kind: answer.distances.get(kind) for kind in KINDS}
    return {
        "path": answer.path,
        "predicted": answer.predicted,
        "probabilities": probabilities,
        "abstained": answer.abstained,
        "reasons": list(answer.reasons),
        **{
            DISTANCE + kind: None if value is None or not math.isfinite(value) else value
            for kind, value in distances.items()
        },
        "saliency": answer.saliency,
    }
