"""The rules of the selection on tables of cases."""

import numpy as np
import pytest

from noisylabels.metrics import label_loss
from noisylabels.selection.algorithm import Selection as Sets
from noisylabels.selection.algorithm import (
    best_epoch_iterations,
    is_removed,
    is_selected,
    removal_ratio,
    summarise_iteration,
)

nan = float("nan")


@pytest.mark.parametrize(
    "p, label, top_k, selected",
    [
        ([0.7, 0.2, 0.1], 0, 1, True),
        ([0.7, 0.2, 0.1], 1, 1, False),
        ([0.7, 0.2, 0.1], 1, 2, True),
        ([0.7, 0.2, 0.1], 2, 2, False),
        ([0.7, 0.2, 0.1], 2, 3, True),
        ([0.4, 0.4, 0.2], 0, 1, True),  # of equal ones the lower class comes first, as in np.argmax
        ([0.4, 0.4, 0.2], 1, 1, False),
        ([0.4, 0.4, 0.2], 1, 2, True),
        ([0.2, 0.4, 0.4], 2, 1, False),
        ([0.2, 0.4, 0.4], 0, 2, False),
        ([1 / 3, 1 / 3, 1 / 3], 0, 1, True),
        ([1 / 3, 1 / 3, 1 / 3], 2, 2, False),
    ],
)
def test_is_selected(p, label, top_k, selected):
    assert is_selected(np.array([p]), np.array([label]), top_k).tolist() == [selected]


def test_is_selected_equals_argmax_and_takes_no_samples():
    p, labels = np.random.default_rng(0).dirichlet(np.ones(5), 200), np.arange(200) % 5
    assert (is_selected(p, labels) == (p.argmax(axis=1) == labels)).all()
    assert is_selected(p[:0], labels[:0]).shape == (0,)


def test_label_loss():
    p = np.array([[0.5, 0.5], [1, 0], [0, 1]], np.float32)
    np.testing.assert_allclose(
        label_loss(p, np.array([0, 0, 0])), [np.log(2), 0, -np.log(1e-8)], atol=1e-7
    )


@pytest.mark.parametrize(
    "eps, pattern, ratio",
    [
        (0, "sym", 0),
        (0.2, "sym", 0.25),
        (0.5, "sym", 1),
        (0.6, "sym", 1.5),
        (2 / 3, "sym", 2),
        (0.9, "sym", 2),
        (1, "sym", 2),
        (0, "asym", 0),
        (0.4, "asym", 0),
        (1, "asym", 0),
        (0.5, None, 0),
    ],
)
def test_removal_ratio(eps, pattern, ratio):
    assert removal_ratio(eps, pattern) == pytest.approx(ratio)


@pytest.mark.parametrize(
    "n_selected, ratio, removed",
    [
        (0, 2, []),
        (3, 0, []),
        (3, 0.3, []),
        (1, 1, [2]),
        (2, 1, [0, 2]),
        (3, 0.7, [0, 2]),
        (2, 2, [0, 1, 2, 3]),
        (4, 2, [0, 1, 2, 3]),  # no more than there are
    ],
)
def test_is_removed(n_selected, ratio, removed):
    loss = np.array([3, 1, 4, 2])
    assert np.flatnonzero(is_removed(loss, n_selected, ratio)).tolist() == removed


def test_is_removed_with_no_samples_or_equal_losses():
    assert is_removed(np.array([]), 5, 2).tolist() == []
    assert is_removed(np.zeros(4), 2, 1).sum() == 2
    assert np.flatnonzero(is_removed(np.arange(1000) % 2, 300, 1)).tolist() == [
        *range(401, 1000, 2)
    ]  # of equal ones


@pytest.mark.parametrize(
    "eps, pattern, m",
    [
        (0, "sym", 4),
        (0.3, "sym", 4),
        (0.301, "sym", 2),
        (0.6, "sym", 2),
        (0.601, "sym", 1),
        (1, "sym", 1),
        (0.1, "asym", 1),
        (0.5, "asym", 1),
        (0.1, None, 1),
    ],
)
def test_best_epoch_iterations(eps, pattern, m):
    assert best_epoch_iterations(eps, pattern) == m


@pytest.mark.parametrize(
    "y, y_noisy, select, candidate, expected",
    [
        (
            [0, 1, 0, 1],
            [0, 1, 1, 0],
            [1, 0, 1, 0],
            [0, 1, 0, 0],
            {"LP": 0.5, "LR": 0.5, "selected": 2, "candidate": 1, "removed": 1},
        ),
        (
            [0, 1, 0, 1],
            [0, 1, 0, 1],
            [1, 1, 1, 1],
            [0, 0, 0, 0],
            {"LP": 1, "LR": 1, "selected": 4, "candidate": 0, "removed": 0},
        ),
        (
            [0, 1],
            [0, 1],
            [0, 0],
            [1, 1],
            {"LP": nan, "LR": 0, "selected": 0, "candidate": 2, "removed": 0},
        ),
        (
            [0, 1],
            [1, 0],
            [1, 0],
            [0, 1],
            {"LP": 0, "LR": nan, "selected": 1, "candidate": 1, "removed": 0},
        ),
        (
            None,
            [1, 0],
            [1, 0],
            [0, 1],
            {"LP": nan, "LR": nan, "selected": 1, "candidate": 1, "removed": 0},
        ),
    ],
)
def test_summarise_iteration(y, y_noisy, select, candidate, expected):
    sets = Sets(
        np.array(select, bool), np.array(candidate, bool), None, None, None, None, eval_ratio=0.3
    )
    row = summarise_iteration(sets, 2, y, np.array(y_noisy))
    assert row == pytest.approx({"iteration": 2, "eps": 0.3, **expected}, nan_ok=True)
