"""INCV's results CSV as INCV_main reads it: one that does not fit is refused."""

import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import assert_is_one_line, files_in, mutated

from noisylabels import csv_files
from noisylabels.errors import UserError
from noisylabels.selection.corrected_labels import scores_of, write_labels
from noisylabels.selection.selection_csv import read_selection
from utils import corrupt_labels, load_dataset

# A bad file is found before TensorFlow is imported.
pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("no_tensorflow")]


@pytest.fixture(scope="module")
def labels():
    y = load_dataset("digits", "").y_train
    return y, noisy(y, "sym", 0)


def noisy(y, pattern, seed):
    return corrupt_labels(y, pattern, 0.5, 10, seed)


def selection(labels):
    """Write a selection: clean ones of even index selected, every third of the others removed."""
    y, y_noisy = labels
    select = (y == y_noisy) & (np.arange(len(y)) % 2 == 0)
    return pd.DataFrame(
        {
            "y": y,
            "y_noisy": y_noisy,
            "select": select,
            "candidate": ~select & (np.arange(len(y)) % 3 > 0),
            "eval_ratio": 0.4375,
        }
    )


def text(frame):
    return frame.to_csv(index=False).encode()


def changed(column, row, value):
    """Change one entry of the CSV."""

    def change(frame):
        frame = frame.astype({column: object})
        frame.loc[row, column] = value
        return text(frame)

    return change


BAD = {
    "no y_noisy": (lambda f: text(f.drop(columns="y_noisy")), "lacks the column y_noisy"),
    "neither set": (
        lambda f: text(f.drop(columns=["select", "candidate"])),
        "lacks the column select, candidate",
    ),
    "no header": (lambda f: text(f).split(b"\n", 1)[1], "lacks the column y, y_noisy"),
    "too few rows": (lambda f: text(f[:-1]), "has 1,436 rows, but the training set 1,437 samples"),
    "too many rows": (
        lambda f: text(pd.concat([f, f[:1]])),
        "has 1,438 rows, but the training set 1,437",
    ),
    "cut off": (lambda f: text(f)[:20_000], r"has \d+ rows, but the training set 1,437"),
    "header alone": (lambda f: text(f[:0]), "has 0 rows"),
    "other labels": (changed("y", 7, 11), "has another true label"),
    "smaller label": (changed("y", 7, -1), "has another true label"),
    "other order": (lambda f: text(f[::-1]), "has another true label"),
    "other noise": (
        changed("y_noisy", 7, 11),
        "has another noisy label .y_noisy. than this pattern, ratio and seed",
    ),
    "smaller noise": (changed("y_noisy", 7, -1), "has another noisy label"),
    "other pattern": (
        lambda f: text(f.assign(y_noisy=noisy(f.y, "asym", 0))),
        "has another noisy label",
    ),
    "other seed": (
        lambda f: text(f.assign(y_noisy=noisy(f.y, "sym", 1))),
        "has another noisy label",
    ),
    "NaN label": (changed("y_noisy", 7, float("nan")), "has '' as y_noisy: give a number"),
    "text label": (changed("y", 7, "cat"), "has 'cat' as y: give a number"),
    "endless exponent": (changed("y", 7, "1e" + "9" * 400), "has another true label"),
    "NaN select": (changed("select", 7, float("nan")), "has '' as select: give True or False"),
    "select 2": (changed("select", 7, 2), "has '2' as select: give True or False"),
    "candidate yes": (changed("candidate", 7, "yes"), "has 'yes' as candidate: give True or False"),
    "both": (
        lambda f: text(f.assign(candidate=True)),
        "has a sample that is both selected and a candidate",
    ),
    "nothing selected": (lambda f: text(f.assign(select=False)), "selects nothing"),
    "ratio 1.5": (
        lambda f: text(f.assign(eval_ratio=1.5)),
        "needs one eval_ratio between 0 and 1 in all rows",
    ),
    "ratio -0.1": (
        lambda f: text(f.assign(eval_ratio=-0.1)),
        "needs one eval_ratio between 0 and 1 in all rows",
    ),
    "ratio varies": (
        changed("eval_ratio", 7, 0.5),
        "needs one eval_ratio between 0 and 1 in all rows",
    ),
    "ratio NaN": (
        lambda f: text(f.assign(eval_ratio=float("nan"))),
        "has '' as eval_ratio: give a number",
    ),
    "ratio inf": (
        lambda f: text(f.assign(eval_ratio=float("inf"))),
        "needs one eval_ratio between 0 and 1",
    ),
    "ratio text": (
        lambda f: text(f.assign(eval_ratio="half")),
        "has 'half' as eval_ratio: give a number",
    ),
    "empty": (lambda f: b"", "lacks the column y, y_noisy, select, candidate, eval_ratio;"),
    "binary": (lambda f: bytes(range(256)) * 100, "is not encoded in UTF-8"),
    "zeros": (lambda f: bytes(10_000), "cannot be read as CSV|lacks the column"),
    "UTF-16": (lambda f: text(f).decode().encode("utf-16"), "is encoded in UTF-16"),
    "ragged": (lambda f: text(f) + b"1,2,3,4,5,6,7,8\n", "8 fields where the first line has 5"),
    "open quote": (lambda f: text(f) + b'"', "[0-9]+ fields|it is not valid CSV"),
    "endless line": (lambda f: b"y" * 2_000_000, "is far too long"),
}
HARMLESS = {
    "as written": text,
    "BOM": lambda f: b"\xef\xbb\xbf" + text(f),
    "CRLF": lambda f: text(f).replace(b"\n", b"\r\n"),
    "BOM and CRLF": lambda f: b"\xef\xbb\xbf" + text(f).replace(b"\n", b"\r\n"),
    "quotes": lambda f: f.to_csv(index=False, quoting=1).encode(),
    "capitals of a spreadsheet": lambda f: (
        text(f).replace(b"True", b"TRUE").replace(b"False", b"FALSE")
    ),
    "columns in other order": lambda f: text(f[f.columns[::-1]]),
    "a further column": lambda f: text(f.assign(name="digit")),
    "an index": lambda f: f.to_csv().encode(),
    "empty lines": lambda f: text(f) + b"\n\n",
    "no last newline": lambda f: text(f)[:-1],
    "floats": lambda f: text(f.astype({"y": float, "y_noisy": float})),
}


