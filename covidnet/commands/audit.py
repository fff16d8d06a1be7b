"""What python -m covidnet.audit does: audit a folder of images without training, or a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from covidnet.audit.examine import Audit, Effort, Material, Model, examine
from covidnet.audit.gate import shut_gate
from covidnet.audit.gather import describe_split, gather, in_detail
from covidnet.audit.terminal import print_audit
from covidnet.compute import prepare_process
from covidnet.config.check import as_typed, check
from covidnet.config.schema import AuditCommandConfig, AuditConfig, TrainConfig
from covidnet.console import RESEARCH_ONLY, console, say
from covidnet.data.dataset import XrayDataset, open_dataset
from covidnet.data.protocols import split_records
from covidnet.data.split import Split, read_split
from covidnet.errors import ConfigError, DataError
from covidnet.predictions import read_predictions
from covidnet.reporting.audit import MARKDOWN, save_audit
from covidnet.runs.directories import reserve_directory
from covidnet.runs.layout import RunLayout, open_run
from covidnet.runs.recorded import recorded_root, recorded_split
from covidnet.training.page import refresh_page

BESIDE_RUN = ("run", "data_root", "audit")
"""Keys and sections of them that an audit of a finished run takes."""


def audit(config: DictConfig) -> None:
    """Audit what was asked for, write the results, print them on one screen.

    Raises:
        AuditGateError: Something at or above audit.fail_on was found.
        CovidnetError: Anything a user can mend.
    """
    if OmegaConf.select(config, "run") is not None:
        _refuse_others(config.run, as_typed(HydraConfig.get().overrides.task))
        # The run has its own data section; the command line's may lack a root.
        OmegaConf.update(config, "data.root", "(that of the run)")
    asked = check(config, AuditCommandConfig)
    if asked.audit.level == "off":
        raise ConfigError("audit: found off; this command does nothing else. Give audit=full or audit=fast.")
    if asked.run is None:
        _audit_folder(asked)
    else:
        _audit_run(asked, asked.run)


def _refuse_others(run: str, overrides: Sequence[str]) -> None:
    """A finished run is audited as it is; keys that say how another would be made must not look as if they counted."""
    sections = {text: text.lstrip("+~").partition("=")[0].partition(".")[0] for text in overrides}
    others = [text for text, section in sections.items() if section not in BESIDE_RUN]
    if others:
        raise ConfigError(
            f"run={run}: is audited with its own images, split and settings, so {', '.join(others)} cannot be given. "
            "If its images are elsewhere now, give data_root=PATH. Allowed beside run: data_root, audit, audit.KEY. "
            "To audit a folder, leave run out."
        )


def _audit_folder(asked: AuditCommandConfig) -> None:
    dataset = open_dataset(asked.data)
    split, described = _planned_split(asked, dataset)
    material = gather(in_detail(dataset, asked.data), split, described, asked.audit.table)
    done = examine(material, _effort(asked.audit))
    _finish(asked.audit, done, material, dataset, reserve_directory(Path(asked.output_dir), [], suffix="audit"))


def _planned_split(asked: AuditCommandConfig, dataset: XrayDataset) -> tuple[Split | None, str]:
    """The split that train.py would make, or the reason why it cannot."""
    try:
        split = split_records(asked, dataset.records)
    except DataError as error:
        return None, str(error)
    return split, f"random_state={asked.random_state}: {describe_split(split)}"


def _audit_run(asked: AuditCommandConfig, directory: str) -> None:
    layout, stored = open_run(directory)
    settings = check(stored, TrainConfig)
    if layout.folds:
        raise ConfigError(f"run={directory}: a run over folds; give one of them, such as run={layout.folds[0]}")
    recorded = read_split(layout.split)
    dataset = open_dataset(settings.data, recorded_root(layout, asked.data_root))
    positions = {record.path: position for position, record in enumerate(dataset.records)}
    split = recorded_split(recorded, positions)
    missing = sum(row.path not in positions for row in recorded)
    if missing:
        say(f"{missing} of the run's {len(recorded)} images are not there any more; the others are audited")
    described = f"split of {layout.directory}: {describe_split(split)}"
    table = asked.audit.table if asked.audit.table is not None else settings.audit.table
    material = gather(in_detail(dataset, settings.data), split, described, table)
    model = _model_of_run(asked.audit, settings, layout, dataset, split)
    _finish(asked.audit, examine(material, _effort(asked.audit), model), material, dataset, layout.directory)


def _model_of_run(
    asked: AuditConfig, settings: TrainConfig, layout: RunLayout, dataset: XrayDataset, split: Split
) -> Model | None:
    """The run's predictions and, where its checkpoint is there, its scores on altered images."""
    if not layout.predictions.is_file():
        say("the run has no predictions.csv: it was stopped before its end; its data are audited without its model")
        return None
    predictions = read_predictions(layout.predictions).of_split("test")
    if not asked.after_training or not layout.best.is_file():
        return Model(predictions, None)
    prepare_process(settings.compute)
    from covidnet.audit.after_training import score_alterations
    from covidnet.models.predict import load_network
    from covidnet.training.build import build_datamodule

    network, _ = load_network(layout.best)
    data = build_datamodule(settings, dataset, split)
    return Model(predictions, score_alterations(network, data, predictions, dataset.records))


def _effort(asked: AuditConfig) -> Effort:
    return Effort(asked.level, asked.repeats, asked.permutations)


def _finish(asked: AuditConfig, done: Audit, material: Material, dataset: XrayDataset, directory: Path) -> None:
    """Write the results, print them, and shut the gate where it was asked for."""
    save_audit(directory, done, material, dataset.pixels)
    print_audit(console, done, material)
    say(f"details and figures: {directory / MARKDOWN} ({done.seconds:.1f} s). {RESEARCH_ONLY}")
    refresh_page(directory)
    shut_gate(done, asked.fail_on)
