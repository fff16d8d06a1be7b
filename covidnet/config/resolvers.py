"""Functions that the YAML files may call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf


def register_config_resolvers() -> None:
    """Make ``${planted_faults:FAULTS}`` known; it names a folder of phantoms after the faults planted in them."""
    OmegaConf.register_new_resolver("planted_faults", planted_faults, replace=True)


def planted_faults(faults: Mapping[str, Any]) -> str:
    """Such as ``-marker-0.5-zoom-0.3``; empty where nothing is planted."""
    return "".join(
        f"-{name}-{strength:g}" for name, strength in faults.items() if isinstance(strength, float | int) and strength
    )
