"""Label issues and their scores by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from noisylabels.metrics import issue_scores
from noisylabels.selection.algorithm import Scores, incv, score_predictions
from noisylabels.selection.issues import label_issues
from utils import load_dataset


@pytest.mark.filterwarnings("ignore:held-out agreement 0 is below")
def test_label_issues_by_hand():
    """Sample 0 is selected at once; 1 and 2 in the second iteration, or never.

    Scores are means over the iterations.
    """
    said = {
        1: [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1]],
        2: [None, [0.7, 0.3], [0.1, 0.9], None],
    }
    labels, asked = np.zeros(4, int), []

    def train(folds, use_best):
        asked.extend(held.tolist() for *_, held in folds)
        return [
            score_predictions(np.float32([said[stage.iteration][k] for k in held]), labels[held])
            for stage, _, held in folds
        ]

    result = incv(train, None, labels, 2, None, iterations=2)
    assert sorted(asked[0] + asked[1]) == [0, 1, 2, 3] and sorted(asked[2] + asked[3]) == [1, 2]
    assert result.select.tolist() == [True, True, False, True]
    assert result.selected_iteration.tolist() == [1, 2, 0, 1]
    assert result.predicted.tolist() == [0, 0, 1, 0]
    assert result.label_score == pytest.approx([0.9, 0.45, 0.25, 0.9])
    assert (
        result.probabilities == pytest.approx(np.array(said[1]))
        and result.probabilities.dtype == np.float32
    )

    dataset = replace(
        load_dataset("digits", ""),
        y_train=None,
        classes=("a,b", 'c"d'),
        files=("0.png", "1.png", "2.png", "3.png"),
    )
    frame = label_issues(dataset, labels, result)
    assert frame["index"].tolist() == [2, 1, 0, 3] and frame.file.tolist() == [
        "2.png",
        "1.png",
        "0.png",
        "3.png",
    ]
    assert (
        frame.given_label.tolist() == ["a,b"] * 4
        and frame.predicted_label.tolist() == ['c"d'] + ["a,b"] * 3
    )
    assert frame.is_label_issue.tolist() == [True, False, False, False]
    assert frame.status.tolist() == ["candidate", "selected", "selected", "selected"]
    assert frame.selected_iteration.tolist() == [pd.NA, 2, 1, 1] and frame.y_true.isna().all()


def test_removed_sample_has_status_removed():
    labels = np.zeros(8, int)
    scores = Scores(np.array([1, 1, 0, 0], bool), np.arange(4.0), 1, 0.5, 0.5)
    result = incv(lambda folds, _: [scores] * 2, None, labels, 2, "sym", iterations=1)
    frame = label_issues(replace(load_dataset("digits", ""), y_train=None), labels, result)
    assert frame.status.value_counts().to_dict() == {"selected": 4, "removed": 4}
    assert frame.is_label_issue.tolist() == (frame.status == "removed").tolist()


def test_issue_scores_equal_scikit_learn():
    issue, wrong = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 1, 0, 1], bool)
    scores = issue_scores(issue, wrong)
    assert scores == pytest.approx(
        {
            "issue_precision": 2 / 3,
            "issue_recall": 2 / 3,
            "issue_average_precision": (1 + 2 / 3 + 3 / 5) / 3,
        }
    )
    assert scores["issue_average_precision"] == pytest.approx(
        average_precision_score(wrong, -np.arange(5))
    )
    nothing = issue_scores(np.zeros(3, bool), np.zeros(3, bool))
    assert np.isnan(list(nothing.values())).all()
