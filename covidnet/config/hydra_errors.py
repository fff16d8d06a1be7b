"""Hydra's errors in the user's words: the key, what was found, what is allowed, the nearest valid name."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from covidnet.config.check import check, unknown_key
from covidnet.config.schema import (
    AuditCommandConfig,
    DemoConfig,
    EvaluateConfig,
    ExportConfig,
    PredictConfig,
    Section,
    TrainConfig,
)
from covidnet.errors import ConfigError, MissingExtraError
from covidnet.naming import did_you_mean

PLUGIN_EXTRAS = {
    "hydra/launcher=joblib": "joblib",
    "hydra/launcher=submitit_slurm": "submitit",
    "hydra/launcher=submitit_local": "submitit",
    "hydra/launcher=ray": "ray",
    "hydra/sweeper=optuna": "optuna",
}
"""Choices that Hydra's plugins bring, and the extra that installs each."""

SCHEMAS: dict[str, type[Section]] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "audit": AuditCommandConfig,
    "predict": PredictConfig,
    "export": ExportConfig,
    "demo": DemoConfig,
}
MULTIRUN = frozenset({"-m", "--multirun", "hydra.mode=MULTIRUN"})


def explain(error: Exception, config_dir: Path, config_name: str, arguments: Sequence[str]) -> str | None:
    """One readable line per fault of the command line; None when the error does not come from it.

    Hydra stops at the first fault. Here every override is tried, so that all of them are told at once, together with
    the ill-typed values of the others.
    """
    if isinstance(error, ValueError) and str(error).startswith("Only one of --"):
        return str(error)
    bare = getattr(error, "override", None)  # a word without "=" may also be the value of a flag
    overrides = [text for text in arguments if not text.startswith("-") and (set("=~") & set(text) or text == bare)]
    lines = _Diagnosis(config_dir, config_name, overrides, sweeping=not MULTIRUN.isdisjoint(arguments)).lines()
    if lines:
        return "\n".join(dict.fromkeys(lines))
    return _one_line(error) if isinstance(error, HydraException | OmegaConfBaseException) else None


def arguments() -> list[str]:
    """The command line's overrides, as typed."""
    return sys.argv[1:]


class _Diagnosis:
    """Tries the overrides of a command line one by one, each together with the sound choices of groups."""

    def __init__(self, config_dir: Path, config_name: str, overrides: Sequence[str], sweeping: bool) -> None:
        self.config_dir = config_dir
        self.config_name = config_name
        self.overrides = overrides
        self.sweeping = sweeping
        self.groups = {path.relative_to(config_dir).as_posix() for path in config_dir.rglob("*") if path.is_dir()}

    def lines(self) -> list[str]:
        """One line per faulty override, then one per value that the schema refuses; none where Hydra takes them all."""
        lines: list[str] = []
        sound: list[str] = []
        open_groups: set[str] = set()  # without one valid choice: nothing can be said of their keys
        for text in sorted(self.overrides, key=lambda text: _key(text) not in self.groups):
            if _key(text).split(".")[0] in open_groups:
                continue
            fault = self._fault(text, sound)
            if fault is not None:
                lines.append(fault)
            elif not self._sweeps(text):
                sound.append(text)
                continue
            open_groups |= {_key(text)} & self.groups
        if not lines:
            return []
        faulty = {_key(text) for text in self.overrides if text not in sound}
        refused = self._schema_lines(sound, open_groups)
        return [*lines, *(line for line in refused if line.partition(":")[0] not in faulty)]

    def _fault(self, text: str, sound: Sequence[str]) -> str | None:
        """What is wrong with one override, or None."""
        key = _key(text)
        if not key:
            return f"{text}: not of the form KEY=VALUE"
        try:
            if self._sweeps(text):
                return None
            self._compose([*sound, text])
        except MissingConfigException as error:
            return _missing_choice(error)
        except OverrideParseException as error:
            return _unreadable(text, error)
        except Exception as error:
            unknown = self._unknown(key, sound) if _names_no_key(error) else None
            if unknown is not None:
                return unknown
            if "Ambiguous value" in str(error):
                return f"{text}: several values make a sweep, with -m. {_how_to_write(text)}"
            if key in self.groups and text.partition("=")[2] in {"", "null"}:
                return f"{text}: expected one of {', '.join(self._choices(key))}"
            return f"{text}: {_one_line(error)}"
        return None

    def _schema_lines(self, sound: Sequence[str], open_groups: set[str]) -> list[str]:
        config = self._compose(sound)
        if OmegaConf.select(config, "resume") is not None:
            return []  # that run's own configuration counts
        try:
            check(config, SCHEMAS[self.config_name])
        except ConfigError as error:
            return [line for line in str(error).splitlines() if line.partition(".")[0] not in open_groups]
        return []

    def _unknown(self, key: str, sound: Sequence[str]) -> str | None:
        """The line for a key that does not exist, with the names of the section it was looked for in."""
        if key.split(".")[0] == "hydra":
            return f"{key}: no such key of Hydra's own configuration; see --hydra-help"
        config = self._compose(sound)
        names = key.split(".")
        for depth, name in enumerate(names):
            section = OmegaConf.select(config, ".".join(names[:depth])) if depth else config
            if not isinstance(section, DictConfig):
                parent = ".".join(names[:depth])
                return f"{key}: {parent} is a value, not a section. Set it whole, {parent}=VALUE"
            valid = [str(key) for key in section]
            if name not in valid:  # asked of the section itself, a key without a value is not there
                return unknown_key(".".join(names[: depth + 1]), valid)
        return None

    def _sweeps(self, text: str) -> bool:
        """Whether the override stands for several values, which are fine in a sweep and checked job by job."""
        return self.sweeping and bool(OverridesParser.create().parse_overrides([text])[0].is_sweep_override())

    def _choices(self, group: str) -> list[str]:
        return sorted(path.stem for path in (self.config_dir / group).glob("*.yaml"))

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(self.config_dir), version_base="1.3"):
            return compose(self.config_name, overrides=list(overrides))


def _key(text: str) -> str:
    return text.partition("=")[0].lstrip("+~").partition("@")[0]


def _names_no_key(error: Exception) -> bool:
    """Whether the key is at fault. For ``betas.foo=1`` OmegaConf takes foo for a position in the list betas."""
    return bool(re.search(r"Could not override|does not exist|^invalid literal for int\(\)", str(error)))


def _missing_choice(error: MissingConfigException) -> str:
    wanted = str(error.missing_cfg_file or "")
    group, _, choice = wanted.rpartition("/")
    if f"{group}={choice}" in PLUGIN_EXTRAS:
        return str(MissingExtraError(f"{group}={choice}", PLUGIN_EXTRAS[f"{group}={choice}"]))
    options = list(error.options or [])
    if not group or not options:
        return _one_line(error)
    return f"{group}={choice}: no such choice.{did_you_mean(choice, options)} Allowed: {', '.join(options)}"


def _unreadable(text: str, error: OverrideParseException) -> str:
    """The line for what Hydra's grammar refuses."""
    if "=" not in text:
        return f"{text}: not of the form KEY=VALUE"
    reason = "" if "Lexer" in error.message else f" ({error.message.splitlines()[0]})"
    return f"{text}: cannot be read as KEY=VALUE{reason}. {_how_to_write(text)}".rstrip()


def _how_to_write(text: str) -> str:
    """How a value with special characters, or a list, is given in a shell; empty where the key itself is odd."""
    key, _, value = text.partition("=")
    if value.startswith(("[", "{")):
        return f"A list is written {key}=[1,2]"
    # In Hydra's grammar a backslash is special before a quote only.
    escaped = re.sub(r'(\\*)("|$)', lambda match: 2 * match[1] + ('\\"' if match[2] else ""), value)
    quoted = f'{key}="{escaped}"'
    try:
        OverridesParser.create().parse_overrides([quoted])
    except OverrideParseException:
        return ""
    return f"A text with special characters needs quotes: {shlex.quote(quoted)}"


def _one_line(error: Exception) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
