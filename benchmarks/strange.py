"""How often a run finds images far from its training images: images like them, and images that are not.

    python benchmarks/strange.py outputs/RUN [outputs/RUN ...] [--also NAME=FOLDER ...]

Drawn or altered here: new phantoms; noise, white and as smooth as nature; pages of text; crops of scikit-learn's two
photographs; the run's own test images turned, inverted, cropped and shuffled. All in grey and of usual shape, so that
colour and shape give nothing away. Results go to benchmarks/results/strange.json, beside those of earlier runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from covidnet.config.check import check
from covidnet.config.schema import TrainConfig
from covidnet.data.images import decode_image
from covidnet.data.phantoms import PhantomSpec, write_phantoms
from covidnet.data.records import image_files
from covidnet.data.split import read_split
from covidnet.inference.predictor import Predictor, load_predictor
from covidnet.runs.layout import RunLayout, open_run
from covidnet.runs.recorded import recorded_root

RESULTS = Path(__file__).parent / "results" / "strange.json"
COUNT = 100
NEW_SEED = 777

Pictures = NDArray[np.uint8]


def from_files(files: list[Path], size: int) -> Pictures:
    """Grey images (N, 1, S, S) of files."""
    decoded = [decode_image(file, (size, size), 10**8)[0] for file in files]
    return np.stack([image.mean(axis=0, keepdims=True).round().astype(np.uint8) for image in decoded])


def fitted(images: list[Image.Image], size: int) -> Pictures:
    return np.stack([np.asarray(image.convert("L").resize((size, size), Image.Resampling.BILINEAR))[None]
                     for image in images])  # fmt: skip


def noise(rng: np.random.Generator, size: int, slope: float) -> Image.Image:
    """Gaussian noise whose amplitude falls with frequency to the power of ``slope``; 0 is white."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    frequency[0, 0] = 1
    values = np.real(np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) / frequency**slope))
    return Image.fromarray((255 * (values - values.min()) / np.ptp(values)).astype(np.uint8))


def page(rng: np.random.Generator) -> Image.Image:
    image = Image.new("L", (600, 800), 255)
    draw = ImageDraw.Draw(image)
    for line in range(30, 780, int(rng.integers(16, 30))):
        words = ("".join(map(chr, rng.integers(97, 123, int(rng.integers(2, 9))))) for _ in range(14))
        draw.text((30, line), " ".join(words), fill=0)
    return image


def photographs(rng: np.random.Generator) -> list[Image.Image]:
    from sklearn.datasets import load_sample_images

    crops = []
    for _ in range(COUNT):
        photo = Image.fromarray(load_sample_images().images[len(crops) % 2])
        side = int(rng.integers(150, min(photo.size)))
        left, top = (int(rng.integers(0, length - side)) for length in photo.size)
        crops.append(photo.crop((left, top, left + side, top + side)))
    return crops


def shuffled(images: Pictures, rng: np.random.Generator) -> Pictures:
    """Each image's 16 tiles in another order."""
    count, channels, size, _ = images.shape
    side = size // 4
    tiles = images[..., : 4 * side, : 4 * side].reshape(count, channels, 4, side, 4, side).transpose(0, 2, 4, 1, 3, 5)
    mixed = tiles.reshape(count, 16, channels, side, side)[:, rng.permutation(16)].reshape(tiles.shape)
    return np.ascontiguousarray(mixed.transpose(0, 3, 1, 4, 2, 5).reshape(count, channels, 4 * side, 4 * side))


def sets_for(tested: list[Path], size: int, phantoms: Path, also: dict[str, Path]) -> dict[str, Pictures]:
    rng = np.random.default_rng(0)
    own = from_files(tested, size)
    square = 4 * (size // 4) == size
    quarters = [image.crop((0, 0, image.width // 2, image.height // 2)) for image in map(Image.open, tested)]
    drawn: dict[str, Callable[[], Image.Image]] = {
        "white noise": lambda: noise(rng, size, 0.0),
        "1/f noise": lambda: noise(rng, size, 1.0),
        "smoother noise": lambda: noise(rng, size, 1.6),
        "pages of text": lambda: page(rng),
    }
    return {
        "own test images": own,
        "new phantoms": from_files([phantoms / path for path in image_files(phantoms)], size),
        **{name: from_files([root / path for path in image_files(root)], size) for name, root in also.items()},
        "photographs": fitted(photographs(rng), size),
        **{name: fitted([draw() for _ in range(COUNT)], size) for name, draw in drawn.items()},
        "own, a quarter turn": np.rot90(own, 1, (2, 3)).copy(),
        "own, upside down": own[:, :, ::-1].copy(),
        "own, inverted": 255 - own,
        "own, upper left quarter": fitted(quarters, size),
        **({"own, tiles shuffled": shuffled(own, rng)} if square else {}),
    }


def rates(predictor: Predictor, images: Pictures) -> dict[str, float | int]:
    judged = [
        one.distances for start in range(0, len(images), 32) for one in predictor.judge(images[start : start + 32])
    ]
    kinds = sorted(judged[0])
    far = {kind: float(np.mean([one[kind] > 1 for one in judged])) for kind in kinds}
    return {"n": len(judged), **far, "either": float(np.mean([max(one.values()) > 1 for one in judged]))}


def measure(run: str, phantoms: Path, also: dict[str, Path]) -> dict[str, object]:
    layout, stored = open_run(run)
    settings = check(stored, TrainConfig)
    root = recorded_root(layout, None)
    rows = read_split(layout.split)
    tested = [root / row.path for row in rows if row.split == "test"]
    predictor = load_predictor(RunLayout(layout.directory), settings, "none", "cpu")
    found = {name: rates(predictor, images) for name, images in
             sets_for(tested, settings.data.image_size, phantoms, also).items()}  # fmt: skip
    parts = {part: sum(row.split == part for row in rows) for part in ("train", "val", "test")}
    return {"backbone": settings.backbone, "weights": settings.weights, "image_size": settings.data.image_size,
            "protocol": settings.protocol, "images": parts, "far": found}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=FOLDER")
    asked = parser.parse_args()
    also = {name: Path(folder) for name, _, folder in (text.partition("=") for text in asked.also)}
    with tempfile.TemporaryDirectory() as folder:
        phantoms = write_phantoms(Path(folder) / "phantoms", PhantomSpec(count=COUNT, seed=NEW_SEED))
        results = {Path(run).name: measure(run, phantoms, also) for run in asked.runs}
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps(known | results, indent=2) + "\n")
    for name, result in results.items():
        print(name, {key: value for key, value in result.items() if key != "far"})
        for kind, rate in result["far"].items():  # type: ignore[attr-defined]
            print(f"  {kind:26s}", {key: round(value, 2) for key, value in rate.items()})


if __name__ == "__main__":
    main()
