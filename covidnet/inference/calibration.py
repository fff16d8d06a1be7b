"""The temperature of a run, from its calibration.json."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covidnet.errors import ConfigError, RunError
from covidnet.untrusted import read_object

FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """What divides the logits before the softmax.

    Attributes:
        temperature: None leaves the probabilities as the network gives them.
        note: In words, for people.
    """

    temperature: float | None
    note: str


def read_calibration(directory: Path, asked: str | None) -> Calibration:
    """The calibration to use for the model of a run directory.

    Args:
        directory: With or without a calibration.json, an object that holds ``temperature`` (a number, or null where
            none could be fitted, with the ``reason``) and ``applied`` (whether the run's own scores use it).
        asked: ``temperature`` wants it, ``none`` wants none, None does as the run did.

    Raises:
        ConfigError: A temperature is wanted and there is none.
        RunError: The file is damaged.
    """
    if asked == "none":
        return Calibration(None, "not calibrated (calibrate=none)")
    content = _read(directory / FILE)
    temperature = content.get("temperature")
    if temperature is None:
        reason = content.get("reason") or f"{directory} has no {FILE}"
        if asked == "temperature":
            raise ConfigError(f"calibrate=temperature: the run has no temperature: {reason}")
        return Calibration(None, f"not calibrated: {reason}")
    if asked is None and content.get("applied") is False:
        return Calibration(
            None, "not calibrated, as the run's own scores; calibrate=temperature applies its temperature"
        )
    return Calibration(float(temperature), f"calibrated, temperature {float(temperature):.2f}")


def _read(file: Path) -> dict[str, Any]:
    """What the file holds; nothing where there is none."""
    if not file.is_file():
        return {}
    try:
        content = read_object(file)
        temperature = content.get("temperature")
        if temperature is not None:
            fits = isinstance(temperature, int | float) and not isinstance(temperature, bool)
            if not (fits and math.isfinite(temperature) and temperature > 0):
                raise ValueError(f"temperature {temperature!r} is no positive number")
    except (RunError, ValueError) as error:
        raise RunError(f"{file}: damaged ({error}). Write it again, or go without it: calibrate=none.") from error
    return dict(content)
