"""The start of a sweep: its jobs are planned and checked, its directory is made or found, its record is written."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from covidnet.compute import prepare_process
from covidnet.config.check import as_typed, without_hydra
from covidnet.config.hydra_errors import PLUGIN_EXTRAS, explain
from covidnet.config.schema import TrainConfig
from covidnet.console import say
from covidnet.errors import ConfigError, CovidnetError, MissingExtraError
from covidnet.runs.directories import reserve_directory
from covidnet.runs.layout import RunLayout
from covidnet.runs.lock import alone_in, clear_left_over
from covidnet.sweeps.layout import SweepLayout, grown, read_record, write_record
from covidnet.sweeps.pack import refuse_other_launchers
from covidnet.sweeps.plan import Plan, make_plan
from covidnet.sweeps.resume import check_resumable, refuse_used_directory
from covidnet.training.check import check_run


def start_sweep(config: DictConfig, config_name: str, given: Path | None, held: ExitStack) -> Path:
    """Check everything that can be checked before the first job; then make or take the sweep's directory.

    Args:
        config: As Hydra composed it, without the swept overrides.
        config_name: Of the primary configuration.
        given: A directory asked for with hydra.sweep.dir.
        held: Takes the lock that keeps other processes from going on with the sweep.

    Returns:
        The sweep's directory, with its record written.

    Raises:
        CovidnetError: Anything a user can mend.
    """
    refuse_other_launchers(config)
    _require_plugins(config)
    loader = GlobalHydra.instance().config_loader()
    plan = make_plan(
        as_typed(config.hydra.overrides.task),
        OmegaConf.to_container(config.hydra.sweeper, resolve=False),  # type: ignore[arg-type]
        lambda overrides: _compose(loader, config, config_name, overrides),
    )
    _refuse_processes_in_workers(config, plan)
    _check_backbones(plan)
    record = plan.record
    resume = OmegaConf.select(config, "sweep.resume")
    if resume is not None:
        layout = SweepLayout(Path(str(resume)))
        read_record(layout)  # a directory that is no sweep's stays as it is
        held.enter_context(alone_in(layout.directory, layout.lock))
        clear_left_over(layout.directory.glob(".*"))
        record = grown(check_resumable(layout, plan), record)
        layout.stopped.unlink(missing_ok=True)
        _go_on_searching(config, layout)
    elif given is not None:
        layout = SweepLayout(given)
        refuse_used_directory(layout)
    else:
        layout = SweepLayout(reserve_directory(Path(str(config.output_dir)), [], suffix="sweep"))
    if resume is None:
        held.enter_context(alone_in(layout.directory, layout.lock))
    layout.directory.mkdir(parents=True, exist_ok=True)
    write_record(layout, record)
    for job in plan.jobs or ():
        RunLayout(layout.directory / job.name).failure.unlink(missing_ok=True)  # it gets another try
    _announce(config, plan, layout)
    return layout.directory


def _require_plugins(config: DictConfig) -> None:
    """The presets of launchers are there even where the plugin that they configure is not."""
    for group in ("hydra/launcher", "hydra/sweeper"):
        choice = f"{group}={config.hydra.runtime.choices.get(group)}"
        target = str(OmegaConf.select(config, f"{group.replace('/', '.')}._target_"))
        if choice in PLUGIN_EXTRAS and not _installed(target.rpartition(".")[0].rpartition(".")[0]):
            raise MissingExtraError(choice, PLUGIN_EXTRAS[choice])


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # not even another plugin is there
        return False


def _compose(loader: ConfigLoader, config: DictConfig, config_name: str, overrides: Sequence[str]) -> TrainConfig:
    """One job's checked configuration, composed as the launcher will."""
    try:
        composed = loader.load_sweep_config(config, list(overrides))
    except Exception as error:
        folder = _config_dir(config)
        text = explain(error, folder, config_name, overrides) if folder is not None else None
        if text is None:
            raise
        raise ConfigError(text) from error
    return check_run(without_hydra(composed))


def _config_dir(config: DictConfig) -> Path | None:
    for source in config.hydra.runtime.config_sources:
        if source.provider == "main":
            return Path(source.path)
    return None


def _refuse_processes_in_workers(config: DictConfig, plan: Plan) -> None:
    """A distributed run starts its processes with its own command, which a launcher's worker does not have."""
    launcher = str(OmegaConf.select(config, "hydra.launcher._target_"))
    if not launcher.startswith(("hydra_plugins.hydra_joblib", "hydra_plugins.hydra_ray")):
        return
    for job in plan.jobs or ():
        devices = job.settings.trainer.devices
        if devices not in (1, "1") and not (isinstance(devices, list) and len(devices) == 1):
            choice = config.hydra.runtime.choices["hydra/launcher"]
            raise ConfigError(
                f"trainer.devices: found {devices!r}; hydra/launcher={choice} gives each job one device. Expected "
                "trainer.devices=1 with it, or hydra/launcher=basic for runs on several devices, one after another."
            )


def _check_backbones(plan: Plan) -> None:
    """Names of models and files of weights; the jobs need torch too, so it is no loss to import it here."""
    pairs = dict.fromkeys((job.settings.backbone, job.settings.weights) for job in plan.jobs or ())
    if plan.jobs:
        prepare_process(plan.jobs[0].settings.compute)
    faults = [fault for name, weights in pairs if (fault := _backbone_fault(name, weights)) is not None]
    if faults:
        raise ConfigError("\n".join([*faults, "No job was started."]))


def _backbone_fault(name: str, weights: str) -> str | None:
    from covidnet.models.backbones import validate_backbone

    try:
        validate_backbone(name, weights)
    except CovidnetError as error:
        return str(error)
    return None


def _go_on_searching(config: DictConfig, layout: SweepLayout) -> None:
    """A resumed search makes the trials that are missing, and does not draw the first ones a second time."""
    trials: Any = OmegaConf.select(config, "hydra.sweeper.n_trials")
    if trials is None:
        return
    done = sum(1 for _ in layout.directory.glob("*/metrics.json"))
    seed: Any = OmegaConf.select(config, "hydra.sweeper.sampler.seed")
    with read_write(config), open_dict(config):
        config.hydra.sweeper.n_trials = max(0, int(trials) - done)
        if seed is not None:
            config.hydra.sweeper.sampler.seed = int(seed) + done


def _announce(config: DictConfig, plan: Plan, layout: SweepLayout) -> None:
    what = plan.record.describe() or "nothing"
    if plan.jobs is None:
        say(f"search: {OmegaConf.select(config, 'hydra.sweeper.n_trials')} trials over {what}; in {layout.directory}")
        if OmegaConf.select(config, "protocol") == "article":
            say(
                "  protocol=article chooses among the trials by the loss on the test images, which makes the best "
                "trial's score worthless as a test; protocol=holdout chooses by validation images"
            )
        return
    runs = [RunLayout(layout.directory / job.name) for job in plan.jobs]
    done = sum(run.is_finished for run in runs)
    begun = sum(run.last.is_file() and not run.is_finished for run in runs)
    if len(runs) == 1:
        say(f"sweep: 1 run, for no key was given several values; in {layout.directory}")
    else:
        say(f"sweep: {len(runs)} runs over {what}; in {layout.directory}")
    if done or begun:
        say(f"  {done} of them are finished and kept, {begun} were stopped and go on")
