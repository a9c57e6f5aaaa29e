"""The theory's formulas by hand, against each other, and against the 2019 code."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisylabels import theory
from noisylabels.errors import UserError
from noisylabels.metrics import confusion_matrix, label_scores
from noisylabels.noise import Noise, default_assumed_pattern, transition_matrix
from noisylabels.report import published

UNEVEN = [[0.9, 0.1], [0.4, 0.6]]
THREE = [[0.8, 0.2, 0], [0, 0.5, 0.5], [0.1, 0.1, 0.8]]


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("sym", [[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]]),
        ("asym", [[0.7, 0.3, 0], [0, 0.7, 0.3], [0.3, 0, 0.7]]),
    ],
)
def test_transition_matrix(pattern, expected):
    np.testing.assert_allclose(transition_matrix(pattern, 0.3, 3), expected, atol=1e-15)


@pytest.mark.parametrize(
    "pattern, ratio, c, TA, LP, LR",
    [
        ("sym", 0, 10, 1, 1, 1),
        ("sym", 0.2, 10, 0.64 + 0.04 / 9, 0.64 / (0.64 + 0.04 / 9), 0.8),
        ("sym", 0.5, 10, 0.25 / 0.9, 0.9, 0.5),
        ("sym", 0.9, 10, 0.1, 0.1, 0.1),
        ("sym", 1, 10, 1 / 9, 0, 0),
        ("sym", 0.5, 3, 0.375, 2 / 3, 0.5),
        ("asym", 0, 10, 1, 1, 1),
        ("asym", 0.4, 10, 0.52, 0.36 / 0.52, 0.6),
        ("asym", 0.5, 3, 0.5, 0.5, 0.5),
        ("asym", 1, 10, 1, 0, 0),
        (
            "asym5",
            0.4,
            10,
            0.76,
            0.68 / 0.76,
            0.85,
        ),  # half of the classes as asym, half as they are
        ("asym5", 1, 10, 1, 0.5, 1),
    ],
)
def test_scores_of_the_two_patterns(pattern, ratio, c, TA, LP, LR):
    T = transition_matrix(pattern, ratio, c)
    assert theory.test_accuracy(T) == pytest.approx(TA)
    assert theory.label_precision(T) == pytest.approx(LP)
    assert theory.label_recall(T) == pytest.approx(LR)


@pytest.mark.parametrize(
    "T, prior, TA, LP, LR",
    [
        (
            UNEVEN,
            (0.75, 0.25),
            0.745,
            0.6975 / 0.745,
            0.6975 / 0.825,
        ),  # .75(.81+.01) + .25(.16+.36)
        (UNEVEN, (1, 0), 0.82, 0.81 / 0.82, 0.9),
        (THREE, None, 1.84 / 3, 1.53 / 1.84, 1.53 / 2.1),  # rows .68 + .50 + .66
        (THREE, (0.5, 0.25, 0.25), 0.63, 0.5425 / 0.63, 0.5425 / 0.725),
    ],
)
def test_scores_of_a_general_matrix(T, prior, TA, LP, LR):
    assert theory.test_accuracy(T, prior) == pytest.approx(TA)
    assert theory.label_precision(T, prior) == pytest.approx(LP)
    assert theory.label_recall(T, prior) == pytest.approx(LR)


@pytest.mark.parametrize(
    "score, formula",
    [("TA", theory.test_accuracy), ("LP", theory.label_precision), ("LR", theory.label_recall)],
)
def test_published_points_follow_the_theory(score, formula):
    """A slip in the table or in a formula would put a point off its curve."""
    distances = [
        abs(value - formula(transition_matrix(pattern, i / 10, 10)))
        for pattern, points in published.THEORY_POINTS.items()
        for i, value in enumerate(points[score])
    ]
    assert len(distances) == 22 and max(distances) <= 0.1 and np.mean(distances) <= 0.05


def test_published_values_have_recorded_sums():
    """A slip would change a sum that was computed by hand."""
    sums = {
        method: [round(100 * sum(part), 2) for part in zip(*row.values(), strict=True)]
        for method, row in published.TEST_ACCURACY.items()
    }
    assert sums == {
        "f_correction": [279.41, 7.3],
        "decoupling": [278.20, 6.38],
        "co_teaching": [271.93, 6.74],
        "mentornet": [271.68, 3.98],
        "d2l": [249.10, 15.30],
        "incv": [312.80, 4.55],
    }
    assert {
        setting: [round(100 * sum(values), 1) for values in scores.values()]
        for setting, scores in published.SELECTION.items()
    } == {
        ("sym", 0.2): [396, 356.3],
        ("sym", 0.5): [376.4, 331.4],
        ("sym", 0.8): [210.2, 217.8],
        ("asym", 0.4): [344.2, 342.8],
    }


def test_settings_of_the_published_figures():
    assert [*published.SETTINGS] == [*published.SELECTION] == [*published.TEST_ACCURACY["incv"]]
    assert published.CONFUSION_SETTINGS == (("asym", 0.4), ("sym", 0.8), ("sym", 0.9), ("sym", 1))


@pytest.mark.parametrize(
    "TA, c, top_k, ratio",
    [
        (1, 10, 1, 0),
        (0.25 / 0.9, 10, 1, 0.5),
        (0.1, 10, 1, 0.9),  # the minimum itself: a root, no warning
        (0.375, 3, 1, 0.5),
        (0.52, 2, 1, 0.4),
        (0.3125, 10, 2, 0.5),  # .25 + .25 / (10/2 - 1)
        (0.84, 4, 3, 0.1),  # .81 + .01 / (4/3 - 1)
    ],
)
def test_estimated_noise_ratio(TA, c, top_k, ratio):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert theory.estimate_noise_ratio(TA, c, top_k) == pytest.approx(ratio)


@given(st.floats(0, 1), st.integers(2, 200), st.data())
def test_estimate_inverts_the_symmetric_formula(share, c, data):
    ratio = share * (1 - 1 / c)  # down to the minimum of the curve
    TA = theory.test_accuracy(transition_matrix("sym", ratio, c))
    assert theory.estimate_noise_ratio(min(1, max(TA, 1 / c)), c) == pytest.approx(ratio, abs=1e-6)
    k = data.draw(st.integers(1, c - 1))
    ratio = share * (1 - k / c)
    TA = (1 - ratio) ** 2 + ratio**2 / (c / k - 1)
    assert theory.estimate_noise_ratio(min(1, max(TA, k / c)), c, k) == pytest.approx(
        ratio, abs=1e-6
    )


@pytest.mark.parametrize("c, k", [(2, 1), (10, 1), (10, 5), (100, 1), (100, 5)])
def test_estimate_equals_the_search_of_2019(c, k):
    for TA in np.linspace(k / c + 1e-4, 1, 50):
        stepped = 0.0
        while (1 - stepped) ** 2 + stepped**2 / (c / k - 1) > TA:
            stepped += 0.001
        assert abs(theory.estimate_noise_ratio(TA, c, k) - stepped) <= 0.001 + 1e-9


@pytest.mark.parametrize(
    "TA, c, k, ratio", [(0.09, 10, 1, 0.9), (0, 10, 1, 0.9), (0, 2, 1, 0.5), (0.04, 100, 5, 0.95)]
)
def test_accuracy_below_the_curve_warns(TA, c, k, ratio):
    with pytest.warns(UserWarning) as caught:
        assert theory.estimate_noise_ratio(TA, c, k) == pytest.approx(ratio)
    assert [str(warning.message) for warning in caught] == [
        f"held-out agreement {TA} is below chance, {k / c:.4g}: the noise ratio is set to its "
        f"maximum, {ratio}"
    ]
    assert caught[0].filename == __file__  # it points at who called


@pytest.mark.parametrize(
    "pattern, ratio, c, expected",
    [
        ("sym", 0, 10, 0),
        ("sym", 0.5, 10, 0.1),
        ("sym", 0.8, 10, 0.64),
        ("sym", 0.5, 3, 1 / 3),
        ("sym", 1, 10, 1),
        ("asym", 0, 10, 0),
        ("asym", 0.4, 10, 0.16 / 0.52),
        ("asym", 0.5, 10, 0.5),
        ("asym", 1, 10, 1),
    ],
)
def test_noise_ratio_of_the_selection(pattern, ratio, c, expected):
    assert theory.selected_noise_ratio(ratio, pattern, c) == pytest.approx(expected)
    assert expected == pytest.approx(
        1 - theory.label_precision(transition_matrix(pattern, ratio, c))
    )


@pytest.mark.parametrize(
    "selected, clean, LP, LR",
    [
        ([1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 1, 0], 2 / 3, 0.5),
        ([1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], 0, 0),
        ([0, 0, 0, 0, 0, 0], [1, 0, 1, 1, 1, 0], np.nan, 0),
        ([1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0], 0, np.nan),
    ],
)
def test_scores_of_a_selection(selected, clean, LP, LR):
    scores = label_scores(np.array(selected, bool), np.array(clean, bool))
    assert scores == pytest.approx({"LP": LP, "LR": LR}, nan_ok=True)


def test_confusion_matrix():
    """Include a class without samples and one that is never predicted."""
    M = confusion_matrix(np.array([0, 1, 1, 0, 1]), np.array([0, 0, 0, 1, 3]), 4)
    np.testing.assert_allclose(M, [[1 / 3, 2 / 3, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])


@pytest.mark.parametrize(
    "pattern, told", [("sym", "sym"), ("asym", "asym"), ("asym5", "asym"), ("given", "asym")]
)
def test_assumed_pattern_of_a_noise(pattern, told):
    assert default_assumed_pattern(pattern) == told


@pytest.mark.parametrize("pattern, wrong", [("sym", 0.4), ("asym", 0.4), ("asym5", 0.2)])
def test_noise_rate(pattern, wrong):
    noise = Noise(pattern, 0.4)
    assert (
        noise.noise_rate
        == pytest.approx(wrong)
        == 1 - np.diag(transition_matrix(*noise, 10)).mean()
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: transition_matrix("pair", 0.5, 10),
        lambda: transition_matrix("sym", -0.1, 10),
        lambda: transition_matrix("sym", 1.1, 10),
        lambda: transition_matrix("sym", float("nan"), 10),
        lambda: transition_matrix("sym", 0.5, 1),
        lambda: transition_matrix("asym5", 0.5, 100),
        lambda: theory.selected_noise_ratio(0.5, "pair", 10),
        lambda: theory.selected_noise_ratio(0.5, "asym5", 10),
        lambda: theory.selected_noise_ratio(2, "sym", 10),
        lambda: theory.selected_noise_ratio(0.5, "sym", 1),
        lambda: theory.test_accuracy([[0.5, 0.6], [0.5, 0.5]]),
        lambda: theory.test_accuracy([[1.5, -0.5], [0.5, 0.5]]),
        lambda: theory.test_accuracy([[0.5, 0.5]]),
        lambda: theory.test_accuracy([[1], [1]]),
        lambda: theory.test_accuracy([1]),
        lambda: theory.test_accuracy(np.full((2, 2, 2), 0.5)),
        lambda: theory.test_accuracy([[float("nan")] * 2] * 2),
        lambda: theory.test_accuracy(np.empty((0, 0))),
        lambda: theory.label_precision(UNEVEN, (0.5, 0.6)),
        lambda: theory.label_recall(UNEVEN, (1, 0, 0)),
        lambda: theory.label_recall(UNEVEN, (1,)),
        lambda: theory.estimate_noise_ratio(-0.1, 10),
        lambda: theory.estimate_noise_ratio(1.1, 10),
        lambda: theory.estimate_noise_ratio(float("nan"), 10),
        lambda: theory.estimate_noise_ratio(0.5, 10, 10),
        lambda: theory.estimate_noise_ratio(0.5, 10, 11),
        lambda: theory.estimate_noise_ratio(0.5, 10, 0),
    ],
)
def test_invalid_arguments_are_one_error(call):
    with pytest.raises((ValueError, UserError)) as error:
        call()
    assert 10 < len(str(error.value)) < 120 and "\n" not in str(error.value)
