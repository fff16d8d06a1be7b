"""From Hydra's composed configuration to a typed one; every fault is reported at once, in the user's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from covidnet.config.allowed import SECTION, allowed
from covidnet.config.resolvers import register_config_resolvers
from covidnet.config.schema import Section
from covidnet.errors import ConfigError
from covidnet.naming import did_you_mean

SomeConfig = TypeVar("SomeConfig", bound=Section)

MISSING = "???"
TAGS = ("name", "source")
"""Keys that choose among the kinds of a section."""

HOW_TO_GIVE = {
    "data.root": "give the folder that holds one sub-folder per class, data.root=PATH; "
    "or try data=phantoms, which are drawn",
    "data.table": "give the table that lists the images, data.table=PATH",
    "run": "give the directory of a finished run, run=outputs/...",
    "input": "give an image or a folder of images, input=PATH",
}


def check(config: DictConfig, schema: type[SomeConfig]) -> SomeConfig:
    """Turn a composed configuration into its typed form.

    Raises:
        ConfigError: One line per fault: the key, what was found, what is expected, the nearest valid name.
    """
    register_config_resolvers()
    try:
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    values = cast("dict[str, Any]", values)
    missing = _missing(values)
    lines = [f"{key}: missing; {HOW_TO_GIVE.get(key, 'give it a value')}" for key in missing]
    try:
        typed = schema.model_validate(values)
    except ValidationError as error:
        faults = {key: fault for fault in error.errors() if (key := _key(fault, values)) not in missing}
        # A value that is taken from another key is at fault only where that key is not.
        own = [fault for key, fault in faults.items() if not _is_interpolated(config, key)]
        lines += [_describe(fault, values, schema) for fault in own or faults.values()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error
    if lines:
        raise ConfigError("\n".join(lines))
    return typed


def without_hydra(config: DictConfig) -> DictConfig:
    """The configuration without Hydra's own section."""
    values = OmegaConf.to_container(config, resolve=False)
    assert isinstance(values, dict)
    return OmegaConf.create({str(key): value for key, value in values.items() if key != "hydra"})


def as_typed(overrides: Any) -> list[str]:
    """Overrides as they were given: an interpolation in one is for its key to resolve, not for the list."""
    texts = OmegaConf.to_container(overrides, resolve=False)
    assert isinstance(texts, list)
    return [str(text) for text in texts]


def _missing(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            keys += _missing(value, f"{prefix}{key}.")
        elif value == MISSING:
            keys.append(prefix + key)
    return keys


def _key(fault: ErrorDetails, values: dict[str, Any]) -> str:
    return ".".join(_locate(fault["loc"], values)[0])


def _is_interpolated(config: DictConfig, key: str) -> bool:
    section, _, name = key.rpartition(".")
    node = OmegaConf.select(config, section) if section else config
    return isinstance(node, DictConfig) and name in node and OmegaConf.is_interpolation(node, name)


def _describe(fault: ErrorDetails, values: dict[str, Any], schema: type[Section]) -> str:
    """One line for one fault that pydantic found."""
    path, parent = _locate(fault["loc"], values)
    key = ".".join(path)
    found = _show(fault["input"])
    if fault["type"] == "extra_forbidden":
        return _extra_key(key, path, parent)
    if fault["type"] == "value_error":
        reason = str(fault["ctx"]["error"])
        # The faults of a whole section name their keys themselves.
        return (
            f"{key}: {reason}".removeprefix(": ")
            if isinstance(fault["input"], Mapping)
            else f"{key}: found {found}; {reason}"
        )
    if fault["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        tag = str(fault["ctx"]["discriminator"]).strip("'")
        return f"{key}.{tag}: found {parent[path[-1]].get(tag)!r}; choose with {key}=CHOICE (see conf/{key})"
    if fault["type"] == "missing":
        expected = allowed(schema, fault["loc"])
        return f"{key}: missing; " + (f"choose with {key}=CHOICE" if expected == SECTION else f"expected {expected}")
    hint = ""
    if fault["type"] == "literal_error" and isinstance(fault["input"], str):
        hint = did_you_mean(fault["input"], re.findall(r"'([^']+)'", str(fault["ctx"]["expected"])))
    return f"{key}: found {found}; expected {allowed(schema, fault['loc'])}.{hint}"


def _extra_key(key: str, path: list[str], parent: Mapping[str, Any]) -> str:
    tag = next((name for name in TAGS if name in parent and len(path) > 1), None)
    if tag is None:
        return unknown_key(key, [name for name in parent if name != path[-1]])
    return (
        unknown_key(key, [name for name in parent if name != path[-1]])
        + f" ({path[0]}.{tag}={parent[tag]}; to change the kind, write {path[0]}=CHOICE)"
    )


def _locate(location: tuple[int | str, ...], values: dict[str, Any]) -> tuple[list[str], Mapping[str, Any]]:
    """The key's path in the configuration, without pydantic's union tags, and the section that holds it."""
    path: list[str] = []
    node: Any = values
    parent: Mapping[str, Any] = values
    for part in location:
        if isinstance(node, Mapping) and part in node:
            parent, node = node, node[part]
            path.append(str(part))
        elif isinstance(node, list) and isinstance(part, int):
            node = node[part]
            path[-1] += f"[{part}]"
        elif part == location[-1] and isinstance(node, Mapping) and isinstance(part, str) and part not in _tags(node):
            parent = node
            path.append(part)
    return path, parent


def _tags(node: Mapping[str, Any]) -> set[str]:
    return {str(node[name]) for name in TAGS if name in node}


def unknown_key(key: str, valid: list[str]) -> str:
    """The line for a key that does not exist; ``valid`` are the names of its section."""
    section, _, name = key.rpartition(".")
    prefix = f"{section}." if section else ""
    nearest = did_you_mean(name, valid)
    hint = nearest.replace("Did you mean ", f"Did you mean {prefix}", 1)
    return f"{key}: no such key.{hint} Allowed {f'under {section}' if section else 'at the top'}: {', '.join(valid)}"


def _show(value: object) -> str:
    text = repr(value) if not isinstance(value, Mapping) else f"{{{', '.join(map(str, value))}}}"
    return text if len(text) <= 80 else text[:77] + "..."
