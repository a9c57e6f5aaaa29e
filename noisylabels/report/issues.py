"""Derived files of label issues: cleaned labels, tasks for Label Studio, figures, review page.

Only the figure of samples and the review page need the images.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from PIL import Image

from noisylabels.data.image_source import ImageSource, pictures_of
from noisylabels.report import issue_figures, review
from noisylabels.report.read_issues import Issues
from noisylabels.selection.reliability import TITLE, Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from noisylabels.data.dataset import Dataset

RELIABILITY = "reliability.json"
SHOWN = 48  # the worst, in a picture
# Label Studio serves the files of LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT here.
LOCAL_FILES = "/data/local-files/?d="


def contents(
    issues: Issues,
    judged: Reliability | None,
    dataset: Dataset | None = None,
    reviewed: int = review.DEFAULT_IMAGES,
    unfinished: str = "",
) -> dict[str, Figure | pd.DataFrame | str]:
    """Return the contents of all files that follow from label issues, by name.

    Parameters
    ----------
    issues : Issues
        The label issues of a selection.
    judged : Reliability, optional
        Whether the model can judge the labels.
    dataset : Dataset, optional
        The data set. Without it, there is no figure of samples and no review page.
    reviewed : int
        Number of images on the review page.
    unfinished : str
        Note on the review page that more iterations follow. There are then no cleaned labels and no
        tasks for Label Studio.
    """
    frame, worst = issues.frame, issues.frame[:SHOWN]
    found = {} if unfinished else labels(issues)
    if judged:
        found[RELIABILITY] = json.dumps(judged.record, indent=2) + "\n"
    pictures = None if dataset is None else pictures_of(dataset)
    thumbnails = [] if pictures is None else [picture(pictures, i) for i in worst["index"]]
    counts = np.zeros((len(issues.classes),) * 2, int)
    np.add.at(counts, (issues.codes("given_label"), issues.codes("predicted_label")), 1)
    found["label_issues_classes.png"] = issue_figures.matrix(counts, issues.classes)
    found["label_issues_scores.png"] = issue_figures.histogram(
        frame.label_score, frame.is_label_issue
    )
    if dataset is None:
        return found
    if pictures is not None:
        found["label_issues.png"] = issue_figures.pictures(
            thumbnails,
            list(zip(worst.given_label, worst.predicted_label)),
            "" if judged is None or judged.can_judge else TITLE.capitalize(),
        )
    notes = [unfinished] if unfinished else []
    found["review.html"] = review.render_page(
        dataset.name, issues, pictures=pictures, shown=reviewed, reliability=judged, notes=notes
    )
    return found


def labels(issues: Issues) -> dict[str, pd.DataFrame | str]:
    """Return the labels that are not issues, and the tasks for Label Studio, by file name."""
    frame = issues.frame
    selected = frame[~frame.is_label_issue].sort_values("index")
    cleaned = selected.rename(columns={"file": "file_name", "given_label": "label"})
    return {
        "cleaned.csv": cleaned[["file_name", "label"]],
        "labelstudio_tasks.json": tasks(frame),
        "labelstudio.xml": labelling(issues.classes),
    }


def picture(pictures: ImageSource, i: int) -> Image.Image:
    """Return a thumbnail of image i, or an empty one if its file has become unreadable."""
    try:
        return pictures.thumbnail(i, review.THUMBNAIL_SIDE)
    except Exception:  # a damaged file may raise any
        return Image.new("RGB", (review.THUMBNAIL_SIDE,) * 2, "white")


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
