"""Derived files of label issues: cleaned labels, tasks for Label Studio, figures, review page.

Only the figure of samples and the review page need the images.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from PIL import Image

from noisylabels.data.image_source import ImageSource, pictures_of
from noisylabels.metrics import issue_scores
from noisylabels.report import issue_figures, review
from noisylabels.report.outputs import save, save_csv, save_text
from noisylabels.report.read_issues import Issues, read_issues, read_reliability
from noisylabels.selection.reliability import TITLE, Reliability

if TYPE_CHECKING:
    from noisylabels.data.dataset import Dataset

RELIABILITY = "reliability.json"
SHOWN = 48  # the worst, in a picture
# Label Studio serves the files of LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT here.
LOCAL_FILES = "/data/local-files/?d="


def print_found(folder: Path, dataset: Dataset) -> None:
    """Print how many labels are probably wrong, and the scores if the true labels are known.

    If the model cannot judge the labels, print why, and what would help.
    """
    issues = read_issues(folder, dataset)
    frame = issues.frame
    found = f"label issues           {frame.is_label_issue.sum():,} of {len(frame):,}"
    if (frame.y_true != "").all():
        scores = issue_scores(
            frame.is_label_issue.to_numpy(), (frame.y_true != frame.given_label).to_numpy()
        )
        found += ": " + ", ".join(
            f"{name.removeprefix('issue_').replace('_', ' ')} {value:.3f}"
            for name, value in scores.items()
        )
    print(found)
    duplicates = (frame.duplicate_group >= 0).sum()
    if duplicates:
        two = f"{frame.duplicate_conflict.sum():,} of them with different labels"
        print(f"duplicates             {duplicates:,}, {two}")
    print_reliability(read_reliability(folder, issues, required=True))


def print_reliability(judged: Reliability) -> None:
    """Print whether the model can judge the labels, unless there is nothing to say."""
    if not judged.can_judge:
        print(f"\n{TITLE.capitalize()}:")
        print(*(f"- {reason}" for reason in judged.reasons), sep="\n")
        print(f"What would help: {judged.remedy}.")
    if judged.notes:
        print("", *judged.notes, sep="\n")


def files(
    folder: Path, dataset: Dataset | None = None, reviewed: int = review.SHOWN, unfinished: str = ""
) -> list[Path]:
    """Write all files that follow from the label issues in a folder.

    Parameters
    ----------
    folder : Path
        The run folder of a selection.
    dataset : Dataset, optional
        The data set. Its label issues must then be complete. Without it, damaged label issues are
        left out. Figure and review page are not written.
    reviewed : int
        Number of images on the review page.
    unfinished : str
        Note on the review page that more iterations follow. Cleaned labels and tasks for Label
        Studio are then not written.

    Returns
    -------
    list of Path
        The files. The list is empty if there are no label issues.
    """
    issues = read_issues(folder, dataset)
    if issues is None:
        return []
    frame, judged = issues.frame, read_reliability(folder, issues)
    written = [] if unfinished else write_labels(folder, issues)
    if judged:
        written.append(save_text(json.dumps(judged.record, indent=2) + "\n", folder / RELIABILITY))
    doubt = "" if judged is None or judged.can_judge else TITLE.capitalize()
    counts = np.zeros((len(issues.classes),) * 2, int)
    np.add.at(counts, (issues.codes("given_label"), issues.codes("predicted_label")), 1)
    drawn = {
        "label_issues_classes.png": issue_figures.matrix(counts, issues.classes),
        "label_issues_scores.png": issue_figures.histogram(frame.label_score, frame.is_label_issue),
    }
    pictures = None if dataset is None else pictures_of(dataset)
    if pictures is not None:
        worst = frame[:SHOWN]
        drawn["label_issues.png"] = issue_figures.pictures(
            [picture(pictures, i) for i in worst["index"]],
            list(zip(worst.given_label, worst.predicted_label)),
            doubt,
        )
    written += [save(figure, folder / name) for name, figure in drawn.items()]
    if dataset is not None:
        notes = [unfinished] if unfinished else []
        page = review.page(dataset.name, issues, pictures, reviewed, judged, notes)
        written.append(save_text(page, folder / "review.html"))
    return written


def write_labels(folder: Path, issues: Issues) -> list[Path]:
    """Write the labels that are not issues, and the tasks for Label Studio; return the paths."""
    frame = issues.frame
    selected = frame[~frame.is_label_issue].sort_values("index")
    cleaned = selected.rename(columns={"file": "file_name", "given_label": "label"})[
        ["file_name", "label"]
    ]
    return [
        save_csv(cleaned, folder / "cleaned.csv"),
        save_text(tasks(frame), folder / "labelstudio_tasks.json"),
        save_text(labelling(issues.classes), folder / "labelstudio.xml"),
    ]


def picture(pictures: ImageSource, i: int) -> Image.Image:
    """Return a thumbnail of image i, or an empty one if its file has become unreadable."""
    try:
        return pictures.thumbnail(i, review.THUMBNAIL)
    except Exception:  # a damaged file may raise any
        return Image.new("RGB", (review.THUMBNAIL,) * 2, "white")


def tasks(frame: pd.DataFrame) -> str:
    """Return the label issues as Label Studio tasks (JSON), worst first, each with a prediction.

    The score of a prediction is 1 - label_score.
    """

    def task(row: dict) -> dict:
        result = {
            "from_name": "label",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": [row["predicted_label"]]},
        }
        data = {
            "image": LOCAL_FILES + quote(row["file"]),
            "index": row["index"],
            "given_label": row["given_label"],
        }
        return {
            "data": data,
            "predictions": [
                {
                    "model_version": "INCV",
                    "score": round(1 - row["label_score"], 6),
                    "result": [result],
                }
            ],
        }

    found = [json.dumps(task(row)) for row in frame[frame.is_label_issue].to_dict("records")]
    return "[" + ",\n ".join(found) + "]\n"


def labelling(classes: list[str]) -> str:
    """Return Label Studio's labelling interface for these tasks, XML."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value="given label: $given_label")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    choices = ElementTree.SubElement(
        view, "Choices", name="label", toName="image", choice="single", showInLine="true"
    )
    for name in classes:
        ElementTree.SubElement(choices, "Choice", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"
