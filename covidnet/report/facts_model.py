"""What a run's files say of its model and training, each fact a sentence; empty where they say nothing."""

from __future__ import annotations

from covidnet.report.hero import changes
from covidnet.report.source import RunFiles
from covidnet.report.words import listed

START = {
    "imagenet": "ImageNet weights; the last layer at random (seed in .hydra/config.yaml).",
    "none": "Random weights (seed in .hydra/config.yaml).",
}
PARTS = {"val": "validation", "test": "test"}


def architecture(files: RunFiles) -> str:
    """The network."""
    backbone = files.config.get("backbone")
    if not backbone:
        return ""
    head, frozen = (files.config.get("head") or {}).get("name"), files.config.get("freeze") == "backbone"
    parts = [f"head {head}"] if head not in (None, "default") else []
    parts += ["a frozen backbone"] if frozen else []
    return f"{backbone} with {listed([*parts, f'{len(files.table.classes)} outputs'])}."


def software(files: RunFiles) -> str:
    """Packages with their versions."""
    packages = files.environment.get("packages")
    if not isinstance(packages, dict) or not packages:
        return ""
    return ", ".join(f"{name} {version}" for name, version in packages.items()) + "."


def start(files: RunFiles) -> str:
    """The weights before training."""
    return START.get(str(files.config.get("weights")), "")


def training(files: RunFiles) -> str:
    """Optimiser, scheduler, length and what was given."""
    optimizer, scheduler = files.config.get("optimizer") or {}, files.config.get("scheduler") or {}
    if not optimizer.get("name"):
        return ""
    given = " ".join("=".join(pair) for pair in changes(files.overrides)) or "the defaults"
    batch, epochs = (files.config.get("data") or {}).get("batch_size"), files.metrics.get("epochs")
    return (
        f"{optimizer['name']}, learning rate {optimizer.get('lr')}, scheduler {scheduler.get('name')}, batches of "
        f"{batch}, {epochs} epochs. Given: {given}."
    )


def selection(files: RunFiles) -> str:
    """Which epoch was kept, and what that means for the scores."""
    protocol = files.metrics.get("protocol") or {}
    part = PARTS.get(str(protocol.get("chosen_on")))
    if part is None:
        return ""
    kept, warning = files.metrics.get("epoch_kept"), protocol.get("warning")
    text = f"The epoch with the lowest loss on the {part} images was kept" + (f" (epoch {kept})" if kept else "")
    return f"{text}; {warning}." if warning else f"{text}."


def ensemble(files: RunFiles) -> str:
    """Whether several networks answer together."""
    if not files.metrics.get("folds"):
        return "None: one network."
    return "Predictions of all folds that scored an image are averaged: of external images those of every fold."


def imbalance(files: RunFiles) -> str:
    """What was done against it; nothing is said of a run whose configuration does not know the keys."""
    sampling = (files.config.get("data") or {}).get("sampling")
    weights = (files.config.get("loss") or {}).get("class_weights")
    if sampling is None and weights is None:
        return ""
    used = ["balanced sampling"] if sampling == "balanced" else []
    used += [f"class weights {weights}"] if weights not in (None, "none") else []
    return f"Against class imbalance: {' and '.join(used)}." if used else "Nothing was done against class imbalance."


def output(files: RunFiles) -> str:
    """What the model answers."""
    text = f"A probability for each class ({', '.join(files.table.classes)}); the most probable one is the answer."
    point = files.metrics.get("operating_point")
    if isinstance(point, dict) and isinstance(point.get("threshold"), float):
        text += f" Operating point: {files.positive} from a probability of {point['threshold']:.4g} on."
    return text


def weights(files: RunFiles) -> str:
    """Where the model is."""
    if not files.run.best.is_file():
        return ""
    return "checkpoints/best.ckpt and .hydra/config.yaml in the run's directory; no restriction is stated."


def code(files: RunFiles) -> str:
    """Where the code is."""
    commit = (files.environment.get("git") or {}).get("commit")
    return f"Code at commit {commit}; environment.json has the command." if commit else ""
