"""The review page, review.html: a person decides on the worst labels, offline."""

import base64
import functools
import hashlib
import io
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from noisylabels.data.image_source import ImageSource
from noisylabels.report.read_issues import Issues
from noisylabels.selection.reliability import TITLE, Reliability

TEMPLATE = Path(__file__).with_name("review.html")
SHOWN = 5000  # images, by default
THUMBNAIL = 160  # pixels of the longer side
LOSSLESS = 32  # pixels; images up to this size are stored without loss
PIXELATED = 64  # pixels; images up to this size are enlarged without smoothing
LARGEST = 8000  # bytes of a thumbnail, so that 5,000 images need less than 60 MB
LOSSLESS_OPTIONS = {"lossless": True, "quality": 0, "method": 0}  # 0: fastest
QUALITIES = (80, 60, 40, 20, 5)  # of WebP; the first that is small enough


def page(
    name: str,
    issues: Issues,
    pictures: ImageSource | None,
    shown: int = SHOWN,
    reliability: Reliability | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the review page of the worst label issues.

    No class or file name can become markup or script. Duplicates with two labels come first.

    Parameters
    ----------
    name : str
        Name of the data set.
    issues : Issues
        The label issues, worst first.
    pictures : ImageSource, optional
        The original images of the n samples. If None, the page shows only file names.
    shown : int
        Number of images.
    reliability : Reliability, optional
        Whether the model can judge the labels.
    notes : sequence of str
        Further sentences.
    """
    codes = {name: issues.codes(name) for name in ("given_label", "predicted_label")}
    whole = issues.frame.assign(**codes)
    frame = whole.iloc[np.argsort(~whole.duplicate_conflict, kind="stable")[:shown]]
    indices = frame["index"].tolist()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        thumbnails = list(pool.map(lambda i: thumbnail(pictures, i), indices))
    rows = zip(
        indices,
        frame.file,
        frame.given_label.tolist(),
        frame.predicted_label.tolist(),
        frame.label_score.round(6).tolist(),
        [uri for uri, _ in thumbnails],
        [link(pictures, i) for i in indices],
        frame.duplicate_group.tolist(),
    )
    doubt = None
    if reliability and not reliability.can_judge:
        doubt = {
            "title": TITLE.capitalize(),
            "reasons": reliability.reasons,
            "remedy": f"What would help: {reliability.remedy}.",
        }
    shown_groups = whole[whole.duplicate_group.isin(frame.duplicate_group)]
    data = {
        "name": name,
        "digest": labels_digest(issues),
        "classes": issues.classes,
        "rows": list(rows),
        "issues": int(frame.is_label_issue.sum()),
        "more": len(issues.frame) - len(frame),
        "small": all(side <= PIXELATED for _, side in thumbnails),
        "groups": members(shown_groups, pictures),
        "doubt": doubt,
        "notes": [*notes, *(reliability.notes if reliability else [])],
    }
    text = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return TEMPLATE.read_text(encoding="utf-8").replace(">DATA<", f">{text}<")


@functools.lru_cache(SHOWN)
def thumbnail(pictures: ImageSource | None, i: int) -> tuple[str, int]:
    """Return a thumbnail of image i as a data URI, and its longer side in pixels.

    Without a readable image they are "" and 0.
    """
    if pictures is None:
        return "", 0
    try:
        picture = pictures.thumbnail(i, THUMBNAIL, enlarge=False)
    except Exception:  # a file that has changed since it was loaded may raise any
        return "", 0
    side = max(picture.size)
    qualities = [LOSSLESS_OPTIONS] if side <= LOSSLESS else [{"quality": q} for q in QUALITIES]
    for options in qualities:
        content = io.BytesIO()
        picture.save(content, "WEBP", **options)
        if content.tell() <= LARGEST:
            break
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}", side


def link(pictures: ImageSource | None, i: int) -> str | None:
    """Return the URI of the file of image i; None if it is not in a file."""
    path = pictures and pictures.path(i)
    return Path(path).as_uri() if path else None


def members(frame: pd.DataFrame, pictures: ImageSource | None) -> dict[int, list[list]]:
    """Return index, file, observed class and link of the samples in each group of duplicates."""
    groups = defaultdict(list)
    columns = ["duplicate_group", "index", "file", "given_label"]
    for group, index, *rest in frame.loc[frame.duplicate_group >= 0, columns].to_numpy().tolist():
        groups[group].append([index, *rest, link(pictures, index)])
    return groups


def labels_digest(issues: Issues) -> str:
    """Identify the samples and their observed labels, independent of their order.

    The browser stores decisions under this name.
    """
    labels = issues.frame[["index", "file", "given_label"]].sort_values("index")
    content = json.dumps([issues.classes, labels.to_numpy().tolist()])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
