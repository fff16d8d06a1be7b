import numpy as np
import pytest

from covidnet.audit.probes import adjusted, can_score, predict_held_out, score_features

LABELS = np.arange(60) % 2


def noise(seed, columns=30, count=60):
    return np.random.default_rng(seed).normal(size=(count, columns)).astype(np.float32)


def test_a_telling_feature_is_found_and_noise_is_not():
    telling = noise(0, 10)
    telling[:, 3] += 3 * LABELS
    found = score_features(telling, LABELS, repeats=3, permutations=599)
    assert found.balanced_accuracy > 0.85 and found.p_value == pytest.approx(1 / 600)
    assert found.low < found.balanced_accuracy <= found.high
    nothing = score_features(noise(1), LABELS, repeats=3, permutations=599)
    assert nothing.p_value > 0.05 and nothing.low < 0.5


def test_p_values_of_noise_are_uniform():
    values = np.array(
        [score_features(noise(seed, 10), LABELS, repeats=1, permutations=99).p_value for seed in range(60)]
    )
    assert 0.3 < values.mean() < 0.7
    assert (values <= 0.05).sum() <= 8


def test_the_interval_does_not_shrink_with_repeats_nor_to_a_point():
    telling = noise(0, 2)
    telling[:, 0] += 20 * LABELS
    few, many = (score_features(telling, LABELS, repeats=repeats, permutations=0) for repeats in (1, 8))
    assert few.balanced_accuracy == many.balanced_accuracy == 1.0
    assert few.low == pytest.approx(many.low) and 0.85 < few.low < 0.97
    assert few.p_value == 1.0


def test_uneven_classes_are_weighed_alike():
    labels = np.array([0] * 80 + [1] * 12)
    score = score_features(noise(5, 4, 92), labels, repeats=3, permutations=199)
    assert 0.3 < score.balanced_accuracy < 0.7  # always naming the large class would also be 0.5, but not see class 1
    named = predict_held_out(noise(5, 4, 92), labels, range(0, 92, 2), range(1, 92, 2))
    assert (named == 1).mean() > 0.2


def test_three_classes_and_constant_features():
    labels = np.arange(60) % 3
    features = np.eye(3, dtype=np.float32)[labels] + 0.1 * noise(2, 3)
    assert score_features(features, labels, repeats=1, permutations=0).balanced_accuracy == 1.0
    flat = score_features(np.zeros((60, 4), dtype=np.float32), labels, repeats=1, permutations=99)
    assert (
        flat.balanced_accuracy == pytest.approx(1 / 3) and flat.p_value == 1.0 and flat.chance == pytest.approx(1 / 3)
    )
    assert score_features(np.zeros((60, 0), dtype=np.float32), labels, repeats=1, permutations=9).p_value == 1.0


def test_too_few_images_are_refused():
    assert not can_score(np.zeros(20, dtype=int))
    assert not can_score(np.array([0] * 20 + [1] * 3))
    with pytest.raises(ValueError, match="two classes"):
        score_features(noise(0, 2, 20), np.zeros(20, dtype=int), repeats=1, permutations=0)


def test_holm_by_hand():
    scores = {}
    for name, p_value in (("a", 0.01), ("b", 0.04), ("c", 0.03)):
        scores[name] = score_features(noise(0, 2), LABELS, repeats=1, permutations=0)
        object.__setattr__(scores[name], "p_value", p_value)
    assert {name: score.p_adjusted for name, score in adjusted(scores).items()} == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )
