"""ONNX files: written with their metadata, and run by onnxruntime on the CPU."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from covidnet.console import RESEARCH_ONLY
from covidnet.errors import ExportError, MissingExtraError
from covidnet.export.agreement import Floats, Outputs, Run
from covidnet.export.graph import BATCH, INPUT, OUTPUTS
from covidnet.models.weights import first_line

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
PRODUCER = "covidnet"


def require_onnx() -> None:
    """Make sure that the packages are there.

    Raises:
        MissingExtraError: One is not.
    """
    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        raise MissingExtraError("format=onnx", "export")


def write_onnx(program: torch.export.ExportedProgram, path: Path, described: Mapping[str, str]) -> None:
    """Write a program of `covidnet.export.graph.trace` as one ONNX file.

    Raises:
        ExportError: The exporter cannot translate it.
    """
    import onnx

    try:
        with quiet():
            torch.onnx.export(
                program,
                f=str(path),
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # of an operator that ONNX lacks, nearly any error
        raise ExportError(f"the network cannot be written as ONNX: {first_line(error)}") from error
    model = onnx.load(path)
    _name_batch(model)
    save_described(model, path, described)


def save_described(model: Any, path: Path, described: Mapping[str, str]) -> None:
    """Check a model and write it with its metadata."""
    import onnx

    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(described))
    model.producer_name = PRODUCER
    model.doc_string = RESEARCH_ONLY
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _name_batch(model: Any) -> None:
    """Call the free dimension of inputs and outputs by its name, where the exporter gave it a number."""
    first = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    for dimension in (one for value in values for one in value.type.tensor_type.shape.dim):
        if dimension.dim_param == first:
            dimension.dim_param = BATCH


def onnx_runner(path: Path) -> Run:
    """The file as a function, computed by onnxruntime.

    Raises:
        ExportError: onnxruntime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own kinds have no common base
        raise ExportError(f"{path.name}: onnxruntime cannot run it: {first_line(error)}") from error

    def run(images: Floats) -> Outputs:
        logits, probabilities = session.run(list(OUTPUTS), {INPUT: images})
        return np.asarray(logits), np.asarray(probabilities)

    return run


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporter and quantiser print and warn of to themselves; errors are raised all the same."""
    before = logging.root.manager.disable
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
