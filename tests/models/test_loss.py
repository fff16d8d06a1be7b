import math

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from covidnet.config.compose import compose_train
from covidnet.errors import ConfigError, DataError
from covidnet.models.loss import TrainingLoss, build_loss

CLASSES = ["covid", "normal", "pneumonia"]
LABELS = np.array([0, 1, 1, 1, 2, 2])
LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [-1.0, 0.25, 3.0], [1.0, 1.0, 1.0]])
TARGETS = torch.tensor([0, 1, 1, 2])


def configured(*overrides):
    return compose_train(["data.root=/x", *overrides]).loss


def each(logits=LOGITS, targets=TARGETS):
    return functional.cross_entropy(logits, targets, reduction="none")


def test_by_default_it_is_torchs_cross_entropy_to_the_last_bit():
    logits = torch.randn(64, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.arange(64) % 3
    ours, theirs = build_loss(configured(), CLASSES, LABELS)(logits, targets), functional.cross_entropy(logits, targets)
    assert torch.equal(ours, theirs)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)]
    assert torch.equal(*gradients)


def test_spectral_decoupling_by_hand():
    """lambda / 2 * the mean of the squares: its gradient is lambda * logit / their number."""
    logits = torch.tensor([[1.0, -2.0], [3.0, 0.0]], requires_grad=True)
    targets = torch.tensor([0, 1])
    loss = TrainingLoss(spectral_decoupling=0.5)(logits, targets)
    plain = functional.cross_entropy(logits, targets)
    assert float((loss - plain).detach()) == pytest.approx(0.25 * (1 + 4 + 9 + 0) / 4)
    (penalty,) = torch.autograd.grad(loss - plain, logits)
    torch.testing.assert_close(penalty, 0.5 * logits.detach() / 4)
    (whole,) = torch.autograd.grad(TrainingLoss(spectral_decoupling=0.5)(logits, targets), logits)
    softmax = logits.detach().softmax(1) - functional.one_hot(targets)
    torch.testing.assert_close(whole, softmax / 2 + 0.5 * logits.detach() / 4)


def test_balanced_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    loss = build_loss(configured("loss.class_weights=balanced"), CLASSES, LABELS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(loss.class_weights.numpy(), expected, rtol=1e-6)
    factors = torch.tensor(expected, dtype=torch.float32)[TARGETS]
    torch.testing.assert_close(loss(LOGITS, TARGETS), (factors * each()).mean())


def test_weights_by_name_are_relative_and_one_where_none_is_given():
    loss = build_loss(configured("loss.class_weights={covid: 4, pneumonia: 0.5}"), CLASSES, LABELS)
    weights = loss.class_weights.numpy()
    np.testing.assert_allclose(weights / weights[1], [4, 1, 0.5], rtol=1e-6)
    assert weights[LABELS].mean() == pytest.approx(1)


def test_image_weights_multiply_and_have_mean_one_over_the_training_images():
    given = np.array([2.0, 1.0, 1.0, 0.0, 4.0, 4.0], dtype=np.float32)
    loss = build_loss(configured(), CLASSES, LABELS, given)
    np.testing.assert_allclose(loss.class_weights.numpy(), [0.5] * 3)
    weights = torch.tensor([2.0, 1.0, 0.0, 4.0])
    torch.testing.assert_close(loss(LOGITS, TARGETS, weights), (0.5 * weights * each()).mean())
    balanced = build_loss(configured("loss.class_weights=balanced"), CLASSES, LABELS, given)
    sums = [float((balanced.class_weights.numpy()[LABELS] * given)[index == LABELS].sum()) for index in range(3)]
    assert sums == pytest.approx([2.0] * 3)  # six images, three classes


def test_a_batch_without_any_weight_has_no_loss_and_no_nan():
    logits = LOGITS.clone().requires_grad_()
    loss = TrainingLoss()(logits, TARGETS, torch.zeros(4))
    assert float(loss.detach()) == 0.0 and torch.equal(torch.autograd.grad(loss, logits)[0], torch.zeros(4, 3))


def test_label_smoothing_is_torchs():
    loss = build_loss(configured("loss.label_smoothing=0.2"), CLASSES, LABELS)
    assert torch.equal(loss(LOGITS, TARGETS), functional.cross_entropy(LOGITS, TARGETS, label_smoothing=0.2))


def test_weights_stay_out_of_the_state():
    assert not build_loss(configured("loss.class_weights=balanced"), CLASSES, LABELS).state_dict()


def test_an_unknown_class_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"loss\.class_weights\.covd: expected one of .*Did you mean covid\?"):
        build_loss(configured("loss.class_weights={covd: 2}"), CLASSES, LABELS)


def test_weights_that_leave_nothing_to_learn():
    with pytest.raises(ConfigError, match="every training image has the weight 0"):
        build_loss(configured("loss.class_weights={covid: 0, normal: 0, pneumonia: 0, other: 1}"), [*CLASSES, "other"],
                   LABELS)  # fmt: skip
    with pytest.raises(DataError, match="weights of all training images are 0"):
        build_loss(configured(), CLASSES, LABELS, np.zeros(6, dtype=np.float32))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("balance", r"loss\.class_weights: found 'balance'; expected none, balanced or .*Did you mean balanced\?"),
        ("3", r"loss\.class_weights: found 3; expected none, balanced or \{CLASS: WEIGHT\}"),
        ("{covid: -1}", r"loss\.class_weights: each weight has to be a number of at least 0"),
        ("{covid: much}", r"loss\.class_weights: each weight has to be a number"),
        ("{covid: 0}", r"loss\.class_weights: expected .* a weight above 0"),
    ],
)
def test_impossible_weights_are_refused(given, told):
    with pytest.raises(ConfigError, match=told) as caught:
        configured(f"loss.class_weights={given}")
    assert len(str(caught.value).splitlines()) == 1


def test_one_imbalance_is_corrected_once():
    with pytest.raises(ConfigError, match="correct the same imbalance twice"):
        configured("loss.class_weights=balanced", "data.sampling=balanced")


def test_smaller_logits_is_what_spectral_decoupling_does():
    """On separable data cross-entropy drives the logits up without end; the penalty stops them."""
    inputs, targets = torch.tensor([[1.0], [-1.0]]), torch.tensor([0, 1])
    reached = []
    for strength in (0.0, 0.1):
        weight = torch.zeros(1, 2, requires_grad=True)
        optimizer = torch.optim.SGD([weight], lr=1.0)
        for _ in range(500):
            optimizer.zero_grad()
            TrainingLoss(spectral_decoupling=strength)(inputs @ weight, targets).backward()
            optimizer.step()
        reached.append(float(weight.detach().abs().max()))
    assert reached[0] > 3 > 2 > reached[1]
    # Where the gradient vanishes: -sigmoid(-2 z) + lambda z / 2 = 0 for logits (z, -z).
    assert 1 / (1 + math.exp(2 * reached[1])) == pytest.approx(0.1 * reached[1] / 2, rel=1e-3)
