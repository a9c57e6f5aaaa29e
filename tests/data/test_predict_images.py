"""Inputs of predict.py, with a network that predicts the first pixel's value."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import assert_is_one_line
from image_sets import picture

import predict
from noisylabels.data.prediction_inputs import find_images, fit_images, in_npz
from noisylabels.errors import UserError

CLASSES, SHAPE = ["cat", "dog", "emu"], (6, 9, 3)


def shot(path, k):
    """Write an image that is predicted as class k."""
    picture(path, 100 * k, (9, 6))


@pytest.fixture
def run(call, unstarted, tmp_path, monkeypatch):
    """Call predict.py with such a network; return how it ended, and the CSV."""

    def probabilities(images, batch_size, verbose):
        assert images.dtype == np.uint8 and images.shape[1:] == SHAPE
        return np.float32([[0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6]])[
            images[:, 0, 0, 0] // 100
        ]

    network = SimpleNamespace(
        name="images_to_probabilities",
        output_shape=(None, 3),
        input_shape=(None, *SHAPE),
        predict=probabilities,
    )
    monkeypatch.setattr("noisylabels.training.export.load_inference_model", lambda path: network)
    monkeypatch.setattr(predict.zipfile, "is_zipfile", lambda path: True)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "classes.json").write_text(json.dumps(CLASSES))
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments):
        ended = call("predict", "a.keras", *arguments)
        return ended, pd.read_csv("predictions.csv") if ended.code == 0 else None

    return run


def test_outermost_folder_named_like_a_class_is_the_label(run, tmp_path):
    folder = tmp_path / "shots"
    for file, k in (
        ("cat/0.png", 0),
        ("cat/1.png", 2),
        ("new/cat/deep/2.png", 0),
        ("dog/cat/3.png", 1),
        ("emu/new/4.png", 0),
        ("new/cat.png", 0),
        ("top.png", 2),
        ("new/dog.png/5.png", 0),
    ):
        shot(folder / file, k)
    ended, frame = run(folder)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith(
        "accuracy 0.6000, against the labels of 5 images\nwrote predictions.csv\n"
    )
    found = dict(zip(frame.file, frame.label))
    assert found == {
        "cat/0.png": "cat",
        "cat/1.png": "emu",
        "new/cat/deep/2.png": "cat",
        "dog/cat/3.png": "dog",
        "emu/new/4.png": "cat",
        "new/cat.png": "cat",
        "top.png": "emu",
        "new/dog.png/5.png": "cat",
    }
    assert frame.probability.tolist() == pytest.approx([0.6] * 8)


def test_labels_of_the_first_class_alone_are_known(run, tmp_path):
    shot(tmp_path / "shots" / "cat" / "0.png", 0)
    shot(tmp_path / "shots" / "unknown.png", 1)
    ended, _ = run(tmp_path / "shots")
    assert "accuracy 1.0000, against the labels of 1 images\n" in ended.out
    assert "not classes of the network" not in ended.out


def test_folder_named_like_an_image(run, tmp_path):
    shot(tmp_path / "shots" / "a.png" / "0.png", 1)
    ended, frame = run(tmp_path / "shots")
    assert ended.err == "" and frame.file.tolist() == ["a.png/0.png"]


@pytest.mark.parametrize("n", [7, 1])
@pytest.mark.parametrize("form", ["colour", "grey", "one channel", "other size"])
def test_arrays_of_any_layout(form, n, run, tmp_path):
    k = np.arange(n) % 3
    x = np.broadcast_to(np.uint8(100 * k)[:, None, None, None], (n, *SHAPE))
    x = {
        "colour": x,
        "grey": x[..., 0],
        "one channel": x[..., :1],
        "other size": x.repeat(3, axis=1)[:, :, :4],
    }[form]
    np.savez(tmp_path / "own.npz", x=x, y=k)
    ended, frame = run(tmp_path / "own.npz")
    assert (
        ended.out == f"accuracy 1.0000, against the labels of {n} images\nwrote predictions.csv\n"
    )
    assert frame["index"].tolist() == [*range(n)] and frame.label.tolist() == [
        CLASSES[label] for label in k
    ]


@pytest.mark.parametrize("shape, side", [((6, 9, 3), 9), ((9, 6, 3), 9), ((2, 2, 3), 2)])
def test_files_are_read_at_the_longer_input_side(shape, side, tmp_path):
    shot(tmp_path / "shots" / "0.png", 1)
    images = find_images([str(tmp_path / "shots")], "").read(CLASSES, shape)[0]
    assert images.shape == (1, side, side, 1)


@pytest.mark.parametrize(
    "shape, dtype",
    [
        ((4, 8, 8), bool),
        ((4, 8, 8), "int8"),
        ((4, 8, 8, 1, 1), "uint8"),
        ((4, 8, 8, 4), "uint8"),
        ((4, 8, 0), "uint8"),
        ((), "uint8"),
    ],
)
def test_arrays_without_images_are_errors(shape, dtype, tmp_path):
    np.savez(tmp_path / "own.npz", x=(x := np.zeros(shape, dtype)))
    with pytest.raises(UserError) as error:
        in_npz(tmp_path / "own.npz")
    assert f"own.npz: x is {x.dtype} of shape {x.shape}: give uint8, 0 to 255" in str(error.value)


def test_images_of_equal_size_only_change_channels():
    grey = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3, 1)
    np.testing.assert_array_equal(fit_images(grey, (3, 3, 3)), grey.repeat(3, axis=3))
    np.testing.assert_array_equal(fit_images(grey.repeat(3, axis=3), (3, 3, 1)), grey)
    rows = np.repeat(np.uint8([[[[0]], [[200]]]]), 2, axis=2)  # dark above light
    tall = fit_images(rows, (8, 1, 1))
    assert (
        tall[0, 0, 0, 0] == 0
        and tall[0, 7, 0, 0] == 200
        and (np.diff(tall[0, :, 0, 0].astype(int)) >= 0).all()
    )


@pytest.mark.parametrize(
    "model, images, output, said",
    [
        ("a.zip", "digits", "p.csv", "argument MODEL: .*a.zip is missing or not a Keras network"),
        ("a.h5", "digits", "p.csv", "argument MODEL: .*a.h5 is missing or not a Keras network"),
        ("gone.keras", "digits", "p.csv", "argument MODEL: .*gone.keras is missing"),
        (
            "a.keras",
            "a.zip",
            "p.csv",
            "argument IMAGES: .*a.zip' is not an image file, folder, .npz",
        ),
        ("a.keras", "gone.npz", "p.csv", "argument IMAGES: .*gone.npz' is not an image file"),
        (
            "a.keras",
            "digits",
            "folder",
            "argument --output: .*folder is not a file, or its folder does not exist",
        ),
        ("a.keras", "digits", "gone/p.csv", "argument --output: .*gone/p.csv is not a file"),
        ("a.keras", "digits", "a.npz", "argument --output: .*a.npz does not end in .csv"),
        ("a.keras", "a.csv", "a.csv", "argument --output: .*a.csv .* is one of the inputs"),
        ("a.keras", "", "p.csv", "argument IMAGES: '' is not an image file"),
        ("a.keras", "digits", "a.csv", None),
        ("a.keras", "digits", "p.csv", None),
        ("a.keras", "folder", "p.csv", "folder holds no images"),
        ("a.keras", "A.NPZ", "p.csv", "A.NPZ holds the arrays x|A.NPZ: x is int64"),
    ],
)
def test_paths_are_checked_before_anything_starts(model, images, output, said, tmp_path):
    for name in ("a.keras", "a.zip", "a.h5", "a.npz", "A.NPZ"):
        np.savez(tmp_path / "zip", x=1)  # each of them a zip
        (tmp_path / "zip.npz").rename(tmp_path / name)
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "folder").mkdir()
    args = SimpleNamespace(
        model=tmp_path / model,
        output=tmp_path / output,
        images=[images if images in ("digits", "") else str(tmp_path / images)],
        set_flags=set(),
    )

    def check():
        predict.check_paths(args)
        find_images(args.images, "")

    if said is None:
        check()
    else:
        with pytest.raises(UserError, match=said):
            check()


def test_data_dir_applies_to_cifar_alone(call, run, tmp_path):
    ended, _ = run("digits", "--data_dir", tmp_path)
    assert_is_one_line(
        ended, "argument --data_dir: it has no effect here; it applies only to cifar10"
    )


def test_labels_that_are_no_classes_are_counted(run, tmp_path):
    for k in range(3):
        shot(tmp_path / f"shots/{k}.png", k)
    (tmp_path / "shots/a.csv").write_text("file,label\n0.png,cat\n1.png,fox\n2.png,yak\n")
    ended, frame = run(tmp_path / "shots/a.csv")
    assert ended.code == 0 and len(frame) == 3
    assert "labels of 2 images are not classes of the network, such as 'fox'\n" in ended.out
    assert "accuracy 1.0000, against the labels of 1 images\n" in ended.out


def test_csv_without_labels_is_predicted(run, tmp_path):
    shot(tmp_path / "shots/0.png", 0)
    (tmp_path / "shots/a.csv").write_text("file\n0.png\n")
    ended, frame = run(tmp_path / "shots/a.csv")
    assert (ended.code, ended.err) == (0, "") and frame.label.tolist() == ["cat"]
    assert "accuracy" not in ended.out


def test_folders_above_a_csv_are_no_labels(run, tmp_path):
    shot(tmp_path / "cat/shots/0.png", 1)
    shot(tmp_path / "cat/shots/dog/1.png", 1)
    shot(tmp_path / "cat/2.png", 1)
    path = tmp_path / "cat/shots/a.csv"
    path.write_text(f"file\n0.png\n{tmp_path}/cat/shots/dog/1.png\n")
    ended, frame = run(path)
    assert frame.file.tolist() == ["0.png", "dog/1.png"]
    assert "accuracy 1.0000, against the labels of 1 images\n" in ended.out


@pytest.mark.parametrize(
    "header, said",
    [
        ("picture,label", "no column file or .*: rename the column of files to file"),
        ("file,image", r"several columns that fit \(file, image\): keep one of them"),
        ("file,class,label", r"several columns that fit \(class, label\): keep one of them"),
    ],
)
def test_unclear_columns_of_a_csv_name_no_flag(header, said, tmp_path):
    (tmp_path / "a.csv").write_text(f"{header}\n")
    with pytest.raises(UserError, match=f"a.csv has {said}$"):
        find_images([str(tmp_path / "a.csv")], "")


def test_image_that_is_named_twice_counts_once(run, tmp_path):
    for k in range(2):
        shot(tmp_path / f"{k}.png", k)
    ended, frame = run(tmp_path / "1.png", tmp_path / "*.png", tmp_path / "0.png")
    assert ended.out.startswith("predict.py: 2 images of 9×9 need up to")
    assert frame.file.tolist() == [f"{tmp_path}/{k}.png" for k in (1, 0)]


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_equal_embeddings_are_predicted(name, tmp_path):
    x = np.ones((3, 4), np.float32)
    path = tmp_path / name
    np.save(path, x) if name == "x.npy" else np.savez(path, x=x)
    assert find_images([str(path)], "").images.tolist() == x.tolist()


def test_one_of_several_inputs_must_be_an_image(run, tmp_path):
    shot(tmp_path / "shots/0.png", 0)
    ended, _ = run(tmp_path / "shots/0.png", tmp_path / "shots")
    assert_is_one_line(
        ended, "IMAGES: '.*shots' is neither an image file nor .* as the only argument"
    )


def test_class_names_must_differ(run, tmp_path):
    shot(tmp_path / "shots/0.png", 0)
    (tmp_path / "here/names.json").write_text('["cat", "dog", "cat"]')
    ended, _ = run(tmp_path / "shots/0.png", "--classes", "names.json")
    assert_is_one_line(ended, "names.json is no JSON list of names")
