"""INCV's algorithm: bookkeeping by hand, and with nearest neighbours."""

import numpy as np
import pytest

from noisylabels.selection.algorithm import Scores, incv, score_predictions


class Recorder:
    """Answer `train` by a function of the held-out samples, and record its calls."""

    def __init__(self, answer):
        self.answer, self.calls = answer, []

    def __call__(self, folds, use_best):
        return [
            self.train(str(stage), samples, held_out, use_best)
            for stage, samples, held_out in folds
        ]

    def train(self, stage, samples, held_out, use_best):
        assert (np.diff(held_out) > 0).all()
        self.calls.append((stage, sorted(samples.tolist()), held_out.tolist(), use_best))
        hit, loss = self.answer(stage, held_out)
        return Scores(np.asarray(hit, bool), np.asarray(loss, float), 0, 0, 0)

    def stages(self):
        return [stage for stage, *_ in self.calls]


def sets(result):
    """Return S, C, R as lists of indices."""
    return [
        np.flatnonzero(mask).tolist()
        for mask in (result.select, result.candidate, ~result.select & ~result.candidate)
    ]


def test_bookkeeping_by_hand():
    """8 samples, 4 classes: each half finds three of four, the fourth has the largest loss.

    TA = 3/4 gives (1-e)^2 + e^2/3 = 3/4, so e = (3 - sqrt 6)/4 = 0.138 and r = 0.160: int(0.160 *
    3) = 0 are removed. Iteration 2 finds the two that are left.
    """
    labels = np.zeros(8, int)
    train = Recorder(
        lambda stage, held: (held != held.max() if stage[0] == "1" else held >= 0, held)
    )
    result = incv(train, labels, labels, 4, "sym", iterations=2)
    (
        (a, in_1a, held_1a, _),
        (b, in_1b, held_1b, _),
        (c, in_2a, held_2a, _),
        (d, in_2b, held_2b, _),
    ) = train.calls
    assert [a, b, c, d] == ["1a", "1b", "2a", "2b"]
    assert (
        (in_1a, held_1a) == (held_1b, in_1b)
        and sorted(in_1a + held_1a) == list(range(8))
        and len(in_1a) == 4
    )
    left = sorted([max(held_1a), max(held_1b)])
    selected = sorted({*range(8)} - {*left})
    assert held_2a + held_2b in (left, left[::-1])
    assert in_2a == sorted(selected + held_2b) and in_2b == sorted(
        selected + held_2a
    )  # S of before the iteration
    assert sets(result) == [list(range(8)), [], []]
    assert result.eval_ratio == pytest.approx((3 - 6**0.5) / 4)
    assert [
        (row["selected"], row["candidate"], row["LP"], row["LR"]) for row in result.iteration_log
    ] == [(6, 2, 1, 0.75), (8, 0, 1, 1)]


def test_largest_losses_are_removed():
    """TA = 1/2 of 2 classes is the minimum: e = 1/2, r = 1; half of the found ones are removed."""
    labels = np.zeros(8, int)
    train = Recorder(lambda stage, held: ([True, True, False, False], [0, 1, 2, 3]))
    result = incv(train, labels, labels, 2, "sym", iterations=1)
    held = [calls[2] for calls in train.calls]
    assert sets(result) == [
        sorted(held[0][:2] + held[1][:2]),
        [],
        sorted(held[0][2:] + held[1][2:]),
    ]


def test_agreeing_sample_is_selected_despite_a_large_loss():
    labels = np.zeros(8, int)
    train = Recorder(lambda stage, held: ([False, False, True, True], [0, 1, 2, 3]))
    S, C, R = sets(incv(train, labels, labels, 2, "sym", iterations=1))
    assert (len(S), len(C), len(R)) == (4, 4, 0)


