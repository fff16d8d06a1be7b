"""What a run's files say of its data, each fact a sentence; empty where they say nothing."""

from __future__ import annotations

from covidnet.report.data import make_data
from covidnet.report.source import RunFiles
from covidnet.report.words import PROTOCOLS, counted

VALUES = {
    "none": "values in [0, 1]",
    "imagenet": "values scaled by ImageNet's mean and standard deviation",
}


def sources(files: RunFiles) -> str:
    """Where the images were."""
    data = files.environment.get("data") or {}
    if not data.get("root"):
        return ""
    return f"Images of {data['root']}, SHA-256 of all {data.get('sha256')}. Their origin the files do not say."


def preprocessing(files: RunFiles) -> str:
    """What becomes of the pixels."""
    config, augment = files.config.get("data") or {}, files.config.get("augment") or {}
    size = config.get("image_size")
    if not size:
        return ""
    values = VALUES.get(str(config.get("normalize")))
    text = f"Resized to {size} x {size} pixels without keeping the aspect" + (f", {values}." if values else ".")
    given = ", ".join(f"{name} {value}" for name, value in augment.items() if value)
    return text + (f" Training images are augmented: {given}." if given else "")


def subsets(files: RunFiles) -> str:
    """What was not used."""
    ignored = [str(line) for line in (files.study or {}).get("ignored") or []]
    return f"{'; '.join(ignored)}." if ignored else ""


def missing(files: RunFiles) -> str:
    """Unreadable images."""
    if files.study is None:
        return ""
    skipped = len(files.study.get("skipped") or [])
    if not skipped:
        return "Every image that was found could be read."
    return f"{counted(skipped, 'unreadable file')} left out, listed in dataset.md."


def partition(files: RunFiles) -> str:
    """How the images were divided."""
    described = PROTOCOLS.get(str(files.config.get("protocol")), "")
    if not described:
        return ""
    names = ("train", "val", "test", "external")
    counts = ", ".join(f"{name} {files.parts[name]}" for name in names if files.parts[name])
    text = described.format(test=files.parts["test"], val=files.parts["val"])
    return f"{text[0].upper()}{text[1:]}{f' ({counts})' if counts else ''}."


def disjoint(files: RunFiles) -> str:
    """Whether parts share patients."""
    if not files.split:
        return ""
    parts: dict[str, set[str]] = {}
    for row in files.split:
        if row.patient:
            parts.setdefault(row.patient, set()).add(row.split)
    if not parts:
        return "Images; patients are not known to the run, so that one may be in several parts (see audit.md)."
    torn = sum(len(found) > 1 for found in parts.values())
    if torn:
        return f"Images; {counted(torn, 'patient')} of {len(parts)} have images in several parts."
    return f"Patients: none of {len(parts)} has images in two parts."


def predictors(files: RunFiles) -> str:
    """What the model is given."""
    size = (files.config.get("data") or {}).get("image_size")
    return f"The pixels of one image, {size} x {size}." if size else ""


def numbers(files: RunFiles) -> str:
    """Images by class and part."""
    table = make_data(files).classes
    until = table.header.index("median size") if "median size" in table.header else len(table.header)
    names = table.header[1:until]
    texts = [f"{row[0]}: " + ", ".join(map(" ".join, zip(names, row[1:until], strict=True))) for row in table.rows]
    return f"Images by class: {'; '.join(texts)}." if texts else ""


def availability(files: RunFiles) -> str:
    """Where the images are, and how to know them again."""
    root = (files.environment.get("data") or {}).get("root")
    return f"The images were read from {root}; split.csv has the hash of each." if root else ""


def clusters(files: RunFiles) -> str:
    """Whether each source was left out once."""
    found = ({row.source for row in files.split} | {row.source for row in files.external.rows}) - {""}
    if not found or not (files.metrics.get("folds") or {}).get("external"):
        return ""
    return f"Images come from {counted(len(found), 'source')}; each was left out once."
