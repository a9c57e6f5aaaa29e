"""Files that people edit between two scripts are read back unchanged."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from image_sets import class_folders, load, picture

from noisylabels.data import images
from noisylabels.report import issues, read, read_issues
from noisylabels.report.outputs import save_all
from noisylabels.runs.atomic_io import write_csv, write_json
from noisylabels.selection.algorithm import Selection
from noisylabels.selection.decisions import read_decisions
from noisylabels.selection.issues import label_issues

pytestmark = [pytest.mark.runs, pytest.mark.filterwarnings("ignore:.*classes that may:UserWarning")]
ODD = {
    " lead": ["a.png", "ü.png"],
    "trail ": [" b.png", "c d.png"],
    'comma, "quote"': ["a\rb.png", "x\ny.png"],
    "nan": ["1.png", "=1+1.png"],
    "café": [".b.png".strip("."), "e\u0301.png"],
    "TRUE": ["#.png", "'.png"],
    "e\u200bmu": ["a;b.png", "a\tb.png"],
    "-1": ["-.png", "z\rz.png"],
    "sep=": ["0.png", "01.png"],
}


@pytest.fixture
def selected(tmp_path):
    """Return a data set with odd names and a folder with a selection of two thirds of it."""
    for k, (name, files) in enumerate(ODD.items()):
        for j, file in enumerate([*files, *(f"more{n}.png" for n in range(8))]):
            picture(tmp_path / "own" / name / file, 20 * k + j)
    dataset = read_own(tmp_path / "own")
    n, c = len(dataset.given), dataset.n_classes
    select = np.arange(n) % 3 > 0
    result = Selection(
        select,
        ~select,
        np.where(select, 1, 0),
        (dataset.given + 1) % c,
        np.linspace(0.01, 0.9, n),
        np.full((n, c), 1 / c, np.float32),
        0.1,
    )
    folder = tmp_path / "run"
    folder.mkdir()
    write_json(folder / "classes.json", list(dataset.classes))
    write_csv(folder / "label_issues.csv", label_issues(dataset, dataset.given, result))
    return dataset, select, folder


def read_own(path, **options):
    return images.load(path, report=str, **options)


def spreadsheet(path, encoding="utf-8-sig"):
    """Save a CSV as Excel does: BOM, CRLF, upper-case booleans, empty columns and rows."""
    text = (
        pd.read_csv(path, dtype=str, keep_default_na=False)
        .replace({"True": "TRUE", "False": "FALSE"})
        .to_csv(index=False, lineterminator="\r\n")
    )
    text = text.replace("\r\n", ",,\r\n") + ",,,,\r\n"
    path.write_bytes(text.encode(encoding))


def test_cleaned_csv_loads_as_a_data_set(selected, tmp_path):
    """Images and labels stay the same, whatever the names contain."""
    dataset, select, folder = selected
    found = read_issues.read_issues(folder, dataset=dataset)
    written = save_all(issues.contents(found, None, dataset), folder)
    assert {path.name for path in written} >= {"cleaned.csv", "review.html"}
    os.replace(folder / "cleaned.csv", tmp_path / "own/cleaned.csv")
    found = read_own(tmp_path / "own/cleaned.csv", test_split=0.2)
    expected = {
        file: dataset.classes[label]
        for file, label in zip(np.array(dataset.files)[select], dataset.given[select])
    }
    assert {file: found.classes[label] for file, label in zip(found.files, found.given)} == expected
    assert {*found.classes} == {dataset.classes[k] for k in dataset.given[select]}
    pixels = dict(zip(dataset.files, dataset.x_train[:, 0, 0, 0]))
    assert all(image[0, 0, 0] == pixels[file] for file, image in zip(found.files, found.x_train))


@pytest.mark.parametrize("edit", [None, spreadsheet])
def test_label_issues_are_read_as_written(edit, selected):
    dataset, select, folder = selected
    if edit:
        edit(folder / "label_issues.csv")
    found = read_issues.read_issues(folder)
    assert found.frame["index"].tolist() == list(range(len(select)))
    assert found.frame.file.tolist() == list(dataset.files)
    assert found.codes("given_label").tolist() == dataset.given.tolist()
    assert found.frame.is_label_issue.tolist() == (~select).tolist()
    assert len(json.loads(issues.tasks(found.frame))) == (~select).sum() > 20


def test_label_issues_are_read_worst_first(selected):
    """The file may be sorted by another column. Equal scores are sorted by index."""
    _, _, folder = selected
    frame = pd.read_csv(folder / "label_issues.csv", dtype=str, keep_default_na=False)
    frame.loc[3, "label_score"] = frame.label_score[2]
    reverse = frame[::-1]
    reverse.to_csv(folder / "label_issues.csv", index=False, lineterminator="\n", quoting=2)
    assert read_issues.read_issues(folder).frame["index"].tolist() == list(range(len(frame)))


@pytest.mark.parametrize(
    "column, value, remedy",
    [("is_label_issue", value, "give True or False") for value in ("yes", "", "WAHR", "2")]
    + [("status", value, "give one of selected, candidate") for value in ("", "Selected", "kept")],
)
def test_invalid_value_of_a_label_issue_is_refused(column, value, remedy, selected, capsys):
    _, _, folder = selected
    frame = pd.read_csv(folder / "label_issues.csv", dtype=str, keep_default_na=False)
    frame.loc[5, column] = value
    frame.to_csv(folder / "label_issues.csv", index=False, lineterminator="\n", quoting=2)
    read.warn.cache_clear()
    assert read_issues.read_selection_result(folder).issues is None
    said = capsys.readouterr().err
    assert f"has '{value}' as {column}: {remedy}" in said and "label_issues.csv, line " in said


@pytest.mark.parametrize("edit", [None, spreadsheet])
def test_decisions_are_read_as_written(edit, selected):
    dataset, _, folder = selected
    frame = read_issues.read_issues(folder).frame
    new = [dataset.classes[(k + 2) % dataset.n_classes] for k in dataset.given]
    table = frame[["index", "file", "given_label"]].assign(decision="relabel", new_label=new)
    write_csv(folder / "decisions.csv", table)
    if edit:
        edit(folder / "decisions.csv")
    found = read_decisions(folder / "decisions.csv", dataset, dataset.given)
    assert found.indices.tolist() == frame["index"].tolist() and found.others == 0
    assert found.labels.tolist() == ((dataset.given + 2) % dataset.n_classes).tolist()


def test_decisions_find_files_in_another_unicode_form(tmp_path):
    for k, name in enumerate(["e\u0301.png", "ü.png", "c.png", "d.png"]):
        picture(tmp_path / "own/a" / name, k)
    dataset, _ = load(class_folders(tmp_path / "own", b=4), test_split=0.25)
    decided = [file for file in dataset.files if not file.isascii()]
    swapped = {"a/e\u0301.png": "a/\u00e9.png", "a/ü.png": "a/u\u0308.png"}
    write_csv(
        tmp_path / "decisions.csv",
        pd.DataFrame(
            {
                "index": 0,
                "file": [swapped[file] for file in decided],
                "given_label": "a",
                "decision": "drop",
                "new_label": "",
            }
        ),
    )
    found = read_decisions(tmp_path / "decisions.csv", dataset, dataset.given)
    assert [dataset.files[k] for k in found.indices] == decided and decided and found.others == 0


def test_unreadable_csv_quotes_a_carriage_return(tmp_path):
    class_folders(tmp_path / "own", a=20, b=20)
    (tmp_path / "own/a/x\ry.png").write_text("no image")
    with pytest.warns(UserWarning, match="1 of 41 images cannot be read"):
        images.load(tmp_path / "own", report=str, unreadable_csv=tmp_path / "unreadable.csv")
    assert pd.read_csv(tmp_path / "unreadable.csv").file.tolist() == ["a/x\ry.png"]