@pytest.mark.parametrize("pattern", ["asym", None])
def test_nothing_is_removed_unless_sym_is_assumed(pattern):
    labels = np.zeros(20, int)
    result = incv(
        Recorder(lambda stage, held: (held % 2 == 0, held)),
        labels,
        labels,
        10,
        pattern,
        iterations=3,
    )
    assert sets(result) == [list(range(0, 20, 2)), list(range(1, 20, 2)), []]


@pytest.mark.parametrize(
    "pattern, TA, used",
    [
        ("sym", 0.9, [True, True, True, True, False]),  # e = .05: m = 4
        ("sym", 0.4, [True, True, False, False, False]),  # e = .39: m = 2
        ("sym", 0.15, [True, False, False, False, False]),  # e = .65: m = 1
        ("asym", 0.9, [True, False, False, False, False]),
    ],
)
def test_best_epoch_selects_in_early_iterations(pattern, TA, used):
    """Only 1a finds anything, so candidates are left for five iterations."""
    labels = np.zeros(400, int)
    train = Recorder(
        lambda stage, held: (
            np.arange(len(held)) < TA * len(held) if stage == "1a" else held < 0,
            held,
        )
    )
    incv(train, labels, labels, 10, pattern, iterations=5)
    best = {stage: use_best for stage, _, _, use_best in train.calls}
    assert [best[f"{i}a"] for i in range(1, 6)] == [best[f"{i}b"] for i in range(1, 6)] == used


def test_accuracy_below_the_curve_warns():
    labels = np.zeros(40, int)
    train = Recorder(
        lambda stage, held: (held == held.min(), held)
    )  # 1 of 20 in ten classes: below 1/10
    with pytest.warns(UserWarning, match="held-out agreement 0.05 is below chance, 0.1"):
        result = incv(train, labels, labels, 10, "sym", iterations=2)
    assert result.eval_ratio == 0.9
    assert [(row["selected"], row["removed"]) for row in result.iteration_log] == [
        (2, 4),
        (4, 8),
    ]  # r is at most 2


def test_empty_selection_trains_on_the_half_alone():
    labels = np.zeros(10, int)
    train = Recorder(lambda stage, held: (np.full(len(held), stage[0] == "2"), held))
    with pytest.warns(UserWarning):
        result = incv(train, labels, labels, 3, "sym", iterations=2)
    assert [len(samples) for _, samples, _, _ in train.calls] == [5, 5, 5, 5]
    assert result.iteration_log[0]["selected"] == result.iteration_log[0]["removed"] == 0
    assert np.isnan(result.iteration_log[0]["LP"]) and result.iteration_log[0]["LR"] == 0
    assert sets(result) == [list(range(10)), [], []]


def test_selection_may_stay_empty():
    labels = np.zeros(10, int)
    with pytest.warns(UserWarning):
        result = incv(Recorder(lambda stage, held: (held < 0, held)), labels, labels, 3, "sym")
    assert sets(result) == [[], list(range(10)), []]
    assert len(result.iteration_log) == 4  # the paper's


def test_selection_ends_early_if_everything_is_found():
    labels = np.zeros(10, int)
    train = Recorder(lambda stage, held: (held >= 0, held))
    result = incv(train, labels, labels, 3, "sym", iterations=4)
    assert train.stages() == ["1a", "1b"] and len(result.iteration_log) == 1
    assert sets(result) == [list(range(10)), [], []] and result.eval_ratio == 0


def test_selection_ends_early_if_all_others_are_removed():
    """Three classes give a third by chance: e = 2/3, r = 2, and C is empty."""
    labels = np.zeros(12, int)
    train = Recorder(lambda stage, held: (np.arange(6) < 2, np.arange(6)))
    result = incv(train, labels, labels, 3, "sym", iterations=4)
    S, C, R = sets(result)
    assert (len(S), len(C), len(R)) == (4, 0, 8) and train.stages() == ["1a", "1b"]


