"""INCV_main.py --decisions: a person's decisions are applied; those on other labels refused."""

import csv
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import CPU, SELECTION, Halves, assert_is_one_line, files_in, record_of

from noisylabels import csv_files
from noisylabels.errors import UserError
from noisylabels.report.groups import common_settings, differences, identity_of
from noisylabels.runs.folders import run_at
from noisylabels.seeding import generator
from noisylabels.selection.decisions import DONE, read_decisions
from utils import load_dataset

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("undrawn")]
HEADER = ["index", "file", "given_label", "decision", "new_label"]


@pytest.fixture
def selected(call, tmp_path, monkeypatch):
    """Return the frame of a selection as INCV.py wrote it."""
    monkeypatch.setattr("noisylabels.selection.processes.Trainers", Halves)
    assert call("INCV", "--results_dir", tmp_path).code == 0
    return pd.read_csv(tmp_path / SELECTION)


@pytest.fixture
def train(call, tmp_path, monkeypatch):
    """Call INCV_main.py until it would train; return how it ended, inputs and held-out samples."""
    from noisylabels.training import device

    class Method:
        begun = []

        def __init__(self, kind, inputs, *_, **__):
            self.begun.append(inputs)

        def exclude(self, samples):
            self.begun.append(samples)
            raise UserError("stop")

    monkeypatch.setattr(device, "start_tensorflow", lambda *_, **__: CPU)
    monkeypatch.setattr("noisylabels.pipeline.train.build_method", Method)

    def train(*flags):
        Method.begun = []
        return call("INCV_main", "--results_dir", tmp_path, *flags), *(Method.begun or [None, None])

    return train


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def row(frame, index, decision, new_label=""):
    return [index, index, frame.y_noisy[index], decision, new_label]


def some(frame):
    """Return {decision: indices}, a sample of each set and one more, and rows of a CSV."""
    sets = [
        np.flatnonzero(mask)
        for mask in (frame.select, frame.candidate, ~frame.select & ~frame.candidate)
    ]
    chosen = {decision: [indices[k] for indices in sets] for k, decision in enumerate(DONE)}
    return chosen, [
        row(frame, i, decision, (frame.y_noisy[i] + 1) % 10 if decision == "relabel" else "")
        for decision, indices in chosen.items()
        for i in indices
    ]


def test_decisions_change_what_is_trained_on(selected, train, tmp_path):
    """Dropped samples are in no set, nor held out; everything else stays."""
    from noisylabels.training.sampling import stratified_holdout

    chosen, rows = some(selected)
    path = write(tmp_path / "decisions.csv", rows)
    ended, inputs, held_out = train("--decisions", path, "--validation_split", 0.1)
    drop, keep, relabel = (
        np.isin(np.arange(1437), chosen[name]) for name in ("drop", "keep", "relabel")
    )
    assert (inputs.select == (selected.select & ~drop | keep | relabel)).all()
    assert (inputs.candidate == (selected.candidate & ~drop & ~keep & ~relabel)).all()
    assert (inputs.labels == np.where(relabel, (selected.y_noisy + 1) % 10, selected.y_noisy)).all()
    assert inputs.eval_ratio == pytest.approx(selected.eval_ratio[0])
    to_validate = stratified_holdout(
        np.flatnonzero(~drop), inputs.labels, 0.1, generator(0, "validation")
    )
    assert held_out.tolist() == sorted([*chosen["drop"], *to_validate])
    assert "decisions decisions.csv: 3 kept, 3 dropped, 3 relabelled, 3 unsure\n" in ended.out
    assert f"{(inputs.labels != selected.y).sum():,} mislabelled" in ended.out


def test_decisions_are_part_of_the_identity(selected, train, tmp_path):
    """Tables call such a run reviewed, for any decisions."""
    path = write(tmp_path / "decisions.csv", some(selected)[1])
    train("--decisions", path)
    record = record_of(tmp_path, "incv_training")["arguments"]
    identity = identity_of(run_at(tmp_path / "digits/sym/0.5"), "incv_training", {})
    assert (
        len(record["decisions"]) == 16
        and differences(identity, "main", common_settings([identity])) == "reviewed"
    )
    assert_is_one_line(
        train()[0],
        r"records a run with other arguments: decisions \(found some, given none\); give",
    )
    write(path, some(selected)[1][:-1])
    assert_is_one_line(
        train("--decisions", path)[0],
        "training.json: the decisions have changed since this run; give",
    )


def test_decisions_apply_to_a_new_selection(selected, train, tmp_path, monkeypatch):
    chosen, rows = some(selected)
    path = write(tmp_path / "decisions.csv", rows)
    (tmp_path / SELECTION).unlink()
    monkeypatch.setattr("noisylabels.selection.processes.Trainers", Halves)
    _, inputs, _ = train("--decisions", path, "--overwrite_selection")
    assert inputs.select[chosen["keep"]].all() and not inputs.select[chosen["drop"]].any()


def test_empty_decisions_change_nothing(selected, train, tmp_path):
    """Use a header alone, and a spreadsheet's with BOM, CRLF and other column order."""
    path = tmp_path / "decisions.csv"
    path.write_bytes(b"\xef\xbb\xbf" + ",".join(HEADER[::-1]).encode() + b"\r\n")
    _, inputs, _ = train("--decisions", path)
    assert (inputs.select == selected.select).all() and (inputs.labels == selected.y_noisy).all()


