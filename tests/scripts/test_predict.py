"""predict.py on folders, arrays and data sets."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers import assert_is_one_line, shell
from PIL import Image
from prediction import calls_of_predict, save_network

from models import create_model
from noisylabels.data.prediction_inputs import fit_images
from noisylabels.training.export import load_inference_model, save_inference_model
from utils import load_dataset

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return save_network(tmp_path_factory.mktemp("trained"), epochs=4)


@pytest.fixture(scope="module")
def expected(trained):
    """Return the network's probabilities for the test images of digits."""
    return load_inference_model(trained).predict(load_dataset("digits", None).x_test, verbose=0)


@pytest.fixture
def run(call, unstarted, trained, tmp_path, monkeypatch):
    return calls_of_predict(call, trained, tmp_path / "here", monkeypatch)


def test_predict_from_the_shell(trained, expected, tmp_path):
    """Predict a data set, with nothing on standard error."""
    ended = shell("predict", trained, "digits", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    data, frame = load_dataset("digits", None), pd.read_csv(tmp_path / "predictions.csv")
    accuracy = (expected.argmax(axis=1) == data.y_test).mean()
    assert (
        ended.out
        == f"accuracy {accuracy:.4f}, against the labels of 360 images\nwrote predictions.csv\n"
    )
    assert accuracy > 0.8 and list(frame) == ["index", "label", "probability"]
    assert (frame["index"] == range(360)).all() and (frame.label == expected.argmax(axis=1)).all()
    np.testing.assert_allclose(frame.probability, expected.max(axis=1), atol=1e-5)


def pictures(folder, n=20):
    """Write the first n test digits as files in class folders; return labels and paths."""
    data, files = load_dataset("digits", None), []
    for k, (image, label) in enumerate(zip(data.x_test[:n], data.y_test)):
        files.append(f"{label}/{k:02}.png")
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / files[-1])
    return data.y_test[:n], files


def test_folder_is_predicted(run, expected, tmp_path):
    y, files = pictures(tmp_path / "shots")
    ended, frame = run(tmp_path / "shots")
    expected = expected[:20]
    assert (ended.code, ended.err) == (0, "") and list(frame) == ["file", "label", "probability"]
    assert sorted(frame.file) == sorted(files) and list(frame.file) == sorted(frame.file)
    found = frame.set_index("file").loc[files]
    assert found.label.astype(int).tolist() == expected.argmax(axis=1).tolist()
    np.testing.assert_allclose(found.probability, expected.max(axis=1), atol=1e-5)
    assert (
        f"accuracy {(expected.argmax(axis=1) == y).mean():.4f}, against the labels of 20 images"
        in ended.out
    )
    assert ended.out.endswith("wrote predictions.csv\n")


