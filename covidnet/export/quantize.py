"""int8: weights and activations as 8-bit integers, by onnxruntime's static quantisation.

By channel, with the ranges of training images (min-max), as pairs of QuantizeLinear and DequantizeLinear. Measured on
EfficientNet-Lite0: without training images (dynamic quantisation), or with one range for all channels of a layer, it
named every image the same class.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from covidnet.errors import ExportError
from covidnet.export.agreement import Floats
from covidnet.export.graph import INPUT
from covidnet.export.onnx_file import quiet, save_described
from covidnet.models.weights import first_line


class _Reader:
    """Batches of images, as onnxruntime asks for them."""

    def __init__(self, batches: Iterable[Floats]) -> None:
        self._batches: Iterator[Floats] = iter(batches)

    def get_next(self) -> dict[str, Floats] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantize(source: Path, target: Path, batches: Iterable[Floats], described: Mapping[str, str]) -> None:
    """Write a quantised copy of an ONNX file.

    Args:
        source: In floating point.
        target: To be written.
        batches: Of training images, shape (B, 3, S, S), RGB in [0, 1].
        described: Its metadata.

    Raises:
        ExportError: onnxruntime cannot quantise it.
    """
    import onnx

    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            _quantize(source, target, Path(folder) / "prepared.onnx", batches)
    except Exception as error:  # onnxruntime's own kinds have no common base
        raise ExportError(f"int8=true: onnxruntime cannot quantise this network: {first_line(error)}") from error
    save_described(onnx.load(target), target, described)


def _quantize(source: Path, target: Path, prepared: Path, batches: Iterable[Floats]) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    # A class of onnxruntime's cannot be a base before it is imported.
    reader: Any = type("Reader", (_Reader, CalibrationDataReader), {})(batches)
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(target),
        reader,
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
