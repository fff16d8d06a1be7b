"""The audit at the end of a run: its data, its split and its model; the verdict is the last thing it says."""

from __future__ import annotations

from torch import nn

from covidnet.audit.after_training import score_alterations
from covidnet.audit.examine import Audit, Effort, Model, examine
from covidnet.audit.gate import shut_gate
from covidnet.audit.gather import describe_split, gather, in_detail
from covidnet.audit.terminal import print_brief
from covidnet.config.schema import AuditConfig, TrainConfig
from covidnet.console import console
from covidnet.data.datamodule import XrayDataModule
from covidnet.data.dataset import XrayDataset
from covidnet.predictions import Predictions
from covidnet.reporting.audit import save_audit
from covidnet.runs.layout import RunLayout


def audit_training(
    settings: TrainConfig,
    layout: RunLayout,
    dataset: XrayDataset,
    data: XrayDataModule,
    network: nn.Module,
    predictions: Predictions,
) -> Audit | None:
    """Write audit.json, audit.md and the figures into the run directory.

    Args:
        settings: Of the run; with audit=off nothing happens.
        layout: The run directory.
        dataset: All images.
        data: The data module that the network was trained with.
        network: The kept epoch's.
        predictions: At least those of the test images.

    Returns:
        What was found, for `tell_audit`; None with audit=off.
    """
    asked = settings.audit
    if asked.level == "off":
        return None
    described = f"random_state={settings.random_state}: {describe_split(data.split)}"
    material = gather(in_detail(dataset, settings.data), data.split, described, asked.table)
    tested = predictions.of_split("test")
    after = score_alterations(network, data, tested, dataset.records) if asked.after_training else None
    done = examine(material, Effort(asked.level, asked.repeats, asked.permutations), Model(tested, after))
    save_audit(layout.directory, done, material, dataset.pixels)
    return done


def tell_audit(asked: AuditConfig, audit: Audit) -> None:
    """Print the verdict, the last thing that a run says.

    Raises:
        AuditGateError: Something at or above audit.fail_on was found; everything is written before.
    """
    print_brief(console, audit)
    shut_gate(audit, asked.fail_on)
