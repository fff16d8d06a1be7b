"""Metrics of an epoch that accumulate on the device, and are read once, at its end."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class RunningMean(Metric):
    """Mean of values with weights.

    torchmetrics' own MeanMetric asks at every update whether a value is no number, and a GPU has to be waited for to
    answer. Here such values are not looked for: they make the mean no number either, which is how they are seen.
    """

    total: Tensor
    weight: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("weight", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, value: Tensor, weight: int) -> None:
        """Count a value, shape (), ``weight`` times."""
        self.total += value.to(self.total) * weight
        self.weight += weight

    def compute(self) -> Tensor:
        """The mean, shape (); no number before the first update."""
        return self.total / self.weight
