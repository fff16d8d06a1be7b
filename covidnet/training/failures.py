"""What stops a run and is nobody's mistake in the configuration: a full disk, a full memory, the user."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

from covidnet.config.schema import TrainConfig
from covidnet.console import say
from covidnet.errors import RunError
from covidnet.files import CANNOT_WRITE
from covidnet.models.weights import first_line
from covidnet.runs.layout import RunLayout, go_on_with
from covidnet.runs.single import free_memory
from covidnet.runs.stored import store_changes

Fitted = TypeVar("Fitted")

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
    before = threading.excepthook
    threading.excepthook = partial(_in_threads, before)
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        place = error.filename or layout.directory
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        remedy = "Make room" if full else "See that it can be written"
        raise RunError(f"{place}: {error.strerror}. {remedy}, then {go_on_with(layout)}") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(_too_little_memory(settings, error)) from error
    finally:
        threading.excepthook = before


def _in_threads(usual: Callable[[threading.ExceptHookArgs], object], raised: threading.ExceptHookArgs) -> None:
    """TensorBoard's thread prints why it cannot write; the run is told so at its next entry, and says it in words."""
    if not (isinstance(raised.exc_value, OSError) and raised.exc_value.errno in CANNOT_WRITE):
        usual(raised)


def _too_little_memory(settings: TrainConfig, error: BaseException) -> str:
    batch, steps = settings.data.batch_size, settings.trainer.accumulate_grad_batches
    advice = "Try a smaller data.image_size, or another backbone"
    if batch > 1:
        advice = (
            f"Start a new run with data.batch_size={batch // 2} trainer.accumulate_grad_batches={steps * 2}, which has "
            "as many images in each step of the optimiser, or let the run find what fits: compute.out_of_memory=halve"
        )
    return f"data.batch_size={batch}: the memory is too small for it ({first_line(error)}). {advice}."


def fit_what_fits(
    settings: TrainConfig, layout: RunLayout, fit_once: Callable[[TrainConfig, bool], Fitted], resumed: bool
) -> tuple[TrainConfig, Fitted]:
    """Train; with compute.out_of_memory=halve, with ever smaller batches until they fit into the memory.

    Args:
        settings: As configured.
        layout: Of the run, whose configuration notes what it went on with.
        fit_once: Trains, given settings and whether it goes on from the last checkpoint.
        resumed: Whether the first attempt does.

    Returns:
        The settings that it trained with, and what ``fit_once`` gave.
    """
    while True:
        try:
            return settings, fit_once(settings, resumed)
        except (RuntimeError, MemoryError) as error:
            shared = torch.distributed.is_available() and torch.distributed.is_initialized()  # others would wait
            may = settings.compute.out_of_memory == "halve" and settings.data.batch_size > 1 and not shared
            if not may or not is_out_of_memory(error):
                raise
            say(f"too little memory for data.batch_size={settings.data.batch_size} ({first_line(error)})")
        settings = _halved(settings, layout)  # here, where the error no longer holds what the attempt made
        free_memory()
        resumed = layout.last.is_file()


def _halved(settings: TrainConfig, layout: RunLayout) -> TrainConfig:
    batch, steps = settings.data.batch_size // 2, settings.trainer.accumulate_grad_batches * 2
    say(f"goes on with data.batch_size={batch} trainer.accumulate_grad_batches={steps}")
    store_changes(layout, {"data.batch_size": batch, "trainer.accumulate_grad_batches": steps})
    data = settings.data.model_copy(update={"batch_size": batch})
    trainer = settings.trainer.model_copy(update={"accumulate_grad_batches": steps})
    return settings.model_copy(update={"data": data, "trainer": trainer})