def test_single_candidate_ends_the_selection():
    labels = np.zeros(9, int)
    train = Recorder(lambda stage, held: (held != 8, held))
    result = incv(train, labels, labels, 2, "asym", iterations=4)
    assert train.stages() == ["1a", "1b"] and sets(result) == [list(range(8)), [8], []]


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_end_the_selection(n):
    result = incv(None, np.zeros(n, int), np.zeros(n, int), 10, "sym")
    assert (
        sets(result) == [[], list(range(n)), []]
        and result.iteration_log == []
        and np.isnan(result.eval_ratio)
    )


def test_odd_number_of_samples_and_unknown_true_labels():
    labels = np.zeros(7, int)
    train = Recorder(lambda stage, held: (held % 2 == 0, held))
    result = incv(train, None, labels, 2, "asym", iterations=1)
    assert [len(held) for _, _, held, _ in train.calls] == [3, 4]
    assert np.isnan(result.iteration_log[0]["LP"]) and np.isnan(result.iteration_log[0]["LR"])


def test_top_k_enters_the_estimate():
    """TA = 3/4 of 4 classes with k = 2 equals that of 2 classes with k = 1.

    (1-e)^2 + e^2 = 3/4, so e = (1 - sqrt 0.5)/2.
    """
    labels = np.zeros(8, int)
    train = Recorder(lambda stage, held: (held != held.max(), held))
    result = incv(train, labels, labels, 4, "sym", iterations=1, top_k=2)
    assert result.eval_ratio == pytest.approx((1 - 0.5**0.5) / 2)


def test_seed_draws_the_halves():
    def halves(**seed):
        train = Recorder(lambda stage, held: (held < 0, held))
        with pytest.warns(UserWarning):
            incv(train, None, np.zeros(30, int), 3, "sym", iterations=2, **seed)
        return [samples for _, samples, _, _ in train.calls]

    first = halves(seed=0)
    assert first == halves(seed=0) == halves() != halves(seed=1) and first[0] != first[2]


# --------------------------------------------------------------------------- with a real classifier


@pytest.fixture(scope="module")
def digits():
    from utils import load_dataset

    return load_dataset("digits", "")


def nearest_neighbours(dataset, y_noisy):
    """Return a `train` of scikit-learn's nearest neighbours: shares of labels among 15."""
    from sklearn.neighbors import KNeighborsClassifier

    x = dataset.x_train.reshape(len(y_noisy), -1) / 255.0

    def score(samples, held_out):
        model = KNeighborsClassifier(15).fit(x[samples], y_noisy[samples])
        p = np.zeros((len(held_out), dataset.n_classes))
        p[:, model.classes_] = model.predict_proba(x[held_out])
        return score_predictions(p, y_noisy[held_out])

    return lambda folds, use_best: [score(samples, held_out) for _, samples, held_out in folds]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nearest_neighbours_clean_the_digits(digits, seed):
    """They make few of the noise's errors, so e is underestimated."""
    from utils import corrupt_labels

    y = digits.y_train
    y_noisy = corrupt_labels(y, "sym", 0.5, 10, seed)
    result = incv(nearest_neighbours(digits, y_noisy), y, y_noisy, 10, "sym", seed=seed)
    last = result.iteration_log[-1]
    assert last["LP"] > 0.97 and last["LR"] > 0.95 and 0.25 < result.eval_ratio < 0.5
    assert [row["LR"] for row in result.iteration_log] == sorted(
        row["LR"] for row in result.iteration_log
    )


def test_absent_class_does_not_harm_others(digits):
    """Some samples are labelled 3, but none is of class 3."""
    from dataclasses import replace

    from utils import corrupt_labels

    kept = digits.y_train != 3
    few = replace(digits, x_train=digits.x_train[kept], y_train=digits.y_train[kept])
    y_noisy = corrupt_labels(few.y_train, "sym", 0.3, 10, 0)
    assert (y_noisy == 3).any()
    result = incv(nearest_neighbours(few, y_noisy), few.y_train, y_noisy, 10, "sym")
    last = result.iteration_log[-1]
    assert last["LP"] > 0.97 and last["LR"] > 0.95 and not result.select[y_noisy == 3].any()
