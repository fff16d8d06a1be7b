import pytest
import torch
from torchmetrics import MeanMetric

from covidnet.models.running import RunningMean


def test_it_is_the_weighted_mean_to_the_last_bit():
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    ours, theirs = RunningMean(), MeanMetric()
    for number, value in enumerate(values):
        ours.update(value, number + 1)
        theirs.update(value, weight=number + 1)
    assert ours.compute() == theirs.compute()


def test_a_value_that_is_no_number_is_seen():
    mean = RunningMean()
    mean.update(torch.tensor(1.0), 3)
    mean.update(torch.tensor(float("nan")), 1)
    assert mean.compute().isnan()
    mean.reset()
    mean.update(torch.tensor(2.0), 2)
    assert mean.compute() == pytest.approx(2.0)


def test_values_of_lower_precision_are_summed_in_float32():
    mean = RunningMean()
    for _ in range(1000):
        mean.update(torch.tensor(1.001, dtype=torch.bfloat16), 1)
    assert mean.total.dtype == torch.float32
    assert mean.compute() == pytest.approx(float(torch.tensor(1.001, dtype=torch.bfloat16)), rel=1e-5)
