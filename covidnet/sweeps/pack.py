"""sweep.pack=K: several runs of a sweep at once on one device, each in a process of its own.

Hydra chooses its launcher before any key of the configuration is known, so the command line is read here first.
"""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from covidnet.errors import ConfigError

KEY = "sweep.pack"
LAUNCHER = "hydra/launcher"
MULTIRUN = frozenset({"-m", "--multirun", "hydra.mode=MULTIRUN"})


def with_launcher(arguments: Sequence[str]) -> list[str]:
    """The command line with the launcher that ``sweep.pack=K`` stands for, unless it names a launcher itself.

    A value that is no whole number above 1 is left to the check of the configuration.
    """
    given = [text.partition("=")[2] for text in arguments if text.partition("=")[0].lstrip("+") == KEY]
    count = int(given[-1]) if given and given[-1].isdecimal() else 1
    if count < 2 or not MULTIRUN.intersection(arguments) or any(text.startswith(f"{LAUNCHER}=") for text in arguments):
        return list(arguments)
    return [*arguments, f"{LAUNCHER}=joblib", f"hydra.launcher.n_jobs={count}"]


def refuse_other_launchers(config: DictConfig) -> None:
    """A launcher that runs another number of jobs at once contradicts ``sweep.pack``.

    Args:
        config: A sweep's, as Hydra composed it.

    Raises:
        ConfigError: It does, or the key stands in a file, where it is read too late.
    """
    pack = OmegaConf.select(config, KEY)
    if pack in (None, 1) or not isinstance(pack, int):
        return
    choice = config.hydra.runtime.choices.get(LAUNCHER)
    jobs = OmegaConf.select(config, "hydra.launcher.n_jobs")
    if choice != "joblib" or jobs != pack:
        found = f"{LAUNCHER}={choice}" + (f" with hydra.launcher.n_jobs={jobs}" if choice == "joblib" else "")
        raise ConfigError(
            f"{KEY}={pack}: found {found}. Give {KEY} on the command line and no launcher, or a launcher alone."
        )
