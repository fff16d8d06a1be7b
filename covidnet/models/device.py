"""The device that a user names."""

from __future__ import annotations

import torch

from covidnet.errors import ConfigError


def usable_device(name: str) -> str:
    """The name itself, after a tensor was made there.

    Raises:
        ConfigError: There is no such device.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device={name}: {str(error).splitlines()[0]}. Allowed: cpu, cuda, cuda:1, mps ..."
        ) from error
    return name
