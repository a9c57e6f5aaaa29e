"""Pretrained backbones by name, and where their weights are. This module needs no TensorFlow.

To add one of `keras.applications`, add a line to `APPLICATIONS`; one of keras-hub, to `PRESETS`.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from noisylabels.errors import UserError
from noisylabels.runs.comparison import file_digest


class Application(NamedTuple):
    """A network of `keras.applications`."""

    weights: str  # name of the file of Keras's own weights without the top, at 224 pixels
    scaled: bool  # it expects pixels in [-1, 1]; otherwise it scales them itself


class Preset(NamedTuple):
    """A network of keras-hub."""

    multiple: int  # the image size must be a multiple of this
    fixed: bool = False  # other sizes than 224 are not possible


APPLICATIONS = {
    "EfficientNetV2B0": Application("efficientnetv2-b0_notop.h5", False),
    "MobileNetV3Large": Application("weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", False),
    "ConvNeXtTiny": Application("convnext_tiny_notop.h5", False),
    "ResNet50V2": Application("resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", True),
    "MobileNet": Application("mobilenet_1_0_224_tf_no_top.h5", True),
}
PRESETS = {
    "dinov2_small": Preset(14),
    "dinov2_base": Preset(14),
    "clip_vit_base_patch32": Preset(32, fixed=True),
    "clip_vit_base_patch16": Preset(16, fixed=True),
}
DEFAULT = "EfficientNetV2B0"
NONE = "none"  # value of --backbone for networks that are trained from scratch
NAMES = (*APPLICATIONS, *PRESETS)
SIZE = 224  # default side in pixels of the images
MIN_SIZE = 32  # of keras.applications


@dataclass(frozen=True)
class Backbone:
    """A pretrained network that turns images into embeddings."""

    name: str
    weights: str  # a file, a preset folder of keras-hub, or the name of a preset
    size: int  # side of the images in pixels

    @cached_property
    def digest(self) -> str:
        """Identify the weights by 16 hexadecimal digits."""
        path = Path(self.weights)
        if not path.exists():  # a preset, which keras-hub downloads; its releases update presets
            text = f"{self.weights} keras-hub {version('keras-hub')}"
            return hashlib.sha256(text.encode()).hexdigest()[:16]
        if path.is_file():
            return file_digest(path)
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        text = " ".join(f"{file.relative_to(path)} {file_digest(file)}" for file in files)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def identity(self) -> dict[str, Any]:
        """Plain values that identify the embeddings in the record of a run."""
        return {
            "backbone": self.name,
            "backbone_weights": self.digest,
            "backbone_size": self.size,
        }

    def __str__(self) -> str:
        return f"{self.name} with the weights {self.weights}"


def keras_home() -> Path:
    """Return the folder in which Keras caches files, without importing Keras."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"])
    home = os.path.expanduser("~")
    return Path(home if os.access(home, os.W_OK) else "/tmp", ".keras")


def cached_weights(name: str) -> Path:
    """Return where Keras caches its own weights of a network of `APPLICATIONS`."""
    return keras_home() / "models" / APPLICATIONS[name].weights


def find_backbone(name: str, weights: Path | None, image_size: int | None) -> Backbone:
    """Return a backbone by its name. The file of Keras's own weights may still be missing.

    Parameters
    ----------
    name
        One of `NAMES`.
    weights
        File of weights, or preset folder for a network of `PRESETS`. By default Keras's own.
    image_size
        Side of the resized and cropped images in pixels. By default 224.

    Raises
    ------
    UserError
        The weights are missing, the network does not take this size, or keras-hub is missing.
    """
    size = image_size or SIZE
    if name in APPLICATIONS:
        if size < MIN_SIZE:
            raise UserError(
                f"argument --image_size: {name} needs images of at least {MIN_SIZE} pixels per side"
            )
        if weights and not weights.is_file():
            raise UserError(
                f"argument --backbone_weights: {weights} is not a file: give the weights of {name} "
                "without its top, as Keras saves them"
            )
        return Backbone(name, str(weights or cached_weights(name)), size)
    _check_preset(name, weights, size)
    return Backbone(name, str(weights or name), size)


def _check_preset(name: str, weights: Path | None, size: int) -> None:
    """Raise UserError if a network of keras-hub cannot be loaded, or does not take this size."""
    try:
        version("keras-hub")
    except PackageNotFoundError:
        raise UserError(
            f"argument --backbone: {name} needs keras-hub: run `pip install keras-hub`, or "
            f"give one of {', '.join(APPLICATIONS)}"
        ) from None
    preset = PRESETS[name]
    if size % preset.multiple or (preset.fixed and size != SIZE):
        sizes = f"{SIZE} only" if preset.fixed else f"multiples of {preset.multiple} only"
        raise UserError(f"argument --image_size: {name} takes {sizes}, not {size}")
    if weights and not (weights / "config.json").is_file():
        raise UserError(
            f"argument --backbone_weights: {weights} is not a preset folder of keras-hub with a "
            f"config.json: give a preset folder of {name}"
        )
