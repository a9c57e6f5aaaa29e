"""The review page, review.html: a person decides on the worst labels, offline."""

import base64
import functools
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from noisylabels.data.image_source import ImageSource
from noisylabels.report.read_issues import Issues
from noisylabels.selection.reliability import TITLE, Reliability
from noisylabels.system.hardware import cores

TEMPLATE = Path(__file__).with_name("review.html")
DEFAULT_IMAGES = 5000  # on a page
THUMBNAIL_SIDE = 160  # pixels of the longer side
MAX_LOSSLESS_SIDE = 32  # pixels; images up to this size are stored without loss
MAX_PIXELATED_SIDE = 64  # pixels; images up to this size are enlarged without smoothing
MAX_THUMBNAIL_BYTES = 8000  # 5,000 images then need less than 60 MB
LOSSLESS_OPTIONS = {"lossless": True, "quality": 0, "method": 0}  # 0: fastest
QUALITIES = (80, 60, 40, 20, 5)  # of WebP, tried in this order until a thumbnail is small enough


def render_page(
    name: str,
    issues: Issues,
    pictures: ImageSource | None,
    shown: int = DEFAULT_IMAGES,
    reliability: Reliability | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the review page of the samples with the worst labels.

    No class or file name can become markup or script. Duplicates with different labels come first.

    Parameters
    ----------
    name : str
        Name of the data set.
    issues : Issues
        All samples, worst label first.
    pictures : ImageSource, optional
        The original images of the n samples. If None, the page shows only file names.
    shown : int
        Number of images.
    reliability : Reliability, optional
        Whether the model can judge the labels.
    notes : sequence of str
        Further sentences.

    Returns
    -------
    str
        The page as HTML, with the thumbnails in it.
    """
    class_indices = {column: issues.codes(column) for column in ("given_label", "predicted_label")}
    samples = issues.frame.assign(**class_indices)
    frame = samples.iloc[np.argsort(~samples.duplicate_conflict, kind="stable")[:shown]]
    indices = frame["index"].tolist()
    with ThreadPoolExecutor(cores()) as pool:
        thumbnails = list(pool.map(lambda i: thumbnail(pictures, i), indices))
    rows = zip(
        indices,
        frame.file,
        frame.given_label.tolist(),
        frame.predicted_label.tolist(),
        frame.label_score.round(6).tolist(),
        [uri for uri, _ in thumbnails],
        [file_uri(pictures, i) for i in indices],
        frame.duplicate_group.tolist(),
    )
    warning = None
    if reliability and not reliability.can_judge:
        warning = {
            "title": TITLE.capitalize(),
            "reasons": reliability.reasons,
            "remedy": f"What would help: {reliability.remedy}.",
        }
    shown_groups = samples[samples.duplicate_group.isin(frame.duplicate_group)]
    data = {
        "name": name,
        "digest": labels_digest(issues),
        "classes": issues.classes,
        "rows": list(rows),
        "issues": int(frame.is_label_issue.sum()),
        "more": len(issues.frame) - len(frame),
        "small": all(side <= MAX_PIXELATED_SIDE for _, side in thumbnails),
        "groups": duplicate_groups(shown_groups, pictures),
        "warning": warning,
        "notes": [*notes, *(reliability.notes if reliability else [])],
    }
    text = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return TEMPLATE.read_text(encoding="utf-8").replace(">DATA<", f">{text}<")


@functools.lru_cache(DEFAULT_IMAGES)
def thumbnail(pictures: ImageSource | None, i: int) -> tuple[str, int]:
    """Return a thumbnail of image i as a data URI, and its longer side in pixels.

    Return ("", 0) if the image cannot be read.
    """
    if pictures is None:
        return "", 0
    try:
        picture = pictures.thumbnail(i, THUMBNAIL_SIDE, enlarge=False)
    except Exception:  # a file that has changed since it was loaded may raise any
        return "", 0
    side = max(picture.size)
    attempts = [{"quality": quality} for quality in QUALITIES]
    if side <= MAX_LOSSLESS_SIDE:
        attempts = [LOSSLESS_OPTIONS]
    for options in attempts:
        content = io.BytesIO()
        picture.save(content, "WEBP", **options)
        if content.tell() <= MAX_THUMBNAIL_BYTES:
            break
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}", side


def file_uri(pictures: ImageSource | None, i: int) -> str | None:
    """Return the URI of the file of image i; None if it is not in a file."""
    path = pictures and pictures.path(i)
    return Path(path).as_uri() if path else None


def duplicate_groups(frame: pd.DataFrame, pictures: ImageSource | None) -> dict[int, list[list]]:
    """Return {group: [[index, file, observed class index, URI], ...]} of groups of duplicates."""
    groups = defaultdict(list)
    columns = ["duplicate_group", "index", "file", "given_label"]
    for group, index, *rest in frame.loc[frame.duplicate_group >= 0, columns].to_numpy().tolist():
        groups[group].append([index, *rest, file_uri(pictures, index)])
    return groups


def labels_digest(issues: Issues) -> str:
    """Return a digest of the samples and their observed labels, independent of their order.

    The browser stores decisions under a key with this digest.
    """
    labels = issues.frame[["index", "file", "given_label"]].sort_values("index")
    content = json.dumps([issues.classes, labels.to_numpy().tolist()])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
