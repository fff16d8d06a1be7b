"""Which facts of a run answer which items of the checklists; an item that the files cannot answer gets none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from covidnet.report import facts_data as data
from covidnet.report import facts_model as model
from covidnet.report import facts_results as results
from covidnet.report.source import RunFiles

Fact = Callable[[RunFiles], str]
Answers = dict[str, str]

CLAIM_FACTS: Mapping[str, tuple[Fact, ...]] = {
    "7": (data.sources,),
    "9": (data.preprocessing,),
    "10": (data.subsets,),
    "12": (data.missing,),
    "19": (data.partition,),
    "20": (data.disjoint,),
    "22": (model.architecture,),
    "23": (model.software,),
    "24": (model.start,),
    "25": (model.training,),
    "26": (model.selection,),
    "27": (model.ensemble,),
    "28": (results.measures,),
    "29": (results.uncertainty,),
    "30": (results.altered,),
    "31": (results.saliency,),
    "32": (results.internal,),
    "33": (results.external,),
    "35": (data.numbers,),
    "37": (results.performance,),
    "38": (results.diagnostic,),
    "39": (results.errors,),
    "40": (results.verdict,),
    "43": (model.code, data.availability),
}

TRIPOD_FACTS: Mapping[str, tuple[Fact, ...]] = {
    "5a": (data.sources,),
    "7": (data.preprocessing,),
    "9b": (data.predictors,),
    "11": (data.missing,),
    "12a": (data.partition, data.disjoint),
    "12b": (data.preprocessing,),
    "12c": (model.architecture, model.training, model.selection),
    "12d": (data.clusters,),
    "12e": (results.measures,),
    "12f": (results.recalibration,),
    "12g": (results.predictions,),
    "13": (model.imbalance,),
    "15": (model.output,),
    "18e": (data.availability,),
    "18f": (model.code,),
    "20a": (data.numbers,),
    "21": (data.numbers,),
    "22": (model.weights,),
    "23a": (results.performance, results.diagnostic),
    "23b": (results.by_cluster,),
    "24": (results.recalibrated,),
    "26": (results.verdict,),
}


def make_answers(files: RunFiles) -> tuple[Answers, Answers]:
    """Those to CLAIM and those to TRIPOD+AI, by item."""
    return _answers(files, CLAIM_FACTS), _answers(files, TRIPOD_FACTS)


def _answers(files: RunFiles, facts: Mapping[str, tuple[Fact, ...]]) -> Answers:
    found = {item: " ".join(filter(None, (tell(files) for tell in tellers))) for item, tellers in facts.items()}
    return {item: text for item, text in found.items() if text}
