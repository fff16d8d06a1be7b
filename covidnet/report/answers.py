"""Answers to checklist items, each a sentence from a run's files; an item that they cannot answer gets none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from covidnet.report.data import make_data
from covidnet.report.hero import changes
from covidnet.report.source import RunFiles
from covidnet.report.words import PROTOCOLS, counted, interval, listed, number, with_interval

Answers = dict[str, str]


def make_answers(files: RunFiles) -> tuple[Answers, Answers]:
    """Those to CLAIM and those to TRIPOD+AI, by item."""
    known = _facts(files)
    return _pick(known, CLAIM_FACTS), _pick(known, TRIPOD_FACTS)


CLAIM_FACTS = {
    "7": ("sources",), "9": ("preprocessing",), "10": ("subsets",), "12": ("missing",), "19": ("split",),
    "20": ("disjoint",), "22": ("model",), "23": ("software",), "24": ("start",), "25": ("training",),
    "26": ("chosen",), "27": ("ensemble",), "28": ("measures",), "29": ("uncertainty",), "30": ("altered",),
    "31": ("saliency",), "32": ("internal",), "33": ("external",), "35": ("numbers",), "37": ("performance",),
    "38": ("diagnostic",), "39": ("errors",), "40": ("audit",), "43": ("code", "data"),
}  # fmt: skip
"""Which facts answer which item of CLAIM."""

TRIPOD_FACTS = {
    "5a": ("sources",), "7": ("preprocessing",), "9b": ("predictors",), "11": ("missing",), "12a": ("split", "disjoint"),
    "12b": ("preprocessing",), "12c": ("model", "training", "chosen"), "12d": ("clusters",), "12e": ("measures",),
    "12f": ("recalibration",), "12g": ("predictions",), "13": ("imbalance",), "15": ("output",), "18e": ("data",),
    "18f": ("code",), "20a": ("numbers",), "21": ("numbers",), "22": ("weights",),
    "23a": ("performance", "diagnostic"), "23b": ("clusters_found",), "24": ("recalibrated",), "26": ("audit",),
}  # fmt: skip
"""Which facts answer which item of TRIPOD+AI."""


def _pick(known: Mapping[str, str], facts: Mapping[str, tuple[str, ...]]) -> Answers:
    found = {item: " ".join(known[name] for name in names if known.get(name)) for item, names in facts.items()}
    return {item: text for item, text in found.items() if text}


def _facts(files: RunFiles) -> dict[str, str]:
    """Sentences by what they are about; empty where the files say nothing."""
    return _data_facts(files) | _model_facts(files) | _result_facts(files)


def _data_facts(files: RunFiles) -> dict[str, str]:
    data, config = files.environment.get("data") or {}, files.config.get("data") or {}
    section = make_data(files)
    size, study = config.get("image_size"), files.study or {}
    skipped = len(study.get("skipped") or [])
    described = PROTOCOLS.get(str(files.config.get("protocol")), "")
    known = [row.patient for row in files.split if row.patient]
    counts = ", ".join(f"{name} {files.parts[name]}" for name in ("train", "val", "test", "external") if files.parts[name])
    return {
        "sources": f"Images of {data['root']}, SHA-256 of all {data.get('sha256')}. Their origin the files do not say."
        if data.get("root")
        else "",
        "preprocessing": f"Decoded to RGB, resized to {size} x {size} pixels without keeping the aspect, values in [0, 1]; "
        "augmentation as in .hydra/config.yaml. Quality of the files: dataset.md."
        if size
        else "",
        "subsets": _subsets(files),
        "missing": f"{counted(skipped, 'unreadable file')} left out, listed in dataset.md." if skipped else (
            "Every image that was found could be read." if files.study else ""
        ),
        "split": (described.format(test=files.parts["test"], val=files.parts["val"]) + f" ({counts})." if counts else
                  f"{described.format(test='', val='')}.") if described else "",
        "disjoint": _disjoint(files, bool(known)),
        "predictors": f"The pixels of one image, {size} x {size}; nothing else." if size else "",
        "numbers": _numbers(section.classes.header, section.classes.rows),
        "data": f"The images were read from {data['root']}; split.csv has the hash of each." if data.get("root") else "",
    }  # fmt: skip


def _subsets(files: RunFiles) -> str:
    ignored = [str(line) for line in (files.study or {}).get("ignored") or []]
    return f"Not used: {'; '.join(ignored)}." if ignored else ""


def _disjoint(files: RunFiles, patients_known: bool) -> str:
    if not files.split:
        return ""
    if not patients_known:
        return "Images; patients are not known to the run, so one patient may be in several parts (see audit.md)."
    parts: dict[str, set[str]] = {}
    for row in files.split:
        if row.patient:
            parts.setdefault(row.patient, set()).add(row.split)
    torn = sum(len(found) > 1 for found in parts.values())
    if torn:
        return f"Images; {counted(torn, 'patient')} of {len(parts)} have images in several parts."
    return f"Patients: none of {len(parts)} has images in two parts."


def _numbers(header: list[str], rows: list[list[str]]) -> str:
    until = header.index("median size") if "median size" in header else len(header)
    texts = [
        f"{row[0]}: " + ", ".join(f"{name} {cell}" for name, cell in zip(header[1:until], row[1:until], strict=True))
        for row in rows
    ]
    return f"Images by class: {'; '.join(texts)}." if texts else ""


def _model_facts(files: RunFiles) -> dict[str, str]:
    config, environment = files.config, files.environment
    backbone, weights = config.get("backbone"), config.get("weights")
    optimizer, scheduler = config.get("optimizer") or {}, config.get("scheduler") or {}
    packages = environment.get("packages")
    git = environment.get("git") or {}
    protocol = files.metrics.get("protocol") or {}
    part = {"val": "validation", "test": "test"}.get(str(protocol.get("chosen_on")), "")
    given = changes(files.overrides)
    start = {"imagenet": "ImageNet weights; the last layer at random", "none": "random weights"}.get(str(weights), "")
    folds = files.metrics.get("folds")
    output = f"A probability for each class ({', '.join(files.table.classes)}); the most probable one is the answer."
    point = files.metrics.get("operating_point")
    if isinstance(point, dict) and point.get("threshold") is not None:
        output += f" Operating point: {files.positive} from {point['threshold']:.4g} on, chosen on validation images."
    return {
        "model": f"{backbone} with a last layer of {len(files.table.classes)} outputs." if backbone else "",
        "software": ", ".join(f"{name} {version}" for name, version in packages.items()) + "."
        if isinstance(packages, dict) and packages
        else "",
        "start": f"{start[0].upper()}{start[1:]} (seed in .hydra/config.yaml)." if start else "",
        "training": f"{optimizer.get('name')}, learning rate {optimizer.get('lr')}, scheduler {scheduler.get('name')}, "
        f"batches of {(config.get('data') or {}).get('batch_size')}, {files.metrics.get('epochs')} epochs. Given: "
        f"{' '.join('='.join(pair) for pair in given) or 'the defaults'}."
        if optimizer.get("name")
        else "",
        "chosen": f"The epoch with the lowest loss on the {part} images was kept"
        + (f" (epoch {files.metrics['epoch_kept']})" if files.metrics.get("epoch_kept") else "")
        + (f"; {protocol['warning']}." if protocol.get("warning") else ".")
        if part
        else "",
        "ensemble": "Predictions of the folds that tested an image are averaged; external images are scored by all folds."
        if folds
        else "None: one network.",
        "imbalance": _imbalance(config),
        "output": output,
        "predictions": "predictions.csv holds the class probabilities of every image; all numbers follow from it.",
        "weights": "checkpoints/best.ckpt and .hydra/config.yaml in the run's directory; restrictions are not stated.",
        "code": f"Code at commit {git['commit']}; environment.json has the command." if git.get("commit") else "",
    }


def _imbalance(config: Mapping[str, Any]) -> str:
    """What was done against it; an old configuration may not have the keys, and then nothing is said."""
    sampling, loss = (config.get("data") or {}).get("sampling"), config.get("loss") or {}
    weights = loss.get("class_weights")
    if sampling is None and weights is None:
        return ""
    used = [text for text, on in (("balanced sampling", sampling == "balanced"),
                                  (f"class weights {weights}", weights not in (None, "none"))) if on]  # fmt: skip
    return f"Against class imbalance: {' and '.join(used)}." if used else "Nothing was done against class imbalance."


def _result_facts(files: RunFiles) -> dict[str, str]:
    metrics = files.metrics
    external = metrics.get("external") if isinstance(metrics.get("external"), dict) else None
    sources = {row.source for row in [*files.split, *files.external.rows] if row.source}
    folds = metrics.get("folds") or {}
    altered = [one for one in (files.audit or {}).get("after_training") or [] if isinstance(one, dict)]
    tested = [f"{one.get('title')} {with_interval(one.get('accuracy'))}" for one in altered]
    methods = [str(method) for key in ("accuracy", "auroc_interval", "brier_interval")
               if (method := (metrics.get(key) or {}).get("method"))]  # fmt: skip
    wrong = int((files.scored.truth != files.scored.predicted).sum()) if len(files.scored) else 0
    calibration = metrics.get("calibration") or {}
    drops = [one for one in folds.get("external") or [] if isinstance(one, dict)]
    area = f"AUROC {number(metrics.get('auroc'), 3)} {interval(metrics.get('auroc_interval'), 3)}".rstrip()
    return {
        "measures": "Accuracy, balanced accuracy, sensitivity, specificity, AUROC, average precision, Brier score, "
        "calibration error, confusion matrix; ROC, precision-recall and reliability curves.",
        "uncertainty": f"95 % intervals: {listed(list(dict.fromkeys(methods)))}." if methods else "",
        "altered": f"The model on altered test images, accuracy: {'; '.join(tested)}." if tested else "",
        "saliency": "Saliency maps of test images and the evidence inside the lungs: saliency.csv, test_saliency.png."
        if files.saliency
        else "",
        "internal": f"Accuracy {with_interval(metrics.get('accuracy'))} on {counted(len(files.scored), 'image')} of the "
        f"part {files.split_name}.",
        "external": f"Accuracy {with_interval(external.get('accuracy'))} on {external.get('n')} images from elsewhere."
        if external
        else "",
        "performance": f"Accuracy {with_interval(metrics.get('accuracy'))}, {area}.",
        "diagnostic": f"Sensitivity for {files.positive} {with_interval(metrics.get('sensitivity'))}, specificity "
        f"{with_interval(metrics.get('specificity'))}.",
        "errors": f"{wrong} of {counted(len(files.scored), 'image')} wrong, shown first in report.html and test_images.png.",
        "audit": str(((files.audit or {}).get("verdict") or {}).get("sentence", "")),
        "clusters": f"Images come from {counted(len(sources), 'source')}; each was left out once." if drops and sources else "",
        "clusters_found": "; ".join(
            f"{listed(list(map(str, one.get('sources') or [])))}: accuracy {number(one.get('accuracy'))}" for one in drops
        ),
        "recalibration": f"Temperature scaling was fitted on {calibration.get('n_fitted')} {calibration.get('fitted_on')} "
        f"images and {'applied' if calibration.get('applied') else 'not applied'}."
        if calibration.get("after")
        else "",
        "recalibrated": f"Calibration error {number(calibration['before'].get('ece'), 3)} before and "
        f"{number(calibration['after'].get('ece'), 3)} after temperature scaling."
        if calibration.get("after") and calibration.get("before")
        else "",
    }  # fmt: skip
