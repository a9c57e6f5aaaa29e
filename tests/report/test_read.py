"""Reading the files of runs, and which values are refused."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from records import write_training

from noisylabels.errors import UserError
from noisylabels.report import issues, read, read_issues
from noisylabels.selection.reliability import kappa_test
from utils import load_dataset

HEADER = (
    "index,file,given_label,predicted_label,label_score,is_label_issue,status,"
    "selected_iteration,y_true"
)


@pytest.mark.parametrize(
    "value, believed",
    [
        ("1e15", True),
        ("-1e15", True),
        ("1000000000000000.5", False),
        ("-1000000000000000.5", False),
    ],
)
def test_implausible_number_is_refused(value, believed, tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text(f"epoch,x\n1,{value}\n")
    frame = read.read_csv(path, "epoch", ["x"])
    assert frame.x.tolist() == [float(value)] if believed else frame is None
    assert ("a number that is too large" in capsys.readouterr().err) != believed


@pytest.mark.parametrize(
    "text, columns, found",
    [
        ("epoch,x\n1,2\n,3\n", ["x"], {1: 2}),
        ("epoch,y\n1,2\n", [("x", "y")], {1: 2}),
        ("epoch,x\n", ["x"], None),
        ("epoch,x\n,3\n", ["x"], None),
        ("epoch,x\n1,\n", ["x"], {1: None}),
        ("epoch,x\n1,a\n", [("x", "y")], None),
    ],
)
def test_frame_has_a_row_for_each_index(text, columns, found, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    frame = read.read_csv(tmp_path / "a.csv", "epoch", columns)
    if found is None:
        assert frame is None
    else:
        assert (
            frame.iloc[:, 0].astype(object).where(frame.iloc[:, 0].notna(), None).to_dict() == found
        )


@pytest.mark.parametrize(
    "rows, believed",
    [
        ([[0.9, 0.1], [0.2, 0.8]], True),
        ([[1.0005, 0], [0, 1]], True),
        ([[np.nan, np.nan], [0, 1]], True),
        ([[0, 0], [0, 1]], True),
        ([[0.9, np.nan], [0.5, 0.5]], False),
        ([[1]], False),
        ([[0.5, 0.5]], False),
        ([[1.5, 0], [0, 1]], False),
        ([[-0.1, 0.5], [0, 1]], False),
        ([[0, 0], [0, 0]], False),
    ],
)
def test_matrix_must_be_square_with_rows_of_shares(rows, believed, tmp_path):
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv")
    found = read.read_matrix(tmp_path / "a.csv")
    if believed:
        np.testing.assert_array_equal(found, rows)
    else:
        assert found is None


def test_cut_end_is_noticed_without_a_record(tmp_path, capsys):
    """Each file still has all rows, but its last digits are missing."""
    files = {"a.csv": "epoch,x\n1,0.625\n", "M.csv": ",0,1\n0,1,0\n1,0,1.000\n"}
    files["labels.csv"] = "y,y_noisy,label\n0,0,10\n"
    for name, text in files.items():
        (tmp_path / name).write_text(text[:-2])
    assert read.read_csv(tmp_path / "a.csv", "epoch", ["x"]) is None
    assert read.read_matrix(tmp_path / "M.csv") is None
    assert capsys.readouterr().err.count("left out, its end is missing\n") == 2
    with pytest.raises(UserError, match="labels.csv is damaged, its end is missing: remove it"):
        read.read_labels(tmp_path / "labels.csv", 1)


def test_result_without_a_mean_row_is_left_out(tmp_path, capsys):
    run = SimpleNamespace(folder=tmp_path)
    networks = "network,last,last10,best,recipe\n1,.5,.6,.7,a\n2,.7,.8,1,a\n"
    (tmp_path / "elr_result.csv").write_text(networks)
    assert (
        read.read_result(run, "elr") is None and "left out, no row mean" in capsys.readouterr().err
    )
    (tmp_path / "incv_result.csv").write_text(networks + "mean,.6,.7,.85,a\n")
    result = read.read_result(run, "incv")
    assert result[["final", "last", "last10", "best"]].tolist() == pytest.approx(
        [0.6, 0.6, 0.7, 0.85]
    )
    assert (
        result[["validated", "steps"]].isna().all()
        and result.recipe == "a"
        and read.read_result(run, "d2l") is None
    )


def test_accuracy_is_the_mean_of_the_networks(tmp_path):
    write_training(tmp_path, "incv", [0.5, np.nan, 0.7], [0.7, np.nan, 1])
    found = read.read_accuracy(SimpleNamespace(folder=tmp_path), "incv")
    assert found.to_dict() == pytest.approx({1: 0.6, 3: 0.85})
    write_training(tmp_path, "d2l", [np.nan, np.nan])
    assert read.read_accuracy(SimpleNamespace(folder=tmp_path), "d2l") is None


# ------------------------------------------------------------------------------------------- issues


@pytest.fixture
def folder(tmp_path):
    """Write label issues of two classes, rows of (index, given, predicted, score, is_issue)."""

    def folder(*rows):
        lines = [
            f"{k},{k} "
            f"b#.png,{given},{predicted},{score},{issue},{'removed' if issue else 'selected'},1,"
            for k, given, predicted, score, issue in rows
        ]
        (tmp_path / "label_issues.csv").write_text("\n".join([HEADER, *lines]) + "\n")
        (tmp_path / "classes.json").write_text('["cat", "dog"]')
        return tmp_path

    return folder


@pytest.mark.parametrize(
    "score, believed", [(0, True), (1, True), (1.0005, True), (1.5, False), (-0.5, False)]
)
def test_label_score_must_be_a_probability(score, believed, folder):
    found = read_issues.read_issues(folder((0, "cat", "dog", score, False)))
    assert found.frame.label_score.tolist() == [score] if believed else found is None


@pytest.mark.parametrize("compared, factor", [(0, 8), (3, 3), (20, 8)])
def test_p_value_counts_the_compared_epochs(compared, factor, folder):
    labels = np.arange(60) % 2
    predicted = np.where(np.arange(60) < 42, labels, 1 - labels)
    rows = [(k, ("cat", "dog")[label], "cat", 0.5, False) for k, label in enumerate(labels)]
    path = folder(*rows)
    np.save(path / "pred_probs.npy", np.eye(2)[predicted])
    found = read_issues.read_issues(path)
    record = {"finished": False, "arguments": {"epochs": 8, "compared_epochs": compared}}
    p_value = read_issues.read_reliability(path, record, found, 0.2).p_value
    assert p_value == pytest.approx(factor * kappa_test(predicted, labels)[2])


def test_file_without_issues_is_left_out(folder, capsys):
    assert read_issues.read_issues(folder()) is None
    assert capsys.readouterr().err.endswith(
        "label_issues.csv: left out, not one row for each of 1 indices\n"
    )


def test_label_studio_task_exactly(folder):
    found = read_issues.read_issues(
        folder((1, "cat", "dog", 0.1234564, True), (0, "dog", "dog", 0.5, False))
    )
    assert json.loads(issues.tasks(found.frame)) == [
        {
            "data": {
                "image": "/data/local-files/?d=1%20b%23.png",
                "index": 1,
                "given_label": "cat",
            },
            "predictions": [
                {
                    "model_version": "INCV",
                    "score": 0.876544,
                    "result": [
                        {
                            "from_name": "label",
                            "to_name": "image",
                            "type": "choices",
                            "value": {"choices": ["dog"]},
                        }
                    ],
                }
            ],
        }
    ]


def test_pictures_show_the_worst_and_the_matrix_all(folder, monkeypatch):
    """The pictures show the worst 48 of 60 issues."""
    drawn = {}
    for name in ("pictures", "matrix", "histogram"):
        monkeypatch.setattr(
            issues.issue_figures, name, lambda *given, name=name: drawn.update({name: given})
        )
    rows = [(59 - k, "cat", "dog" if k < 55 else "cat", k / 100, k < 55) for k in range(60)]
    images = np.arange(60, dtype=np.uint8).reshape(60, 1, 1, 1)
    dataset = SimpleNamespace(name="pets", classes=("cat", "dog"), x_train=images, pictures=None)
    found = read_issues.read_issues(folder(*rows), dataset=dataset)
    written = issues.contents(found, None, dataset)
    images, labels, doubt = drawn["pictures"]
    assert [np.ptp(image) for image in images] == [0] * 48 and doubt == ""
    assert [np.max(image) for image in images] == [*range(59, 11, -1)]
    assert images[0].size == (160, 160) and labels == [("cat", "dog")] * 48
    counts, classes = drawn["matrix"]
    assert counts.tolist() == [[5, 55], [0, 0]] and classes == ["cat", "dog"]
    assert [int(part.sum()) for part in drawn["histogram"]] == [17, 55] and len(written) == 7


# ---------------------------------------------------------------------------------------- selection


@pytest.mark.runs
def test_selection_is_read_once(select, without_figures, tmp_path, monkeypatch, capsys):
    """Name a damaged file once. It is an error if the selection was requested."""
    paths, whole = [], read_issues.read_columns
    monkeypatch.setattr(
        read_issues,
        "read_columns",
        lambda path, *columns: paths.append(path.name) or whole(path, *columns),
    )
    select("--INCV_iter", 1)
    assert paths == ["label_issues.csv"]
    damaged = tmp_path / "digits/sym/0.5/pred_probs.npy"
    damaged.write_bytes(b"")
    capsys.readouterr()
    result = read_issues.read_selection_result(damaged.parent)
    assert len(result.issues.frame) == 1437 and result.reliability is None
    said = f"{damaged}: left out, it has changed since the run wrote it\n"
    assert capsys.readouterr().err == said
    dataset, message = load_dataset("digits", ""), "npy is damaged, it has changed since the run"
    with pytest.raises(UserError, match=f"{message} wrote it: remove it, and run INCV.py to make"):
        read_issues.read_selection_result(damaged.parent, dataset)
    for path in (damaged, damaged.with_name("INCV_iterations.csv")):
        path.unlink()
        assert read_issues.read_selection_result(damaged.parent).reliability is None
        with pytest.raises(UserError, match=f"{path.name} is missing: run INCV.py to make it"):
            read_issues.read_selection_result(damaged.parent, dataset)
    assert capsys.readouterr().err == ""
