"""review.html without a browser: its contents, and its thumbnails."""

import base64
import io
import json
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from review_issues import issues_of

from noisylabels.data.image_source import ArrayImages, FileImages
from noisylabels.report import review
from noisylabels.report.read_issues import Issues
from noisylabels.selection.reliability import assess


def data_of(issues, pictures=None, *arguments, **keywords):
    """Return the data of a page as its script reads them."""
    html = review.render_page("x", issues, pictures, *arguments, **keywords)
    return json.loads(re.search(r'id="data">(.*?)</script>', html)[1])


def grey(n, *size):
    return ArrayImages(np.zeros((n, *(size or (8, 8)), 1), np.uint8))


def test_names_cannot_become_markup():
    found = issues_of([0, 1], [1, 1], ["<!--", "b"], file=["</script>", "&lt;"])
    html = review.render_page("x", found, grey(2))
    (inside,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    data = json.loads(inside)
    assert not set("<>&") & set(inside) and html.count("</script>") == 2
    assert [row[:5] for row in data["rows"]] == [
        [1, "</script>", 0, 1, 0],
        [0, "&lt;", 1, 1, 1],
    ]
    assert "http" not in html.replace("http-equiv", "")


def test_decisions_outlast_another_order_but_not_other_labels():
    """The browser stores them under the digest of files and observed labels."""
    found = issues_of([0, 1, 0], [1, 1, 1], "ab")
    other_order = Issues(found.frame[::-1].assign(label_score=0.5), found.classes)
    assert data_of(found)["digest"] == data_of(other_order)["digest"]
    for other in (
        issues_of([0, 1, 1], [1, 1, 1], "ab"),
        issues_of([0, 1, 0], [1, 1, 1], "ba"),
        issues_of([0, 1, 0], [1, 1, 1], "ab", file=["x", "y", "z"]),
    ):
        assert data_of(other)["digest"] != data_of(found)["digest"]


def test_the_page_shows_5000_by_default_and_counts_the_others():
    for n, shown in ((4, 4), (5000, 5000), (5002, 5000)):
        data = data_of(issues_of(np.arange(n) % 2, [0] * n, "ab"))
        assert (len(data["rows"]), data["more"], data["issues"]) == (shown, n - shown, shown // 2)
    assert data["rows"][1][0] == 5000 and data["rows"][1][4] == pytest.approx(1 / 5001, abs=1e-6)


def test_duplicates_with_two_labels_come_first():
    conflict = [False, False, False, True, True]
    found = issues_of(
        [0, 1, 0, 1, 0],
        [1] * 5,
        "ab",
        duplicate_group=[-1, 5, 5, 2, 2],
        duplicate_conflict=conflict,
    )
    data = data_of(found, None, 3)
    assert [(row[0], row[7]) for row in data["rows"]] == [(1, 2), (0, 2), (4, -1)]
    assert data["groups"] == {"2": [[1, "3.png", 1, None], [0, "4.png", 0, None]]}


def test_the_page_says_that_the_model_cannot_judge():
    found, labels = issues_of([0, 1] * 4, [1] * 8, "ab"), np.array([0, 1] * 4)
    judged = assess(np.ones(8, int), labels, ["a", "b"], 0.6)
    data = data_of(found, reliability=judged, notes=["Written after iteration 1."])
    assert data["warning"]["title"] == "This model cannot judge these labels"
    assert data["warning"]["reasons"] == judged.reasons
    assert judged.remedy in data["warning"]["remedy"]
    assert data["notes"] == ["Written after iteration 1.", *judged.notes] and judged.notes
    good = data_of(found, reliability=assess(labels, labels, ["a", "b"], 0))
    assert good["warning"] is None


# ---------------------------------------------------------------------------------- the thumbnails


def picture_in(uri):
    start, content = uri.split(",")
    assert start == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(
    "shape, size",
    [
        ((8, 8, 1), (8, 8)),
        ((32, 32, 3), (32, 32)),
        ((100, 33, 3), (33, 100)),
        ((300, 200, 3), (107, 160)),
        ((10, 500, 1), (160, 3)),
    ],
)
def test_thumbnails_of_arrays(shape, size):
    """Small images are not enlarged; those of up to 32 pixels are exact."""
    images = np.random.default_rng(0).integers(100, 200, (1, *shape), np.uint8)
    uri, side = review.thumbnail(ArrayImages(images), 0)
    found = picture_in(uri)
    assert found.size == size and side == max(size)
    if side <= 32:
        assert (np.asarray(found.convert("RGB")) == images[0]).all()


def test_thumbnails_are_of_the_original_files(tmp_path):
    """They have 160 pixels and a link to the file, whatever the size of the network's input."""
    gradient = np.linspace(0, 255, 480 * 640 * 3).reshape(480, 640, 3).astype(np.uint8)
    Image.fromarray(gradient).save(tmp_path / "a #1.jpg")
    (tmp_path / "b.png").write_bytes(b"no image")
    pictures = FileImages(tmp_path, ["a #1.jpg", "b.png"])
    data = data_of(issues_of([0, 1], [1, 1], "ab"), pictures)
    (_, _, _, _, _, none, link_b, _), (_, _, _, _, _, uri, link_a, _) = data["rows"]
    assert picture_in(uri).size == (160, 120) and none == ""
    assert link_a == (tmp_path / "a #1.jpg").as_uri() and link_a.endswith("/a%20%231.jpg")
    assert link_b == (tmp_path / "b.png").as_uri() and data["small"] is False


@pytest.mark.parametrize(
    "size, small", [((64, 64), True), ((64, 8), True), ((65, 8), False), ((8, 65), False)]
)
def test_images_of_up_to_64_pixels_are_enlarged_as_they_are(size, small):
    assert data_of(issues_of([0], [0], "a"), grey(1, *size))["small"] is small


def test_without_images_there_are_names_alone():
    (row,) = data_of(issues_of([0], [0], "a"))["rows"]
    assert row == [0, "0.png", 0, 0, 0, "", None, -1]


def test_5000_images_need_less_than_60_megabytes():
    """Measure 20 images of noise, which compression does not shrink."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 200, 200, 3), np.uint8)
    html = review.render_page("x", issues_of([0] * 20, [0] * 20, "a"), ArrayImages(noise))
    template = Path(review.TEMPLATE).stat().st_size
    assert template + 5000 / 20 * (len(html) - template) < 60e6


def test_thumbnails_use_only_the_cores_of_this_process(monkeypatch):
    threads = set()

    class SlowImages(ArrayImages):
        def thumbnail(self, *arguments, **keywords):
            threads.add(threading.get_ident())
            time.sleep(0.01)
            return super().thumbnail(*arguments, **keywords)

    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(review, "cores", lambda: 1)
    data_of(issues_of([0] * 8, [0] * 8, "a"), SlowImages(np.zeros((8, 8, 8, 1), np.uint8)))
    assert len(threads) == 1
