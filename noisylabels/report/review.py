"""The review page, review.html: a person decides on the labels that are most probably wrong,
offline.
"""

import base64
import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from noisylabels.report.read_issues import Issues

TEMPLATE = Path(__file__).with_name("review.html")
SHOWN = 5000  # images, where nothing else is asked for
THUMBNAIL = 96  # pixels a side at most
TINY = 16  # up to so many pixels a side an image stays as it is, to the last bit
PIXELATED = 64  # up to so many it is enlarged without smoothing


def page(name: str, issues: Issues, images: np.ndarray, content: bytes, shown: int = SHOWN) -> str:
    """Return the review page of the worst label issues.

    No class or file name can become markup or script.

    Parameters
    ----------
    name : str
        Name of the data set.
    issues : Issues
        The label issues, worst first.
    images : np.ndarray
        Training images, uint8 (n, h, w, ch).
    content : bytes
        The file of the issues. The browser stores decisions under its digest.
    shown : int
        Number of images on the page.
    """
    frame = issues.frame[:shown]
    given, predicted = issues.codes("given_label"), issues.codes("predicted_label")
    rows = [
        [*row, thumbnail(images[row[0]])]
        for row in zip(
            frame["index"].tolist(),
            frame.file,
            given.tolist(),
            predicted.tolist(),
            frame.label_score.round(6).tolist(),
        )
    ]
    data = {
        "name": name,
        "digest": hashlib.sha256(content).hexdigest()[:16],
        "classes": issues.classes,
        "rows": rows,
        "issues": int(frame.is_label_issue.sum()),
        "more": len(issues.frame) - len(frame),
        "small": max(images.shape[1:3]) <= PIXELATED,
    }
    text = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return TEMPLATE.read_text(encoding="utf-8").replace(">DATA<", f">{text}<")


def thumbnail(image: np.ndarray) -> str:
    """Return a small version of an image, uint8 (h, w, ch), as a data URL."""
    picture, file = (
        Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image),
        io.BytesIO(),
    )
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    if max(picture.size) <= TINY:
        picture.save(file, "PNG")
        kind = "png"
    else:
        picture.save(file, "JPEG", quality=88, subsampling=0)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