BAD = {
    "of fewer samples": (
        lambda f: [[1437, 1437, 0, "keep", ""]],
        "another data set: it has index 1437, but there are 1,437 training samples",
    ),
    "of other files": (
        lambda f: [[5, "cat/5.png", f.y_noisy[5], "keep", ""]],
        "at index 5 its file is 'cat/5.png', but here it is '5'",
    ),
    "of other labels": (
        lambda f: [
            row(f, 3, "keep"),
            *([i, i, (f.y_noisy[i] + 1) % 10, "drop", ""] for i in (5, 4)),
        ],
        r"at index 5 its given_label is '\d', but here it is '\d'",
    ),
    "twice": (
        lambda f: [row(f, 5, "keep"), row(f, 5, "drop")],
        "line 3 decides more than once on the same sample, after line 2",
    ),
    "negative": (
        lambda f: [[-1, 5, 5, "keep", ""]],
        "line 2 has '-1' as index, which is not a whole number",
    ),
    "no number": (
        lambda f: [["five", 5, 5, "keep", ""]],
        "line 2 has 'five' as index, which is not a whole",
    ),
    "other decision": (
        lambda f: [row(f, 5, "delete")],
        "decision 'delete', which is not one of keep, drop, relabel, unsure",
    ),
    "no such class": (
        lambda f: [row(f, 5, "relabel", "<script>\n"), row(f, 4, "relabel", "x")],
        r"relabels as '<script>\\n', which is not a class of digits",
    ),
    "relabel as nothing": (
        lambda f: [row(f, 5, "relabel")],
        "relabels as '', which is not a class",
    ),
    "a new label to keep": (
        lambda f: [row(f, 5, "keep", 3)],
        "has a new_label, but its decision is not relabel",
    ),
    "all dropped": (
        lambda f: [row(f, i, "drop") for i in np.flatnonzero(f.select)],
        "drops all selected samples",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_decisions_that_do_not_fit_are_refused(kind, selected, train, tmp_path):
    make, message = BAD[kind]
    path, before = write(tmp_path / "decisions.csv", make(selected)), files_in(tmp_path)
    ended, inputs, _ = train("--decisions", path)
    assert_is_one_line(ended, f"{path}[ ,].*{message}")
    assert inputs is None and files_in(tmp_path) == before


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "is not a file"),
        (b"", "lacks the column index, file"),
        (b"\xff\xfe\0", "is encoded in UTF-16"),
        (b"index,file\n1,1\n", "lacks the column given_label, decision, new_label"),
        (b'index\n"', "cannot|lacks"),
    ],
)
def test_invalid_decision_files_are_refused(content, message, selected, train, tmp_path):
    path = tmp_path / "decisions.csv"
    if content is not None:
        path.write_bytes(content)
    assert_is_one_line(
        train("--decisions", path)[0],
        f"{path}.* ({message}).*review.html of this selection saved$",
    )


def test_unreadable_disk_is_one_error(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    path = write(tmp_path / "decisions.csv", [])
    monkeypatch.setattr(csv_files, "open", fail, raising=False)
    with pytest.raises(UserError, match=rf"^cannot read {path}: Input/output error; or give"):
        read_decisions(path, load_dataset("digits", ""), np.zeros(1437, int))


def test_decisions_on_another_seed_or_method_are_refused(selected, train, tmp_path):
    path = write(tmp_path / "decisions.csv", [row(selected, i, "keep") for i in range(9)])
    assert_is_one_line(
        train("--decisions", path, "--seed", 1)[0], "belongs to another data set or to other labels"
    )
    assert_is_one_line(
        train("--decisions", path, "--method", "standard")[0],
        "--decisions: it has no effect here; it applies only to the methods incv and incv_student",
    )


def test_names_with_comma_quote_and_line_break(tmp_path):
    """Use such names of classes and files."""
    classes, files = ("<script>", 'a,"b"\nc', "z"), ("1,\n.png", '"2".png', "3.png")
    dataset = replace(load_dataset("digits", ""), classes=classes, files=files)
    rows = [
        [0, files[0], classes[1], "relabel", classes[0]],
        [1, files[1], classes[0], "relabel", classes[1]],
    ]
    decisions = read_decisions(
        write(tmp_path / "decisions.csv", rows), dataset, np.array([1, 0, 2])
    )
    assert decisions.indices.tolist() == [0, 1] and decisions.others == 0
    assert (
        decisions.labels.tolist() == [0, 1]
        and json.dumps(decisions.decided.tolist()) == '["relabel", "relabel"]'
    )


def test_decisions_follow_file_names(tmp_path):
    """Skip decisions on missing files, but not if all are missing."""
    path = write(
        tmp_path / "decisions.csv",
        [
            [0, "a/1.png", "a", "drop", ""],
            [1, "a/2.png", "a", "relabel", "b"],
            [2, "b/1.png", "b", "keep", ""],
        ],
    )
    dataset = replace(load_dataset("digits", ""), classes=("a", "b"), are_files=True)
    decisions = read_decisions(
        path, replace(dataset, files=("a/0.png", "a/2.png", "b/1.png")), np.array([0, 0, 1])
    )
    assert (decisions.indices.tolist(), decisions.decided.tolist()) == ([1, 2], ["relabel", "keep"])
    assert decisions.labels.tolist() == [1, 1]
    assert str(decisions) == (
        "decisions decisions.csv: 1 kept, 0 dropped, 1 relabelled, 0 unsure; 1 on files outside "
        "the training set are ignored"
    )
    with pytest.raises(
        UserError, match=r"belongs to another data set: it has the file 'a/1.png', but no file"
    ):
        read_decisions(path, replace(dataset, files=("x", "y", "z")), np.array([0, 0, 1]))
    with pytest.raises(UserError, match=r"at index 1 its given_label is 'a', but here it is 'b'"):
        read_decisions(path, replace(dataset, files=("a/2.png", "b/1.png")), np.array([1, 1]))
