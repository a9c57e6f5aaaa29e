"""Whether a model can judge the labels: by hand, near chance, and in good runs, without truth."""

import json
import re

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from noisylabels.selection.reliability import assess, kappa_test

NAMES = [f"class {k}" for k in range(40)]


def labels_and_predictions(n, c, noise_ratio, accuracy, seed=0):
    """Return observed labels with symmetric noise, and predictions of the requested accuracy.

    Wrong predictions are uniform.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(n) % c

    def other(share):
        return np.where(rng.random(n) < share, (y + rng.integers(1, c, n)) % c, y)

    return other(noise_ratio), other(1 - accuracy)


def judged(n, c, noise_ratio, accuracy, estimated, epochs=25, **keywords):
    labels, predicted = labels_and_predictions(n, c, noise_ratio, accuracy)
    return assess(predicted, labels, NAMES[:c], estimated, epochs, **keywords)


def test_kappa_by_hand():
    """Six of eight agree, half by chance: z = (0.75 - 0.5) / sqrt((0.5 + 0.25 - 0.5) / 8)."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    agreement, chance, p_value = kappa_test(np.array([0, 0, 0, 1, 1, 1, 1, 0]), labels)
    assert (agreement, chance) == (0.75, 0.5)
    assert p_value == pytest.approx(0.0786496, abs=1e-6)  # of z = 1.41421


def test_kappa_agrees_with_scikit_learn():
    labels, predicted = labels_and_predictions(300, 4, 0.3, 0.6)
    agreement, chance, _ = kappa_test(predicted, labels)
    assert (agreement - chance) / (1 - chance) == pytest.approx(
        cohen_kappa_score(predicted, labels)
    )


def test_p_value_is_uniform_under_the_null_hypothesis():
    """Shares of classes and predictions differ; 2,000 data sets."""
    rng = np.random.default_rng(0)
    p = [
        kappa_test(rng.choice(3, 200, p=[0.7, 0.2, 0.1]), rng.choice(3, 200, p=[0.5, 0.4, 0.1]))[2]
        for _ in range(2000)
    ]
    for level in (0.01, 0.05, 0.5):
        assert np.mean(np.array(p) < level) == pytest.approx(level, abs=0.15 * level + 0.004)


def test_one_predicted_class_says_nothing():
    assert kappa_test(np.zeros(9, int), np.array([0] * 8 + [1]))[2] == 1
    found = assess(np.zeros(200, int), np.array([0] * 190 + [1] * 10), ["good", "bad"], 0.03)
    assert not found.can_judge and found.agreement == found.majority == 0.95
    assert found.never_predicted == ["bad"] and found.few_images == ["bad"]


def test_less_than_the_most_frequent_label_agrees():
    """Informative, but always predicting `good` agrees with more labels."""
    labels = np.array([0] * 900 + [1] * 100)
    predicted = labels.copy()
    predicted[:150], predicted[900:930] = 1, 0
    found = assess(predicted, labels, ["good", "bad"], 0.1)
    assert found.p_value < 1e-9 and (found.agreement, found.majority) == (0.82, 0.9)
    assert found.reasons == [
        "its held-out predictions agree with 82.0% of the labels, and always predicting good "
        "agrees with 90.0%"
    ]


def test_the_best_of_many_epochs_needs_a_smaller_p_value():
    labels = np.arange(100) % 2
    predicted = np.where(np.arange(100) < 64, labels, 1 - labels)
    once = assess(predicted, labels, NAMES[:2], 0.2)
    assert once.p_value == pytest.approx(0.00255513, abs=1e-6) and once.can_judge
    best = assess(predicted, labels, NAMES[:2], 0.2, epochs=50)
    assert best.p_value == pytest.approx(50 * once.p_value) and not best.can_judge


# ------------------------------------------------- the three cases near chance, and good runs


@pytest.mark.parametrize("seed", range(20))
def test_200_grey_images_cannot_be_judged(seed):
    """160 to train on, ten classes; about 22 labels agree, and 16 by chance."""
    labels, predicted = labels_and_predictions(160, 10, 0.12, 0.15, seed)
    found = assess(predicted, labels, NAMES[:10], 0.79, epochs=14)
    assert not found.can_judge
    assert len(found.few_images) > 7 and "--backbone" in found.remedy


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [1280, 1600])
def test_40_classes_of_40_images_cannot_be_judged(n, seed):
    """The agreement is six times that by chance, and still below what noise of 0.5 explains."""
    labels, predicted = labels_and_predictions(n, 40, 0.2, 0.17, seed)
    found = assess(predicted, labels, NAMES, 0.62, epochs=14)
    assert found.p_value < 1e-6 and not found.can_judge
    (reason,) = found.reasons
    assert re.fullmatch(
        r"it contradicts most labels \(estimated noise ratio 0.62\), and (3[0-3]|[34]\d) images of "
        "a typical class are too few to learn it",
        reason,
    )


@pytest.mark.parametrize(
    "n, c, noise_ratio, accuracy, estimated",
    [
        (1437, 10, 0.5, 0.87, 0.34),  # digits, sym 0.5, as measured
        (1437, 10, 0.8, 0.374, 0.726),  # digits, sym 0.8: an agreement of 0.14
        (3000, 5, 0.2, 0.82, 0.19),  # flowers on frozen features, sym 0.2
        (3000, 5, 0.5, 0.6, 0.45),  # sym 0.5
        (100, 5, 0.2, 0.6, 0.29),  # 100 flowers
        (50000, 10, 0.8, 0.55, 0.70),  # CIFAR-10, sym 0.8
    ],
)
def test_good_runs_can_be_judged(n, c, noise_ratio, accuracy, estimated):
    found = judged(n, c, noise_ratio, accuracy, estimated)
    assert found.can_judge and found.never_predicted == []
    assert any("contradicts most labels" in note for note in found.notes) == (estimated > 0.5)


def test_classes_that_are_never_predicted():
    """It is a note on few classes, and a reason on more than a tenth of the samples."""
    labels, predicted = labels_and_predictions(3000, 30, 0.1, 0.8)
    for dead, can_judge in ((1, True), (2, True), (4, False)):
        found = assess(np.maximum(predicted, dead), labels, NAMES[:30], 0.2)
        assert found.never_predicted == NAMES[:dead] and found.can_judge == can_judge
        line = f"{dead} of 30 classes ({', '.join(NAMES[:dead])})"
        assert any(line in text for text in (found.notes if can_judge else found.reasons))


def test_a_class_without_samples_is_not_missed():
    labels, predicted = labels_and_predictions(500, 5, 0.1, 0.9)
    found = assess(predicted, labels, NAMES[:8], 0.1)
    assert found.can_judge and not found.never_predicted and not found.few_images


def test_embeddings_need_no_pretrained_network():
    assert "--backbone" not in judged(200, 10, 0.1, 0.1, 0.7, embedded=True).remedy


def test_record_is_json():
    record = json.loads(json.dumps(judged(200, 10, 0.1, 0.1, 0.7).record, allow_nan=False))
    assert record["can_judge"] is False and record["never_predicted"] == [] and record["reasons"]
