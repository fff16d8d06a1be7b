"""YAML files of run directories, which may be a stranger's: plain values, no code, none of this machine's secrets."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from covidnet.errors import RunError
from covidnet.untrusted import read_plain

MOST_BYTES = 1 << 18
MOST_BRACKETS = 500
"""PyYAML's time grows with the square of the brackets that are open: 5,000 take ten seconds."""
MOST_INTERPOLATIONS = 16
"""Values that are built of others may double with each of them; a run's own configuration has half a dozen."""

_PLAIN = re.compile(r"\$\{[\w.\[\]]+\}|\$\{planted_faults:[\w.]*\}")
"""The value of another key, and what conf/data/phantoms.yaml computes; innermost first."""
_OF_THE_CACHE = re.compile(r"\$\{oc\.env:(?:XDG_CACHE_HOME|HOME)(?:,[^${}]*)?\}")
"""The only variables of the environment that conf/ asks for, see conf/data/base.yaml."""


def read_config(path: Path) -> DictConfig:
    """A stored configuration, not yet resolved.

    Raises:
        RunError: It cannot be read, is no configuration, or asks for more than a configuration may.
    """
    config = _read(path)
    if not isinstance(config, DictConfig):
        raise RunError(f"{path}: not a configuration, which is a list of KEY: VALUE.")
    texts = [text for text in _texts(OmegaConf.to_container(config, resolve=False)) if "${" in text]
    if sum(text.count("${") for text in texts) > MOST_INTERPOLATIONS:
        raise RunError(f"{path}: more than {MOST_INTERPOLATIONS} values that refer to others; write them out.")
    for text in texts:
        if "${" in _without_allowed(text):
            raise RunError(
                f"{path}: {text[:100]!r} asks for something of this machine, which the configuration of a run may not: "
                "it could be a stranger's. Write the value itself in its place."
            )
    return config


def read_texts(path: Path) -> list[str]:
    """A stored list of overrides, as they were typed: nothing in them is resolved.

    Raises:
        RunError: It cannot be read, or is no list.
    """
    values = read_values(path)
    if not isinstance(values, list):
        raise RunError(f"{path}: not a list of overrides.")
    return [str(item) for item in values]


def read_values(path: Path) -> Any:
    """Any stored YAML as plain values; nothing in them is resolved.

    Raises:
        RunError: It cannot be read.
    """
    return OmegaConf.to_container(_read(path), resolve=False)


def _read(path: Path) -> DictConfig | ListConfig:
    try:
        text = read_plain(path, MOST_BYTES).decode("utf-8")
        if text.count("[") + text.count("{") > MOST_BRACKETS:
            raise RunError(f"{path}: more than {MOST_BRACKETS} brackets; this is no configuration of a run.")
        # An alias of aliases of aliases is a few bytes that become gigabytes.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise RunError(f"{path}: holds a YAML alias (*NAME); write the value out.")
        return OmegaConf.load(io.StringIO(text))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise RunError(f"{path}{line}: not readable as YAML ({_short(error.problem)}).") from error
    except RecursionError as error:
        raise RunError(f"{path}: not readable as YAML (nested too deeply).") from error
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not readable as YAML ({_short(error)}).") from error


def _short(reason: object) -> str:
    return " ".join(str(reason).split())[:200]


def _texts(node: Any) -> Iterator[str]:
    """All texts in plain values, keys too."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _without_allowed(text: str) -> str:
    """The text with ``x`` in place of every interpolation that is allowed."""
    while True:
        reduced = _OF_THE_CACHE.sub("x", _PLAIN.sub("x", text))
        if reduced == text:
            return text
        text = reduced
