"""What python -m covidnet.demo does: serve a page on this machine until it is stopped."""

from __future__ import annotations

import importlib.util
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from covidnet.commands.predict import describe_models
from covidnet.compute import prepare_process
from covidnet.config.check import check
from covidnet.config.schema import DemoConfig, TrainConfig
from covidnet.console import RESEARCH_ONLY, say
from covidnet.errors import MissingExtraError
from covidnet.runs.layout import RunLayout, open_run

if TYPE_CHECKING:
    from covidnet.inference.predictor import Predictor
    from covidnet.inference.saliency import Overlays


def demo(config: DictConfig) -> None:
    """Serve the page; Ctrl-C or SIGTERM ends it, and nothing that was uploaded stays.

    Raises:
        CovidnetError: Anything a user can mend.
    """
    asked = check(config, DemoConfig)
    layout, stored = open_run(asked.run)
    settings = check(stored, TrainConfig)
    if importlib.util.find_spec("gradio") is None:
        raise MissingExtraError("python -m covidnet.demo", "demo")
    prepare_process(settings.compute)
    with tempfile.TemporaryDirectory(prefix="covidnet-demo-") as uploads:
        _serve(asked, settings, layout, Path(uploads))


def _serve(asked: DemoConfig, settings: TrainConfig, layout: RunLayout, uploads: Path) -> None:
    from covidnet.demo import texts
    from covidnet.demo.page import answering, build, keep_to_itself, serve
    from covidnet.inference.predictor import load_predictor
    from covidnet.models.device import usable_device

    keep_to_itself(uploads)
    predictor = load_predictor(layout, settings, asked.calibrate, usable_device(asked.device))
    overlays = _overlays(predictor) if asked.overlays else None
    heading = texts.heading(
        layout, texts.read_verdict(layout), describe_models(predictor), texts.score_of(layout.metrics)
    )
    page = build(heading, answering(predictor, overlays))
    address = serve(page, asked.port, max_upload_mb=asked.max_upload_mb, browser=asked.browser)
    say(f"open {address} on this machine; stop with Ctrl-C")
    say(RESEARCH_ONLY)
    _wait()
    page.close(verbose=False)


def _overlays(predictor: Predictor) -> Overlays:
    from covidnet.inference.saliency import Overlays

    return Overlays(predictor)


def _wait() -> None:
    """Until the user or the system asks for the end."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
