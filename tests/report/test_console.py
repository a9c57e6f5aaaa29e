"""The printed result of a finished training, from its files."""

import pandas as pd
import pytest

from noisylabels.errors import UserError
from noisylabels.report.console import print_training
from noisylabels.report.read import read_labels


def write_result(folder, method, rows, **columns):
    """Write the result of a finished run."""
    frame = pd.DataFrame(rows, columns=["network", "final", "last", "last10", "best", "validated"])
    frame.assign(**columns).to_csv(folder / f"{method}_result.csv", index=False)


def test_equal_or_missing_accuracies_have_no_column(tmp_path, capsys):
    rows = [
        ("1", 0.5, 0.5, 0.55, 0.9, None),
        ("2", 0.9, 0.9, 0.54, 0.9, None),
        ("mean", 0.7, 0.7, 0.545, 0.7, None),
    ]
    write_result(tmp_path, "incv", rows, last10_epochs=10)
    print_training(tmp_path, "incv", 5)
    assert (
        capsys.readouterr().out
        == """
test accuracy   last epoch   mean of last ten   best epoch (by the test set)
network 1       0.5000       0.5500             0.9000
network 2       0.9000       0.5400             0.9000
mean of both    0.7000       0.5450             0.7000
"""
    )


def test_noisy_test_labels_and_corrected_labels_are_summarised(tmp_path, capsys):
    write_result(
        tmp_path,
        "incv_student",
        [("1", 0.4, 0.5, 0.55, 0.9, 0.6), ("mean", 0.4, 0.5, 0.55, 0.9, 0.6)],
        last10_epochs=4,
        test_labels="given",
    )
    labels = pd.DataFrame(
        {"y": [0, 1, 2, 2, 1], "y_noisy": [0, 1, 1, 1, 1], "label": [0, 2, 2, 2, 1]}
    )
    labels.to_csv(tmp_path / "incv_student_labels.csv", index=False)
    print_training(tmp_path, "incv_student", 5)
    assert (
        capsys.readouterr().out
        == """
The test labels may be wrong. The values are agreement with these labels, not accuracy.

test agreement  network saved   last epoch   mean of last 4 evaluations   \
epoch by held-out labels   best epoch (by the test set)
network 1       0.4000          0.5000       0.5500                       \
0.6000                     0.9000
labels unchanged: 2 of 5, LP 1.000, LR 0.667, labels right 0.800
"""
    )


@pytest.mark.parametrize("n", [2, 4])
def test_corrected_labels_need_a_row_per_training_sample(n, tmp_path):
    path = tmp_path / "elr_labels.csv"
    path.write_text("y,y_noisy,label\n0,0,0\n1,1,0\n1,0,1\n")
    assert len(read_labels(path, 3)) == 3
    with pytest.raises(UserError, match=f"elr_labels.csv is damaged, 3 rows for {n} training"):
        read_labels(path, n)
