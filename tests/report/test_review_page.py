"""review.html without a browser: its content and thumbnails."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from noisylabels.report.read_issues import Issues
from noisylabels.report.review import page, thumbnail


def test_page_has_issues_images_and_classes():
    frame = pd.DataFrame(
        {
            "index": [1, 0],
            "file": ["</script>", "&lt;"],
            "given_label": ["<!--", "b"],
            "predicted_label": ["b", "b"],
            "label_score": [0.1, 0.2],
            "is_label_issue": [True, False],
        }
    )
    html = page("x", Issues(frame, ["<!--", "b"]), np.zeros((2, 8, 8, 1), np.uint8), b"1")
    (inside,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    data = json.loads(inside)
    assert not set("<>&") & set(inside) and html.count("</script>") == 2
    assert [row[:5] for row in data["rows"]] == [
        [1, "</script>", 0, 1, 0.1],
        [0, "&lt;", 1, 1, 0.2],
    ]
    assert "http" not in html.replace("http-equiv", "")
    assert (
        page("x", Issues(frame, ["<!--", "b"]), np.zeros((2, 8, 8, 1), np.uint8), b"2").count(
            data["digest"]
        )
        == 0
    )


@pytest.mark.parametrize(
    "shape, kind, size",
    [
        ((8, 8, 1), "png", (8, 8)),
        ((32, 32, 3), "jpeg", (32, 32)),
        ((300, 200, 3), "jpeg", (64, 96)),
        ((10, 500, 1), "jpeg", (96, 2)),
        ((16, 16, 3), "png", (16, 16)),
        ((16, 17, 3), "jpeg", (17, 16)),
    ],
)
def test_thumbnails_have_expected_size_mode_and_brightness(shape, kind, size):
    image = np.full(shape, 200, np.uint8)
    start, content = thumbnail(image).split(",")
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert start == f"data:image/{kind};base64" and picture.size == size
    assert (
        picture.mode == ("L" if shape[2] == 1 else "RGB")
        and abs(int(np.asarray(picture).mean()) - 200) < 3
    )
    if kind == "jpeg":  # of quality 88: finer than 87, coarser than 89
        assert picture.quantization[0][:3] == [4, 3, 2] and (
            shape[2] == 1 or get_sampling(picture) == 0
        )


@pytest.mark.parametrize(
    "size, small", [((64, 64), True), ((64, 8), True), ((65, 8), False), ((8, 65), False)]
)
def test_small_images_are_enlarged_without_smoothing(size, small):
    assert data_of(np.zeros((70, *size, 1), np.uint8))["small"] is small


def test_page_has_at_most_five_thousand_images(monkeypatch):
    monkeypatch.setattr("noisylabels.report.review.thumbnail", lambda image: "")
    for n, shown, more in ((4, 4, 0), (5000, 5000, 0), (5002, 5000, 2)):
        data = data_of(np.zeros((n, 1, 1, 1), np.uint8))
        assert (len(data["rows"]), data["more"], data["issues"]) == (shown, more, shown // 2)
    assert data["rows"][1] == [1, "1.png", 0, 0, 0.123457, ""] and len(data["digest"]) == 16


def data_of(images):
    """Return the data in the page; every second image has a wrong label."""
    n = min(len(images), 5002)
    frame = pd.DataFrame(
        {
            "index": range(n),
            "file": [f"{k}.png" for k in range(n)],
            "given_label": "a",
            "predicted_label": "a",
            "label_score": 0.1234567,
            "is_label_issue": False,
        }
    )
    frame.loc[:4999:2, "is_label_issue"] = True
    html = page("x", Issues(frame, ["a"]), images, b"1")
    return json.loads(re.search(r'id="data">(.*?)</script>', html)[1])
