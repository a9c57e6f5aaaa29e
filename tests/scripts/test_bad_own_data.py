"""Errors of custom images and their flags, as the scripts print them."""

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from experiments import experiment
from helpers import assert_is_one_line, files_in
from image_sets import class_folders, shades
from PIL import Image

pytestmark = pytest.mark.runs
SCRIPTS = ("INCV", "INCV_main", "Verify_Theory", "sweep")


def broken(root):
    """Write invalid folders, CSVs and arrays; return {path or flags: pattern of the error}."""

    def own(name, **classes):
        return class_folders(root / name, **classes)

    def table(name, text):
        (own(name, a=4, b=4) / "labels.csv").write_text(text)
        return root / name / "labels.csv"

    (root / "empty").mkdir(parents=True)
    own("single", a=5)
    (own("text", a=4, b=4) / "a/00.png").write_text("no image")
    cut = own("truncated", a=4, b=4) / "b/00.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:-2000])
    Image.new("1", (20_000, 20_000)).save(own("huge", a=4, b=4) / "a/large.png")
    odd = own("odd", b=5) / 'a, "quoted"\nline'
    odd.mkdir()
    Image.new("L", (4, 4)).save(odd / "0.png")
    loop = own("loop", a=5) / "b"
    loop.mkdir()
    (loop / "self").symlink_to(loop)
    np.savez(root / "objects.npz", x=np.zeros((10, 4, 4), np.uint8), y=np.array([{}] * 10))
    files = [f"{c}/{k:02}.png" for c in "ab" for k in range(4)]
    np.save(root / "short.npy", np.zeros(5, int))
    return {
        root / "empty": "holds no images: put those of each class into a folder",
        root / "single": "one class only, a: give images of two classes or more",
        root
        / "text": r"1 of 8 images cannot be read, such as 'a/00.png' \(no image.*repair or remove",
        root / "truncated": r"1 of 9 images cannot be read, such as 'b/00.jpg'.*truncated.*repair",
        root / "huge": r"a/large.png.*400000000 pixels\) exceeds limit.*repair or remove",
        root / "odd": r"the class name 'a, \"quoted\"\\nline' is .* a line break.*rename it",
        root / "loop": "one class only, a",
        root / "objects.npz": "y holds Python objects, which are not read: save it",
        table(
            "lacking",
            "file,label\n" + "\n".join(f"{file},a" for file in files[:-1]) + f"\n{files[-1]},",
        ): "line 9 has no label; add it, or remove the line",
        table(
            "extra",
            "file,label\n" + "\n".join(f"{file},{file[0]}" for file in [*files, "a/99.png"]),
        ): r"1 of 9 images cannot be read, such as 'a/99.png' \(missing",
        table(
            "fields", "file,label\na/00.png,a,b\n"
        ): "line 2: 3 fields where the first line has 2",
        root / "missing": "unknown data set .*|is not an existing data set",
    }


@pytest.mark.parametrize("script", SCRIPTS)
def test_invalid_images_are_one_error(script, call, no_tensorflow, tmp_path):
    """Write nothing but the list of unreadable files."""
    for k, (path, pattern) in enumerate(broken(tmp_path / "own").items()):
        results = tmp_path / str(k)
        ended = call(script, "--dataset", path, "--results_dir", results)
        last = ended._replace(out="", err=ended.err.splitlines(True)[-1])
        assert_is_one_line(last, pattern)
        assert {file.split("/")[-1] for file in files_in(results)} <= {"unreadable.csv"}, path
        assert ("cannot be read" in ended.err) == bool(files_in(results)), path


FLAGS = [
    (
        ["--image_size", "16"],
        "--image_size: it has no effect here; it applies only to custom images",
    ),
    (["--trust_labels"], "--trust_labels: it has no effect here"),
    (["--noise_pattern", "given"], "--noise_pattern: .* give --noisy_labels"),
    (["--noisy_labels", "SHORT"], r"of shape \(5,\)"),
    (
        ["--noisy_labels", "LONG", "--noise_pattern", "sym"],
        "these labels are used as provided: leave it",
    ),
    (["--noisy_labels", "missing.npy"], "is missing or not a file"),
    (["--dataset", "OWN", "--noise_pattern", "sym"], "those of pets are unknown: give y_true"),
    (
        ["--dataset", "OWN", "--noise_ratio", "0.2"],
        "--noise_ratio: .* no label is flipped: leave it out",
    ),
    (
        ["--dataset", "OWN", "--image_size", "3"],
        "--image_size: '3' is not a whole number of at least 4",
    ),
    (["--dataset", "OWN", "--label_column", "x"], "it applies only to custom images in a .csv"),
]
TRAINING = [
    (
        ["--method", "co_teaching"],
        "co_teaching needs the noise ratio, which is unknown.*--co_teaching_noise_ratio",
    ),
    (
        ["--method", "f_correction", "--f_correction_T", "true"],
        "the true matrix of these labels is unknown",
    ),
]


@pytest.mark.parametrize(
    "script, flags, pattern",
    [("INCV", *row) for row in FLAGS]
    + [("INCV_main", "--dataset OWN".split() + flags, pattern) for flags, pattern in TRAINING]
    + [("Verify_Theory", ["--dataset", "OWN"], "added to true labels, but those of pets")],
)
def test_invalid_flags_are_one_error(script, flags, pattern, call, no_tensorflow, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros(5, int))
    np.save(tmp_path / "long.npy", np.arange(1437) % 10)
    places = {
        "OWN": shades(tmp_path / "pets"),
        "SHORT": tmp_path / "short.npy",
        "LONG": tmp_path / "long.npy",
    }
    ended = call(
        script, *(places.get(flag, flag) for flag in flags), "--results_dir", tmp_path / "results"
    )
    assert_is_one_line(ended._replace(out=""), pattern)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    "images, results", [("pets", "pets/results"), ("pets", "."), (".", "results")]
)
def test_results_folder_inside_the_images_is_refused(
    images, results, script, call, no_tensorflow, tmp_path, monkeypatch
):
    pets = shades(tmp_path / "pets")
    monkeypatch.chdir(pets if images == "." else tmp_path)
    assert_is_one_line(
        call(script, "--dataset", os.path.join(images, ""), "--results_dir", results),
        "--results_dir: .*pets is inside --dataset .* give a folder outside",
    )
    assert {path.name for path in tmp_path.rglob("*") if path.is_dir()} == {"pets", "cat", "dog"}


def test_unreadable_images_are_listed_and_left_out(tmp_path):
    (shades(tmp_path / "pets", n=40) / "cat" / "0.png").write_text("no image")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = experiment("--dataset", tmp_path / "pets", "--results_dir", tmp_path / "results")
    assert "1 of 81 images cannot be read" in str(caught[0].message) and len(found.y_noisy) == 80
    listed = pd.read_csv(tmp_path / "results/pets/unreadable.csv")
    assert listed.file.tolist() == ["cat/0.png"] and os.listdir(tmp_path / "results/pets") == [
        "unreadable.csv"
    ]
