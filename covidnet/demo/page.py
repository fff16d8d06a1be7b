"""The page, made with Gradio: served to this machine alone, without telemetry, with nothing from the internet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covidnet.demo import texts
from covidnet.demo.pictures import figure
from covidnet.errors import ConfigError
from covidnet.inference.stream import answer_batch, decode_file, decode_settings

if TYPE_CHECKING:
    from covidnet.inference.predictor import Predictor
    from covidnet.inference.saliency import Overlays

HOST = "127.0.0.1"
FIRST_PORT = 7860

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)
"""Content-Security-Policy: whatever a library's page asks for, the browser fetches from this server alone."""

STYLE = """
.notice { font-weight: 700; padding: 0.6em 1em; border: 2px solid #b3261e; border-radius: 6px; margin: 0 0 1em; }
.box { padding: 0.6em 1em; border-radius: 6px; border-left: 6px solid; margin: 0.6em 0; }
.box, .box * { color: #1d1d1f !important; }
.stop { background: #fbe4e2; border-color: #b3261e; }
.doubt { background: #fdf0d5; border-color: #b26a00; }
.fine { background: #e3f2e6; border-color: #2e7d32; }
.plain { background: #e8eef7; border-color: #2f5d9b; }
#heading h1 { font-size: 1.1rem; margin: 0 0 0.4em; overflow-wrap: anywhere; }
#pictures .html-container, #pictures .prose { display: flex; flex-wrap: wrap; gap: 1em; }
#pictures figure { margin: 0; flex: 1 1 220px; max-width: 320px; }
#pictures img { width: 100%; display: block; margin: 0 0 0.4em; }
.bars tr { border: none !important; }
.bars { width: 100%; border-collapse: collapse; margin: 0.6em 0; }
.bars th, .bars td { padding: 0.2em 0.6em 0.2em 0; text-align: left; border: none; overflow-wrap: anywhere; }
.bars .number { font-variant-numeric: tabular-nums; }
.bars .bar { width: 60%; }
.bars .bar span { display: block; height: 0.8em; min-width: 1px; background: #2f5d9b; border-radius: 2px; }
#heading p, #answer p, #answer ul { margin: 0.4em 0; }
"""

EVIDENCE = (
    "Where the evidence for the prediction lies (Grad-CAM), bright for most. It shows where the network looked, not "
    "whether it is right."
)

Shown = tuple[str, str]
"""Text and pictures of an answer, as HTML."""


def keep_to_itself(folder: Path) -> None:
    """Turn off telemetry and keep uploads in ``folder``; before Gradio is imported.

    Gradio asks its own server whether it runs: never through a proxy.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "0"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(part for part in (os.environ.get(name, ""), HOST, "localhost") if part)


def answering(predictor: Predictor, overlays: Overlays | None) -> Callable[[str | None], Shown]:
    """What the page does with a file."""

    def answer(file: str | None) -> Shown:
        if file is None:
            return "", ""
        path = Path(file)
        decoded = decode_file(path.name, path, decode_settings(predictor))
        (found,) = answer_batch(predictor, [decoded])
        pictures = []
        if decoded.pixels is not None:
            pictures.append(figure(decoded.pixels, "As the network sees it.", "The image at the network's size"))
            if overlays is not None and found.predicted is not None:
                (drawn,) = overlays.draw(decoded.pixels[None], [predictor.classes.index(found.predicted)])
                pictures.append(figure(drawn, EVIDENCE, f"Heat map of the evidence for {found.predicted}"))
        return texts.answer_text(found, predictor.classes), "".join(pictures)

    return answer


def build(heading: str, answer: Callable[[str | None], Shown]) -> Any:
    """The page as Gradio's Blocks."""
    import gradio

    with gradio.Blocks(title="covidnet", analytics_enabled=False) as page:
        gradio.HTML(heading, elem_id="heading")
        with gradio.Row():
            with gradio.Column():
                file = gradio.File(label="Drop an image here, or click", type="filepath", elem_id="file")
                text = gradio.HTML("", elem_id="answer")
            with gradio.Column():
                pictures = gradio.HTML("", elem_id="pictures")
        file.change(answer, [file], [text, pictures], api_visibility="private", concurrency_limit=1)
    return page


def serve(page: Any, port: int | None, *, max_upload_mb: int, browser: bool) -> str:
    """Start serving the page, and return its address.

    Raises:
        ConfigError: The port is taken.
    """
    import gradio
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    try:
        _, address, _ = page.launch(
            server_name=HOST,
            server_port=port,
            share=False,
            inbrowser=browser,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            max_file_size=f"{max_upload_mb}mb",
            footer_links=[],
            ssr_mode=False,
            theme=theme,
            css=STYLE,
            # The second refuses pages of other sites that had their own name point to this machine.
            app_kwargs={"middleware": [Middleware(_Policy), Middleware(TrustedHostMiddleware, [HOST, "localhost"])]},
        )
    except OSError as error:
        raise ConfigError(
            f"port={port}: taken, or not allowed. Give another one, or port=null for the first free one."
        ) from error
    return str(address)


class _Policy:
    """ASGI middleware that adds the Content-Security-Policy to every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).append((b"content-security-policy", POLICY.encode()))
            await send(message)

        await self.app(scope, receive, with_policy)
