"""What machines compare before a sweep: code, packages, data, results folder."""

import json
from dataclasses import replace

import numpy as np
from image_sets import shades

from noisylabels.sweep.fingerprint import digest_of_code, mark, state_of
from utils import load_dataset


def test_worker_reports_its_fingerprint(call, tmp_path):
    mark(tmp_path)
    first, second = (call("sweep", "--fingerprint", "--results_dir", tmp_path) for _ in range(2))
    seen = json.loads(first.out)
    assert first == second and first.code == 0 and first.err == ""
    assert {"the code", "tensorflow", "numpy", "the data set", "the results folder"} <= seen.keys()
    assert all(seen[what] for what in ("the code", "numpy", "the data set", "the results folder"))


def test_messages_on_custom_images_are_not_the_fingerprint(call, tmp_path):
    shades(tmp_path / "pets")
    seen = call(
        "sweep",
        "--fingerprint",
        "--dataset",
        tmp_path / "pets",
        "--results_dir",
        tmp_path / "results",
    )
    assert json.loads(seen.out)["the data set"] and "60 images of 32×32 need up to" in seen.err


def test_results_folder_is_identified_by_its_mark(tmp_path):
    assert state_of(tmp_path / "none") == "No such file or directory"
    assert (
        state_of(tmp_path) == "No such file or directory"
    )  # a folder that is there, but another one
    mark(tmp_path / "a"), mark(tmp_path / "b")
    first, second = state_of(tmp_path / "a"), state_of(tmp_path / "b")
    mark(tmp_path / "a")
    assert first != second and state_of(tmp_path / "a") == first and len(first) == 32
    assert [path.name for path in (tmp_path / "a").iterdir()] == [".sweep"]


def test_other_code_has_another_digest(tmp_path):
    digests = set()
    for name in ("INCV.py", "noisylabels/methods/incv.py", "models/wide.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        for content in ("a = 1\n", "a = 2\n"):
            (tmp_path / name).write_text(content)
            digests.add(digest_of_code(tmp_path))
    assert len(digests) == 6
    (tmp_path / "results").mkdir()
    (tmp_path / "results/x.py").write_text("")
    assert digest_of_code(tmp_path) in digests


def test_other_data_have_another_digest():
    digits = load_dataset("digits", "data")
    labels, images = digits.y_train.copy(), digits.x_test.copy()
    labels[-1], images[-1, 0, 0] = (labels[-1] + 1) % 10, 1
    others = [
        digits,
        replace(digits, y_train=labels),
        replace(digits, x_test=images),
        replace(digits, given=labels),
        replace(digits, y_train=None),
        replace(digits, x_train=np.flip(digits.x_train, 1)),
        replace(digits, classes=(*digits.classes[:-1], "ten")),
    ]
    assert len({data.fingerprint for data in others}) == len(others)
    assert load_dataset("digits", "data").fingerprint == digits.fingerprint


# ---------------------------------------------------------------------------------------- its flags


def test_fingerprint_is_short_and_mark_creates_its_folder(tmp_path):
    mark(tmp_path / "a/b")
    assert len(state_of(tmp_path / "a/b")) == 32
    assert [len(digest_of_code(tmp_path)), len(load_dataset("digits", "").fingerprint)] == [12, 16]
