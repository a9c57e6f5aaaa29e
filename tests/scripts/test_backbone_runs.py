"""Scripts on images that a pretrained backbone embeds, with random weights and small images."""

import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, assert_is_one_line, files_in, shell
from image_sets import table
from PIL import Image
from random_backbones import QUICK, SIZE, build, save_weights, without_children

from noisylabels import backbones
from noisylabels.backbones import find_backbone
from noisylabels.data.image_source import FileImages
from noisylabels.data.images import load
from noisylabels.data.prediction_inputs import find_images
from noisylabels.errors import UserError

pytestmark = pytest.mark.runs
SHARED = ROOT.parent / "shared"
WEIGHTS = SHARED / "backbone" / "mobilenet_1_0_224_no_top.weights.h5"
N = 30  # images


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a file of random weights."""
    return save_weights(tmp_path_factory.mktemp("weights") / "a.weights.h5")


@pytest.fixture
def photos(tmp_path):
    """Return a folder of dark and bright photographs, wider than high, one of them damaged."""
    rng = np.random.default_rng(0)
    for k in range(N):
        path = tmp_path / "photos" / ("dark", "light")[k % 2] / f"{k:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        low = 150 * (k % 2)
        Image.fromarray(rng.integers(low, low + 100, (40, 60, 3), np.uint8)).save(path)
    path.write_text("no image")  # of the last one
    return tmp_path / "photos"


def test_images_become_embeddings_and_a_network_of_images(
    photos, weights, call, unstarted, undrawn, tmp_path, monkeypatch
):
    called = without_children(monkeypatch)
    monkeypatch.setattr("noisylabels.pipeline.train.build_backbone", build)
    monkeypatch.setattr("noisylabels.data.unreadable.MAX_UNREADABLE", 0.1)
    chosen = ("--backbone", QUICK, "--backbone_weights", weights, "--image_size", SIZE)
    flags = ("--dataset", photos, *chosen, "--results_dir", tmp_path / "results")
    ended = call("INCV_main", *flags, "--method", "standard", "--epochs", 2, "--quiet")
    assert ended.code == 0, ended.err
    assert "1 of 30 images cannot be read" in ended.err
    assert f"central {SIZE}×{SIZE} pixels" in ended.out and called == ["extract"]
    folder = next((tmp_path / "results").rglob("standard_1.keras")).parent
    found = find_backbone(QUICK, weights, SIZE)
    record = json.loads((folder / "standard_training.json").read_text())["arguments"]
    assert record.items() >= found.identity.items()

    # a second script reads the embeddings
    ended = call("INCV", *flags, "--INCV_iter", 1, "--quiet")
    assert ended.code == 0 and called == ["extract"]

    # backbone and head are one network, of images as the data set has them
    network = keras.models.load_model(folder / "standard_1.keras")
    assert network.input_shape == (None, SIZE, SIZE, 3) and not network.trainable_weights
    files = [f"light/{k:02}.png" for k in range(1, N - 1, 2)]
    images = np.stack([FileImages(photos, files).read(k, SIZE) for k in range(len(files))])
    expected = network.predict(images, verbose=0)
    head = network.layers[-1].predict(build(found).predict(images, verbose=0), verbose=0)
    assert np.allclose(expected, head, atol=1e-5) and np.ptp(expected) > 0

    # predict.py streams a folder, leaves out what cannot be read, and knows the labels
    output = tmp_path / "predictions.csv"
    ended = call("predict", folder / "standard_1.keras", photos, "--output", output)
    assert ended.code == 0 and "29.png' is left out" in ended.err and "accuracy" in ended.out
    frame = pd.read_csv(output).set_index("file").loc[files]
    assert np.allclose(frame.probability, expected.max(axis=1), atol=1e-5)
    assert (frame.label == np.take(["dark", "light"], expected.argmax(axis=1))).all()
    np.savez(tmp_path / "some.npz", x=images)
    ended = call("predict", folder / "standard_1.keras", tmp_path / "some.npz", "--output", output)
    assert ended.code == 0
    assert np.allclose(pd.read_csv(output).probability, expected.max(axis=1), atol=1e-5)

    # without the backbone, a repetition fails and keeps the result
    def lost(_):
        raise UserError("no weights")

    monkeypatch.setattr("noisylabels.pipeline.train.build_backbone", lost)
    before = files_in(folder)
    repeated = (*flags, "--method", "standard", "--epochs", 2, "--quiet", "--overwrite")
    ended = call("INCV_main", *repeated)
    assert ended.code == 2 and ended.err.endswith("error: no weights\n")
    after = files_in(folder)
    assert before == {name: after.get(name) for name in before}


def test_features_are_no_images_to_predict(tmp_path):
    np.savez(tmp_path / "some.npz", x=np.eye(3, dtype=np.float32))
    with pytest.raises(UserError, match="the network takes images, not 3 features"):
        find_images([str(tmp_path / "some.npz")], "").source  # noqa: B018


def test_original_images_stay_at_hand(photos, tmp_path):
    def embed(source):
        read = np.array([len(source.path(k)) for k in range(len(source))], np.float32)
        return np.stack([np.arange(N), read], axis=1).astype(np.float32), {3: "damaged"}

    dataset = load(photos, embed=embed, unreadable_csv=tmp_path / "bad.csv", report=str)
    assert dataset.is_embedded and dataset.default_recipe == "features"
    rows = dataset.x_train[:, 0].astype(int)
    names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))
    assert 3 not in rows and [names[row] for row in rows] == list(dataset.files)
    assert len(dataset.pictures) == len(rows)
    for k, file in enumerate(dataset.files):
        assert dataset.pictures.path(k) == str(photos / file)


def test_missing_weights_end_before_images_are_read(tmp_path):
    """There is no network for a download, and no file is an image."""
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no image")
    ended = shell("INCV", "--dataset", tmp_path / "photos", "--backbone", QUICK)
    home = backbones.cached_weights(QUICK).parent
    assert ended.code == 2 and ended.err.count("\n") == 1, ended.err
    assert f"put the file mobilenet_1_0_224_tf_no_top.h5 into {home}, or" in ended.err


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--backbone_weights", "a.h5"], "it applies only with --backbone"),
        (["--backbone", "none", "--backbone_weights", "a.h5"], "applies only with --backbone"),
        (["--dataset", "digits", "--image_size", "64"], "custom images, and with --backbone"),
        (["--backbone", QUICK, "--backbone_weights", "a.h5"], "a.h5 is not a file"),
        (["--backbone", QUICK, "--image_size", "31"], "at least 32 pixels"),
        (["--backbone", "ResNet50"], "did you mean ResNet50V2?"),
    ],
)
def test_flags_without_effect_or_meaning_are_errors(flags, message, photos, call, no_tensorflow):
    ended = call("INCV", "--dataset", photos, *flags)
    assert_is_one_line(ended, re.escape(message))


def test_flips_do_not_apply_to_embeddings(photos, weights, call, no_tensorflow):
    chosen = ("--backbone", QUICK, "--backbone_weights", weights)
    ended = call("INCV", "--dataset", photos, *chosen, "--no_mirror")
    assert_is_one_line(ended, "--no_mirror: it applies to images")


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.exists(), reason="no weights in ../shared/backbone")
def test_frozen_features_find_wrong_labels_of_photographs(tmp_path):
    """Corrupt 0.2 of the labels of 400 flowers."""
    flowers = SHARED / "flowers"
    files = [path for k in range(5) for path in sorted(sorted(flowers.iterdir())[k].iterdir())[:80]]
    rows = [(str(path), path.parent.name) for path in files]
    dataset = table(tmp_path / "flowers.csv", ["file", "label"], rows)
    chosen = ("--backbone", "MobileNet", "--backbone_weights", WEIGHTS, "--image_size", 128)
    noise = ("--trust_labels", "--noise_pattern", "sym", "--noise_ratio", 0.2)
    ended = shell(
        "INCV", "--dataset", dataset, *chosen, *noise, "--results_dir", tmp_path / "results"
    )
    assert ended.code == 0, ended.err
    last = pd.read_csv(next(tmp_path.rglob("INCV_iterations.csv"))).iloc[-1]
    assert last.LP > 0.95 and last.LR > 0.8
