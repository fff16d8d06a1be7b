"""Pictures as HTML, with their pixels inside: no file of them is written."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from covidnet.data.images import Pixels


def figure(pixels: Pixels, caption: str, alternative: str) -> str:
    """One picture with its caption.

    Args:
        pixels: Shape (1 or 3, H, W).
        caption: Below it.
        alternative: What it shows, for those who do not see it.
    """
    upright = np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, 2)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(upright)).save(stream, format="PNG")
    source = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
    return (
        f'<figure><img src="{source}" alt="{escape(alternative)}"><figcaption>{escape(caption)}</figcaption></figure>'
    )
