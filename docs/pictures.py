"""Draws the README's pictures again: python docs/pictures.py (needs Chromium).

They show the tutorial's runs, outputs/first and outputs/zoom, which are made where they are not there: minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
RUN, SWEEP = ROOT / "outputs" / "first", ROOT / "outputs" / "zoom"
COMMANDS = {
    RUN: ["experiment=tutorial", f"hydra.run.dir={RUN}"],
    SWEEP: [
        "-m", "experiment=tutorial", "random_state=range(0,5)", "augment.scale=[0.7,1.3],[1,1]",
        "trainer.max_epochs=10", "saliency=off", f"hydra.sweep.dir={SWEEP}",
    ],
}  # fmt: skip
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAX_BYTES = 150_000


def main() -> int:
    """Make the runs where they are missing, then the pictures."""
    for directory, arguments in COMMANDS.items():
        if not (directory / "report.html").is_file():
            subprocess.run([sys.executable, ROOT / "train.py", *arguments], check=True, cwd=ROOT)  # noqa: S603
    PICTURES.mkdir(exist_ok=True)
    save(screenshot(RUN / "report.html", width=1000, height=690), "page.png", width=1000)
    save(Image.open(RUN / "test_saliency.png"), "saliency.png", width=900)
    save(Image.open(RUN / "audit_shortcuts.png"), "shortcuts.png", width=800)
    save(Image.open(SWEEP / "pairs.png"), "zoom.png", width=800)
    return 0


def screenshot(page: Path, width: int, height: int) -> Image.Image:
    """The top of a page in light colours, as Chromium shows it.

    Raises:
        SystemExit: There is no Chromium.
    """
    browser = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"error: no Chromium on this machine; one of {', '.join(CHROMIUM)} is needed")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "page.png"
        size = f"--window-size={width},{height}"
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
        subprocess.run(  # noqa: S603
            [browser, *options, f"--screenshot={target}", page.as_uri()], check=True, capture_output=True, timeout=120
        )
        return Image.open(target).convert("RGB")


def save(picture: Image.Image, name: str, width: int) -> None:
    """Write a picture of a width, in as many colours as stay below the limit of bytes."""
    picture = picture.convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    target = PICTURES / name
    for colours in (256, 128, 64, 32):
        # Rare bright colours, such as the hottest places of a map, count as much as frequent ones.
        picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= MAX_BYTES:
            break


if __name__ == "__main__":
    sys.exit(main())