def test_folder_is_read_with_subfolders(run, tmp_path):
    """Read all formats and sizes, no dot files; a folder named like a class is a label."""
    folder = tmp_path / "shots"
    _, (first,) = pictures(folder, 1)
    (folder / "new/deep").mkdir(parents=True)
    Image.new("RGB", (30, 20), "red").save(folder / 'new/deep/red, "big".jpg')
    Image.new("RGBA", (8, 8)).save(folder / "top.PNG")
    for hidden in ("._top.png", ".cache/a.png", "new/.b.png", "notes.txt"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_bytes(b"")
    (folder / "new/loop").symlink_to(folder)
    ended, frame = run(folder)
    assert (ended.code, ended.err) == (0, "")
    assert set(frame.file) == {"top.PNG", first, 'new/deep/red, "big".jpg'}
    assert "against the labels of 1 images" in ended.out


def test_unreadable_files_are_named_and_left_out(run, tmp_path):
    folder = tmp_path / "shots"
    _, files = pictures(folder, 6)
    (folder / files[2]).write_text("no image")
    (folder / files[4]).write_bytes((folder / files[4]).read_bytes()[:60])
    (folder / "gone.png").symlink_to("nowhere")
    ended, frame = run(folder)
    assert ended.code == 0 and set(frame.file) == {files[k] for k in (0, 1, 3, 5)}
    lines = ended.err.splitlines()
    assert len(lines) == 3 and all(
        line.startswith("predict.py: '") and "cannot be read: " in line for line in lines
    )
    assert all(
        any(repr(name) in line for line in lines) for name in (files[2], files[4], "gone.png")
    )
    assert "of 4 images" in ended.out


@pytest.mark.parametrize(
    "images, labels",
    [
        ("x", "y"),
        ("x", "y_true"),
        ("x_test", "y_test"),
        ("images", "labels"),
        ("test_images", "test_labels"),
        ("x", None),
    ],
)
def test_npz_is_predicted(images, labels, run, expected, tmp_path):
    data = load_dataset("digits", None)
    arrays = {
        images: data.x_test[..., 0] if images == "x" else data.x_test,
        "other": np.zeros(3),
        "y": data.y_test * 0,
    }
    arrays.update({"y_true": data.y_test * 0} if images != "x" else {})
    arrays.update({labels: data.y_test} if labels else {})
    np.savez(
        tmp_path / "digits.npz",
        **{name: array for name, array in arrays.items() if labels or name != "y"},
    )
    ended, frame = run(tmp_path / "digits.npz")
    best = expected.argmax(axis=1)
    assert (ended.code, ended.err) == (0, "") and frame.label.astype(int).tolist() == best.tolist()
    assert (frame["index"] == range(360)).all()
    shown = f"accuracy {(best == data.y_test).mean():.4f}, against the labels of 360 images"
    assert ended.out == (shown + "\n" if labels else "") + "wrote predictions.csv\n"


@pytest.mark.parametrize("dtype", [np.int64, str])
def test_npz_labels_are_names_or_indices(dtype, run, expected, tmp_path):
    """Numbers are indices only if no class has a numeric name."""
    data, names = load_dataset("digits", None), [f"class {k}" for k in range(10)]
    labels = data.y_test if dtype is np.int64 else np.array(names)[data.y_test]
    np.savez(tmp_path / "digits.npz", x=data.x_test, y=labels)
    (tmp_path / "names.json").write_text(json.dumps(names))
    ended, frame = run(tmp_path / "digits.npz", "--classes", tmp_path / "names.json")
    accuracy = (expected.argmax(axis=1) == data.y_test).mean()
    assert f"accuracy {accuracy:.4f}" in ended.out and set(frame.label) <= set(names)


def test_labels_of_other_classes_are_unknown(run, tmp_path):
    """Show no accuracy instead of a wrong one."""
    (tmp_path / "names.json").write_text(json.dumps(list("abcdefghij")))
    ended, _ = run("digits", "--classes", tmp_path / "names.json")
    assert re.fullmatch(
        "the labels of 360 images are not classes of the network, such as .*\nwrote .*\n", ended.out
    )


def test_unknown_npz_labels_are_counted(run, tmp_path):
    data = load_dataset("digits", None)
    labels = data.y_test.copy()
    labels[:3] = 10
    np.savez(tmp_path / "digits.npz", x=data.x_test, y=labels)
    ended, frame = run(tmp_path / "digits.npz")
    assert (ended.code, ended.err, len(frame)) == (0, "", 360)
    assert "the labels of 3 images are not classes of the network, such as '10'" in ended.out
    assert "against the labels of 357 images" in ended.out


def test_single_files_and_patterns_are_predicted(run, tmp_path):
    _, files = pictures(tmp_path / "shots", 5)
    paths = [str(tmp_path / "shots" / file) for file in files]
    ended, frame = run(paths[0], tmp_path / "shots/*/0[1-4].png")
    assert (ended.code, ended.err) == (0, "") and sorted(frame.file) == sorted(paths)
    assert_is_one_line(run(tmp_path / "shots/*.jpg")[0], r"IMAGES: .*\*.jpg' is not an image file")


def test_csv_of_files_and_labels_is_predicted(run, expected, tmp_path):
    y, files = pictures(tmp_path / "shots", 20)
    pd.DataFrame({"file": files, "label": y}).to_csv(tmp_path / "shots/a.csv", index=False)
    ended, frame = run(tmp_path / "shots/a.csv")
    accuracy = (expected[:20].argmax(axis=1) == y).mean()
    assert ended.err == "" and len(frame) == 20
    assert f"accuracy {accuracy:.4f}, against the labels of 20 images" in ended.out


def test_output_flag_chooses_the_file(run, tmp_path):
    (tmp_path / "other.csv").write_text("that of before")
    ended, frame = run("digits", "--output", tmp_path / "other.csv")
    assert ended.code == 0 and frame is None and len(pd.read_csv(tmp_path / "other.csv")) == 360


def test_images_of_another_kind_are_converted():
    """Resize the whole image; repeat grey channels, average colour."""
    grey = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    assert fit_images(grey, (8, 8, 1)) is grey
    np.testing.assert_array_equal(fit_images(grey, (8, 8, 3)), np.repeat(grey, 3, axis=3))
    np.testing.assert_array_equal(fit_images(np.repeat(grey, 3, axis=3), (8, 8, 1)), grey)
    halves = np.zeros((1, 6, 10, 3), np.uint8)
    halves[:, :, 5:] = 255
    for shape in ((3, 4, 1), (12, 20, 3)):
        small = fit_images(halves, shape)
        assert small.shape == (1, *shape) and small.dtype == np.uint8
        assert (small[:, :, : shape[1] // 2 - 1] == 0).all() and (
            small[:, :, shape[1] // 2 + 1 :] == 255
        ).all()


@pytest.fixture
def oblong(tmp_path):
    """Return the path of a network of colour images that are not square."""
    save_inference_model(create_model("MLP", (6, 9, 3), 2), tmp_path / "oblong.keras", "ab", False)
    return tmp_path / "oblong.keras"


def test_network_of_non_square_images(oblong, run, tmp_path):
    Image.new("L", (40, 30), 200).save(tmp_path / "a.png")
    ended, frame = run(tmp_path, model=oblong)
    assert (ended.code, ended.err) == (0, "") and list(frame.file) == ["a.png"]
