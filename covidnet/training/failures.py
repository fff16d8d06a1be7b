"""What stops a run and is nobody's mistake in the configuration: a full disk, a full memory, the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from covidnet.config.schema import TrainConfig
from covidnet.errors import RunError
from covidnet.files import CANNOT_WRITE
from covidnet.models.weights import first_line
from covidnet.runs.layout import RunLayout, go_on_with

OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")
"""Parts of messages by which libraries say so in errors that have no type of their own."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory, of whichever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)


@contextmanager
def in_words(settings: TrainConfig, layout: RunLayout) -> Iterator[None]:
    """Turn errors of the machine into lines that say what to do.

    Raises:
        RunError: A file cannot be written, or the memory is too small.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        place = error.filename or layout.directory
        raise RunError(f"{place}: {error.strerror}. Make room, then {go_on_with(layout)}") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(_too_little_memory(settings, error)) from error


def _too_little_memory(settings: TrainConfig, error: BaseException) -> str:
    batch, steps = settings.data.batch_size, settings.trainer.accumulate_grad_batches
    advice = "Try a smaller data.image_size, or another backbone"
    if batch > 1:
        advice = (
            f"Start a new run with data.batch_size={batch // 2} trainer.accumulate_grad_batches={steps * 2}, which has "
            "as many images in each step of the optimiser, or let the run find what fits: compute.out_of_memory=halve"
        )
    return f"data.batch_size={batch}: the memory is too small for it ({first_line(error)}). {advice}."