@pytest.fixture
def csv(tmp_path):
    folder = tmp_path / "results" / "digits" / "sym" / "0.5"
    folder.mkdir(parents=True)
    return folder / "digits_sym0.5_INCV_results.csv"


@pytest.mark.parametrize("kind", BAD)
def test_invalid_selection_is_refused(kind, call, tmp_path, csv, labels):
    change, pattern = BAD[kind]
    csv.write_bytes(change(selection(labels)))
    before = files_in(tmp_path)
    ended = call("INCV_main", "--results_dir", tmp_path / "results")
    assert_is_one_line(ended, f"{csv}(, line [0-9]+:?)? ({pattern})")
    assert "remove it to run INCV again, or give the arguments that made it" in ended.err
    assert files_in(tmp_path) == before


def test_selection_of_other_noise_is_refused(call, tmp_path, csv, labels):
    """The CSV is whole, but other noise gives other labels."""
    for pattern, ratio in (("asym", 0.5), ("sym", 0.25)):
        path = (
            tmp_path
            / "results"
            / "digits"
            / pattern
            / str(ratio)
            / f"digits_{pattern}{ratio}_INCV_results.csv"
        )
        path.parent.mkdir(parents=True)
        path.write_bytes(text(selection(labels)))
        ended = call(
            "INCV_main",
            "--results_dir",
            tmp_path / "results",
            "--noise_pattern",
            pattern,
            "--noise_ratio",
            ratio,
        )
        assert_is_one_line(ended, f"{path}, line [0-9]+ has another noisy label")


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_folder_or_device_is_no_selection(kind, call, tmp_path, csv):
    csv.mkdir() if kind == "folder" else os.mkfifo(csv)
    assert_is_one_line(
        call("INCV_main", "--results_dir", tmp_path / "results"), f"{csv} is not a file: remove it"
    )


def test_unreadable_disk_is_one_error(csv, labels, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    csv.write_bytes(text(selection(labels)))
    monkeypatch.setattr(csv_files, "open", fail, raising=False)
    with pytest.raises(UserError, match=rf"^cannot read {csv}: Input/output error; or remove it"):
        read_selection(csv, *labels)


@pytest.mark.parametrize(
    "change, problem",
    [
        ({}, None),
        ({"y": 3}, "has '3' as y: leave it blank"),
        ({"y_noisy": "cat"}, "has 'cat' as y_noisy: give a number"),
    ],
)
def test_unknown_true_labels_are_blank(change, problem, csv, labels):
    csv.write_bytes(text(selection(labels).assign(**{"y": None} | change)))
    if problem:
        with pytest.raises(UserError, match=f"^{csv}, line 2 {problem}; or "):
            read_selection(csv, None, labels[1])
    else:
        frame = read_selection(csv, None, labels[1])
        assert frame.y.isna().all() and (frame.y_noisy == labels[1]).all()


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_differences_are_accepted(kind, csv, labels):
    csv.write_bytes(HARMLESS[kind](selection(labels)))
    frame, expected = read_selection(csv, *labels), selection(labels)
    assert (frame == expected).all(axis=None) and list(frame) == list(expected)
    assert frame.select.dtype == frame.candidate.dtype == bool


@pytest.mark.parametrize("cases", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_selection_is_refused_or_has_equal_labels(cases, csv, labels):
    rng, good, read = np.random.default_rng(0), text(selection(labels)), 0
    for _ in range(cases):
        csv.write_bytes(mutated(good, rng))
        try:
            frame = read_selection(csv, *labels)
        except UserError as error:
            assert str(error).startswith(str(csv))
        else:
            read += 1
            assert (frame.y == labels[0]).all() and (frame.y_noisy == labels[1]).all()
    assert read < cases / 4


@pytest.mark.parametrize(
    "believed, scores",
    [
        ([-1] * 4, [np.nan, np.nan, np.nan]),
        ([0, 1, 0, -1], [1, 2 / 3, 2 / 3]),
        ([0, 1, 1, 0], [0.75, 1, 0.75]),
    ],
)
def test_scores_of_corrected_labels(believed, scores, tmp_path):
    """Include a method without corrected labels, as ELR with a momentum of 1."""
    y = np.array([0, 1, 1, 1])
    experiment = SimpleNamespace(dataset=SimpleNamespace(y_train=y), y_noisy=np.array([0, 1, 1, 0]))
    labels = write_labels(tmp_path / "labels.csv", experiment, np.array(believed))
    for frame in (labels, pd.read_csv(tmp_path / "labels.csv")):
        found = scores_of(frame)
        assert [found[name] for name in ("LP", "LR", "labels_right")] == pytest.approx(
            scores, nan_ok=True
        )


@pytest.mark.parametrize("y", [None, np.array([0, 1, np.nan, 1])])
def test_no_scores_without_true_labels(y, tmp_path):
    experiment = SimpleNamespace(dataset=SimpleNamespace(y_train=y), y_noisy=np.array([0, 1, 1, 0]))
    labels = write_labels(tmp_path / "labels.csv", experiment, np.array([0, 1, 1, -1]))
    assert scores_of(labels) == scores_of(pd.read_csv(tmp_path / "labels.csv")) == {}
