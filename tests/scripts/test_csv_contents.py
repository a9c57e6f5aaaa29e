"""The CSVs, networks and summaries that the three scripts write on digits."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers import EPOCH_COLUMNS, RESULT_COLUMNS, SELECTION

from noisylabels.selection.algorithm import best_epoch_iterations
from utils import corrupt_labels, load_dataset

MEASURED = [
    f"{name}_{k}"
    for k in (1, 2)
    for name in (
        "test_accuracy",
        "dead_classes",
        "loss_all",
        "accuracy_all",
        "loss_clean",
        "accuracy_clean",
        "loss_noisy",
        "accuracy_noisy",
    )
]


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", "")


def test_selection_csv_has_the_documented_format(finished, digits):
    """It has one row per training sample, in data set order."""
    path = finished("INCV")[0] / SELECTION
    assert path.read_text().splitlines()[0] == "y,y_noisy,select,candidate,eval_ratio"
    frame = pd.read_csv(path)
    assert [str(kind) for kind in frame.dtypes] == ["int64", "int64", "bool", "bool", "float64"]
    assert (frame.y == digits.y_train).all()
    assert (frame.y_noisy == corrupt_labels(digits.y_train, "sym", 0.5, 10, 0)).all()
    assert not (frame.select & frame.candidate).any()
    assert frame.eval_ratio.nunique() == 1 and 0.3 < frame.eval_ratio[0] < 0.8
    clean = frame.y == frame.y_noisy
    last = pd.read_csv(path.with_name("INCV_iterations.csv")).iloc[-1]
    assert (last.selected, last.candidate) == (frame.select.sum(), frame.candidate.sum())
    assert last.LP == pytest.approx(clean[frame.select].mean()) and last.LR == pytest.approx(
        frame.select[clean].mean()
    )
    assert last.LP > 0.8 and last.LR > 0.7


def test_selection_history_and_summary(finished):
    folder, ended = finished("INCV")
    history = pd.read_csv(folder / "digits/sym/0.5/INCV_history.csv")
    assert list(history) == ["iteration", "half", *EPOCH_COLUMNS, "heldout_accuracy", "seconds"]
    assert [*zip(history.iteration, history.half, history.epoch)] == [
        (i, half, epoch) for i in (1, 2) for half in "ab" for epoch in range(1, 6)
    ]
    iterations = pd.read_csv(folder / "digits/sym/0.5/INCV_iterations.csv")
    assert list(iterations) == ["iteration", "LP", "LR", "eps", "selected", "candidate", "removed"]
    assert (iterations[["selected", "candidate", "removed"]].sum(axis=1) == 1437).all()
    assert re.search(
        f"\non CPU.*, threads per training: 1; to {folder}/digits/sym/0.5\n", ended.out
    )
    last = iterations.iloc[-1]
    needed = (history.iteration <= best_epoch_iterations(last.eps, "sym")) | (history.epoch == 5)
    assert (
        history.heldout_accuracy.notna() == needed
    ).all()  # predicted only where something uses it
    for line in (
        f"estimated noise ratio  {last.eps:.3f}",
        f"label precision        {last.LP:.3f}",
        f"label recall           {last.LR:.3f}",
        f"selected               {last.selected:,.0f}, candidate {last.candidate:,.0f}, "
        f"removed {last.removed:,.0f}",
    ):
        assert line in ended.out


def test_training_csvs_and_summary(finished):
    folder, ended = finished("INCV_main")
    history = pd.read_csv(folder / "digits/sym/0.5/incv_training.csv")
    assert list(history) == [
        *EPOCH_COLUMNS,
        *MEASURED,
        "seconds",
        "kept_precision_1",
        "kept_precision_2",
    ]
    assert (history.epoch == range(1, 13)).all() and history.notna().all(axis=None)
    assert (
        history[[name for name in history if "accuracy" in name or "kept" in name]]
        .stack()
        .between(0, 1)
        .all()
    )
    result = pd.read_csv(
        folder / "digits/sym/0.5/incv_result.csv", dtype={"network": str}
    ).set_index("network")
    assert list(result.index) == ["1", "2", "mean"] and list(result) == [*RESULT_COLUMNS, "recipe"]
    selected = pd.read_csv(folder / SELECTION).select.sum()
    assert (history.steps == -(-selected // 128)).all() and (
        result.steps == history.steps.sum()
    ).all()
    assert (
        "test accuracy   last epoch   mean of last ten   best epoch (by the test set)\n"
        in ended.out
    )
    curves = {
        "1": history.test_accuracy_1,
        "2": history.test_accuracy_2,
        "mean": (history.test_accuracy_1 + history.test_accuracy_2) / 2,
    }
    for name, curve in curves.items():
        final, *scores, recipe = result.loc[name, ["final", "last", "last10", "best", "recipe"]]
        expected = [curve.iloc[11], curve.iloc[2:].mean(), curve.max()]
        assert scores == pytest.approx(expected) and recipe == "digits"
        assert (
            final == scores[0]
            and np.isnan(result.validated[name])
            and result.last10_epochs[name] == 10
        )
        assert result.loc[name, "best"] > 0.7
        title = "mean of both" if name == "mean" else f"network {name}"
        shown = " +".join(f"{score:.4f}" for score in expected)
        assert re.search(rf"^{title} +{shown}$", ended.out, re.MULTILINE)


def test_saved_networks_load_in_safe_mode(finished, digits):
    """They have the recorded test accuracy."""
    import keras

    folder = finished("INCV_main")[0] / "digits/sym/0.5"
    network = keras.models.load_model(folder / "incv_2.keras", safe_mode=True)
    hit = network.predict(digits.x_test, verbose=0).argmax(axis=1) == digits.y_test
    assert hit.mean() == pytest.approx(
        pd.read_csv(folder / "incv_training.csv").test_accuracy_2.iloc[-1]
    )


def test_theory_is_in_the_lists_of_runs(finished):
    folder = finished("Verify_Theory")[0] / "digits"
    assert list(pd.read_csv(folder / "runs.csv").run) == ["Verify_Theory", "Verify_Theory"]
    assert "2 finished runs" in (folder / "runs.md").read_text()


def test_theory_csvs_and_summary(finished):
    folder, ended = finished("Verify_Theory")
    scores = ["TA", "LP", "LR"]
    columns = [
        "pattern",
        "ratio",
        "seed",
        *scores,
        *(f"{score}_theory" for score in scores),
        "test_accuracy",
    ]
    rows = []
    for ratio in (0.2, 0.5):
        row = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory.csv")
        assert list(row) == columns and len(row) == 1
        assert (row.pattern[0], row.ratio[0], row.seed[0]) == ("sym", ratio, 0)
        assert row.TA_theory[0] == pytest.approx((1 - ratio) ** 2 + ratio**2 / 9)
        assert row.LR_theory[0] == pytest.approx(1 - ratio)
        assert row.LP_theory[0] == pytest.approx((1 - ratio) ** 2 / row.TA_theory[0])
        history = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory_history.csv")
        assert list(history) == [
            *EPOCH_COLUMNS,
            "acc_mix",
            "acc_clean",
            "acc_noisy",
            "seconds",
        ]
        assert list(history.epoch) == [*range(1, 9)]
        assert (history.acc_mix.iloc[-1], history.acc_clean.iloc[-1]) == (row.TA[0], row.LR[0])
        M = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory_M.csv", index_col=0)
        assert M.shape == (10, 10) and list(M.index) == list(map(int, M)) == list(range(10))
        assert M.sum(axis=1).tolist() == pytest.approx([1] * 10)
        rows.append(row)
        line = rf"^{ratio} +{row.TA[0]:.3f} +{row.TA_theory[0]:.3f} +{row.LP[0]:.3f} "
        assert re.search(line, ended.out, re.MULTILINE)
    everything = pd.read_csv(folder / "digits/Verify_Theory.csv")
    assert (
        list(everything.ratio) == [0.2, 0.5]
        and everything.TA.tolist() == pd.concat(rows).TA.tolist()
    )
