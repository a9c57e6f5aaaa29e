"""Which network a command line uses: a pretrained backbone, or one trained from scratch."""

from argparse import Namespace

import numpy as np
import pytest

from noisylabels import backbones
from noisylabels.data import is_path
from noisylabels.errors import UserError
from noisylabels.pipeline import backbone as choice

FLAGS = {
    "backbone": None,
    "backbone_weights": None,
    "image_size": None,
    "features": None,
    "recipe": None,
    "architecture": None,
    "augmentation": None,
    "no_mirror": False,
}


@pytest.fixture
def choose(tmp_path, monkeypatch):
    """Return a function that calls `choose_backbone`; Keras has the default weights."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(choice, "fetch_weights", lambda backbone, report: report("fetched"))
    path = backbones.cached_weights(backbones.DEFAULT)
    path.parent.mkdir(parents=True)
    path.write_text("weights")
    (tmp_path / "photos").mkdir()

    def choose(dataset=None, **flags):
        lines = []
        dataset = str(tmp_path / "photos" if dataset is None else dataset)
        args = Namespace(**{**FLAGS, **flags, "dataset": dataset})
        return choice.choose_backbone(args, is_path(dataset), lines.append), lines

    choose.weights = path
    return choose


def test_default_is_the_backbone_whose_weights_exist(choose):
    found, (why, _) = choose()
    assert (found.name, found.size) == ("EfficientNetV2B0", 224)
    assert found.weights == str(choose.weights)
    assert (
        why.startswith("photos: the pretrained network EfficientNetV2B0")
        and str(choose.weights) in why
    )


def test_default_is_from_scratch_without_weights(choose):
    choose.weights.unlink()
    found, (why,) = choose()
    assert found is None and f"are not in {choose.weights}" in why
    assert "trained from scratch" in why and "--backbone EfficientNetV2B0 downloads them" in why


@pytest.mark.parametrize(
    "flags, why",
    [({"recipe": "fast"}, "recipe"), ({"augmentation": "flip"}, "augmentation")]
    + [({"no_mirror": True}, "no_mirror"), ({"architecture": "ResNet32"}, "architecture")],
)
def test_flags_of_trained_networks_choose_them(flags, why, choose):
    found, lines = choose(**flags)
    assert found is None
    assert lines == [f"photos: networks are trained from scratch, because --{why} is given"]
    assert choose(**flags, backbone="MobileNet")[0].name == "MobileNet"


def test_flag_decides_without_a_line(choose):
    assert choose(backbone="none") == (None, [])
    found, lines = choose(backbone="MobileNet", image_size=128, recipe="features")
    assert (found.name, found.size, lines) == ("MobileNet", 128, ["fetched"])


def test_other_data_has_no_default_backbone(choose, tmp_path):
    np.savez(tmp_path / "embedded.npz", x=np.zeros((4, 3), np.float32), y=[0, 1, 0, 1])
    np.savez(tmp_path / "images.npz", x=np.zeros((4, 8, 8), np.uint8), y=[0, 1, 0, 1])
    for dataset in ("digits", "cifar10", tmp_path / "embedded.npz"):
        assert choose(dataset) == (None, [])
    assert choose(features="photos.npy") == (None, [])
    assert choose(tmp_path / "images.npz")[0].name == "EfficientNetV2B0"
    for flags in ({"features": "photos.npy"}, {"dataset": tmp_path / "embedded.npz"}):
        with pytest.raises(UserError, match="it applies to images"):
            choose(**flags, backbone="MobileNet")
