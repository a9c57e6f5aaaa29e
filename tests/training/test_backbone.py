"""Pretrained networks with random weights, on small images."""

import functools

import keras
import numpy as np
import pytest
from PIL import Image
from random_backbones import QUICK, SIZE, application, build, save_weights, without_children

from noisylabels import backbones
from noisylabels.backbones import APPLICATIONS, embeddings, find_backbone
from noisylabels.backbones.chunks import write_chunk
from noisylabels.data.image_source import ArrayImages, FileImages
from noisylabels.errors import UserError
from noisylabels.training import backbone as pretrained
from noisylabels.training import extraction

pytestmark = pytest.mark.runs
ALL = [
    name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in APPLICATIONS
]
PREPROCESSING = {
    "EfficientNetV2B0": "efficientnet_v2",
    "MobileNetV3Large": "mobilenet_v3",
    "ConvNeXtTiny": "convnext",
    "ResNet50V2": "resnet_v2",
    "MobileNet": "mobilenet",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a function that saves random weights of a network to a file."""
    folder = tmp_path_factory.mktemp("weights")
    return functools.cache(lambda name: save_weights(folder / f"{name}.weights.h5", name))


@pytest.fixture(scope="module")
def images():
    """Return five images as bytes."""
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def in_process(monkeypatch):
    """Let child processes run in this one; return the functions that were called."""
    return without_children(monkeypatch)


@pytest.mark.parametrize("name", ALL)
def test_embeddings_are_those_of_the_application(name, weights, images):
    network = application(name)
    network.load_weights(weights(name))
    module = getattr(keras.applications, PREPROCESSING[name])
    expected = network.predict(module.preprocess_input(images.astype(np.float32)), verbose=0)
    model = pretrained.build_backbone(find_backbone(name, weights(name), SIZE))
    assert np.allclose(model.predict(images, verbose=0), expected, atol=1e-3 * expected.std())
    assert model.input_shape == (None, SIZE, SIZE, 3) and not model.trainable_weights
    assert expected.std() > 0.01


@pytest.mark.parametrize("name", ALL)
def test_own_weights_are_where_keras_caches_them(name, monkeypatch):
    found = []
    monkeypatch.setenv("KERAS_HOME", keras.src.backend.config.keras_home())

    def get_file(file, origin, cache_subdir, **_):
        found.append(keras.src.backend.config.keras_home() + f"/{cache_subdir}/{file}")
        raise OSError("no network\nat all")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    path = backbones.cached_weights(name)
    with pytest.raises(UserError) as caught:
        pretrained.download(name)
    assert found == [str(path)]
    message = str(caught.value)
    assert f"put the file {path.name} into {path.parent}" in message
    assert "(no network)" in message and "--backbone_weights" in message


def test_home_of_keras_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert backbones.cached_weights(QUICK).parent == tmp_path / "models"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert backbones.keras_home() == tmp_path / ".keras"
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    assert str(backbones.keras_home()) == "/tmp/.keras"


@pytest.mark.parametrize("kind", ["text", "cut", "another", "top"])
def test_unusable_weights_are_an_error_in_one_line(kind, weights, tmp_path):
    path = tmp_path / "given.weights.h5"
    if kind == "text":
        path.write_text("no weights")
    elif kind == "cut":
        path.write_bytes(weights(QUICK).read_bytes()[:1000])
    elif kind == "another":
        layers = [keras.layers.Conv2D(3, 3), keras.layers.BatchNormalization()]
        keras.Sequential([keras.Input((8, 8, 3)), *layers]).save_weights(path)
    else:
        path = tmp_path / "given.h5"
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]).save_weights(
            tmp_path / "a.weights.h5"
        )
        path.write_bytes((tmp_path / "a.weights.h5").read_bytes())
    with pytest.raises(UserError, match="does not hold the weights of MobileNet") as caught:
        pretrained.build_backbone(find_backbone(QUICK, path, SIZE))
    assert "\n" not in str(caught.value)


def test_embeddings_are_computed_once(weights, images, tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(embeddings, "CHUNK", 2)
    monkeypatch.setattr(extraction, "BATCH", 2)
    found = find_backbone(QUICK, weights(QUICK), SIZE)
    lines = []

    def embed():
        return embeddings.embed(found, ArrayImages(images), tmp_path, "own", lines.append)

    first = embed()
    expected = build(found).predict(images, verbose=0)
    assert first.features.dtype == np.float32 and np.allclose(first.features, expected, atol=1e-5)
    assert first.unreadable == {} and in_process == ["extract"]
    assert "central 32×32 pixels" in lines[0] and "5 images" in lines[-1]
    # a second call reads, and one after a kill or damage computes the missing part only
    files = sorted(tmp_path.rglob("*.npz"))
    assert len(files) == 3
    times = [file.stat().st_mtime_ns for file in files]
    assert (embed().features == first.features).all() and in_process == ["extract"]
    files[1].unlink()
    files[2].write_bytes(b"damaged")
    assert (embed().features == first.features).all() and in_process == ["extract"] * 3
    assert files[0].stat().st_mtime_ns == times[0] and all(file.exists() for file in files)


def test_other_images_weights_or_sizes_are_computed_anew(tmp_path, in_process, monkeypatch):
    def extract(found, source, chunks, *_):
        for path, rows in chunks:
            number = np.full((len(rows), 1), len(in_process), np.float32)
            write_chunk(path, number, {}, [])

    def embed(images, weights, size):
        found = find_backbone(QUICK, tmp_path / weights, size)
        source = ArrayImages(np.full((3, 4, 4, 1), images, np.uint8))
        embedded = embeddings.embed(found, source, tmp_path / "cache", "own", str)
        return int(embedded.features[2, 0])

    monkeypatch.setattr(extraction, "extract", extract)
    for name, text in (("a.h5", "one"), ("copy.h5", "one"), ("b.h5", "two")):
        (tmp_path / name).write_text(text)
    assert [embed(0, "a.h5", SIZE), embed(0, "copy.h5", SIZE)] == [1, 1]
    assert [embed(1, "a.h5", SIZE), embed(0, "b.h5", SIZE), embed(0, "a.h5", 64)] == [2, 3, 4]
    assert embed(0, "a.h5", SIZE) == 1


def test_unreadable_images_are_named(weights, images, tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(embeddings, "CHUNK", 2)
    for k, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    (tmp_path / "3.png").write_text("no image")
    (tmp_path / "4.png").unlink()
    found = find_backbone(QUICK, weights(QUICK), SIZE)
    source = FileImages(tmp_path, [f"{k}.png" for k in range(5)])
    for _ in range(2):
        features, unreadable = embeddings.embed(found, source, tmp_path / "cache", "own", str)
        assert [*unreadable] == [3, 4] and "no image of a known format" in unreadable[3]
    expected = build(found).predict(images[:3], verbose=0)
    assert np.allclose(features[:3], expected, atol=1e-5)


def test_almost_black_images_are_a_warning(tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(extraction, "build_backbone", lambda found: keras.Sequential([mean]))
    mean = keras.layers.GlobalAveragePooling2D()
    Image.fromarray(np.full((8, 8), 4095, np.uint16)).save(tmp_path / "12_bits.png")
    (tmp_path / "a.h5").write_text("weights")
    found = find_backbone(QUICK, tmp_path / "a.h5", SIZE)
    source = FileImages(tmp_path, ["12_bits.png"])
    for _ in range(2):
        with pytest.warns(UserWarning, match="almost black"):
            embeddings.embed(found, source, tmp_path / "cache", "own", str)


def test_embeddings_that_are_not_finite_are_an_error(images, tmp_path, in_process, monkeypatch):
    layers = [keras.layers.Rescaling(np.inf), keras.layers.Flatten()]
    damaged = keras.Sequential([keras.Input((SIZE, SIZE, 3)), *layers])
    monkeypatch.setattr(extraction, "build_backbone", lambda found: damaged)
    (tmp_path / "a.h5").write_text("weights")
    found = find_backbone(QUICK, tmp_path / "a.h5", SIZE)
    with pytest.raises(UserError, match="not finite"):
        embeddings.embed(found, ArrayImages(images), tmp_path / "cache", "own", str)
    assert not [*(tmp_path / "cache").rglob("*.npz")]


def test_missing_weights_are_downloaded_before_images_are_read(monkeypatch, tmp_path, in_process):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    downloaded = []
    monkeypatch.setattr(extraction, "download_weights", downloaded.append)
    own = find_backbone(QUICK, None, None)
    embeddings.fetch_weights(own, str)
    assert downloaded == [QUICK]
    backbones.cached_weights(QUICK).parent.mkdir()
    backbones.cached_weights(QUICK).write_text("weights")
    embeddings.fetch_weights(own, str)
    assert downloaded == [QUICK]


@pytest.mark.parametrize(
    "name, weights, size, message",
    [
        (QUICK, None, 31, "at least 32 pixels"),
        (QUICK, "missing.h5", 32, "missing.h5 is not a file"),
        ("dinov2_small", None, 225, "multiples of 14 only, not 225"),
        ("clip_vit_base_patch32", None, 256, "224 only, not 256"),
        ("dinov2_small", "", None, "not a preset folder of keras-hub"),
    ],
)
def test_impossible_backbones_are_errors(name, weights, size, message, monkeypatch, tmp_path):
    monkeypatch.setattr(backbones, "version", lambda package: "0.25")
    weights = None if weights is None else tmp_path / weights
    with pytest.raises(UserError, match=message):
        find_backbone(name, weights, size)


def test_a_missing_keras_hub_is_an_error(monkeypatch):
    def version(package):
        raise backbones.PackageNotFoundError

    monkeypatch.setattr(backbones, "version", version)
    with pytest.raises(UserError, match="dinov2_small needs keras-hub: run `pip install"):
        find_backbone("dinov2_small", None, None)


def tiny_presets(folder):
    """Save small random networks of keras-hub as preset folders, by name of the backbone."""
    keras_hub = pytest.importorskip("keras_hub", reason="needs the package keras-hub")
    size = (backbones.SIZE, backbones.SIZE)
    shared = {"num_layers": 1, "hidden_dim": 16, "num_heads": 2, "intermediate_dim": 16}
    shape = {"image_shape": (*size, 3)}
    dino = keras_hub.models.DINOV2Backbone(14, **shared, **shape)
    encoder = keras_hub.models.CLIPVisionEncoder(32, **shared, **shape)
    texts = keras_hub.models.CLIPTextEncoder(9, 16, **shared, max_sequence_length=5)
    clip = keras_hub.models.CLIPBackbone(encoder, texts, 8)
    found = {"dinov2_small": dino, "clip_vit_base_patch32": clip}
    for name, network in found.items():
        network.save_to_preset(str(folder / name))
        kind = getattr(keras_hub.layers, f"{name[:4].upper()}ImageConverter".replace("O", "OV2", 1))
        kind(size, [0.01, 0.02, 0.03], [0, -1, 1]).save_to_preset(str(folder / name))
    return found


def test_networks_of_keras_hub_scale_images_as_their_preset_says(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    scaled = images * np.float32([0.01, 0.02, 0.03]) + np.float32([0, -1, 1])
    for name, network in tiny_presets(tmp_path).items():
        found = find_backbone(name, tmp_path / name, None)
        if name == "dinov2_small":
            expected = network({"images": scaled})[:, 0]
        else:
            expected = network.get_vision_embeddings(scaled)
        embedded = pretrained.build_backbone(found).predict(images, verbose=0)
        assert np.allclose(embedded, expected, atol=1e-5), name
    (tmp_path / name / "config.json").write_text("{}")
    with pytest.raises(UserError, match="clip_vit_base_patch32 cannot be loaded"):
        pretrained.build_backbone(found)
