"""Pretrained networks as Keras models from images to embeddings."""

import socket
from importlib import import_module
from typing import Any

import keras
import numpy as np

from noisylabels.backbones import APPLICATIONS, PRESETS, SIZE, Backbone, cached_weights
from noisylabels.errors import UserError
from noisylabels.training.device import quiet_stderr

TIMEOUT = 30  # seconds in which a server must answer


def build_backbone(backbone: Backbone) -> keras.Model:
    """Build a pretrained network with its own preprocessing.

    Parameters
    ----------
    backbone
        Name, weights and image size.

    Returns
    -------
    keras.Model
        Model from images in 0..255, (n, size, size, 3), to embeddings, float32 (n, d). It stays in
        inference mode.

    Raises
    ------
    UserError
        The weights are damaged, those of another network, or cannot be downloaded.
    """
    shape = (backbone.size, backbone.size, 3)
    images = keras.Input(shape, name="images")
    if backbone.name in PRESETS:
        embeddings = _preset_embeddings(backbone, images)
    else:
        embeddings = _application_embeddings(backbone, images)
    model = keras.Model(images, embeddings, name=backbone.name)
    model.trainable = False
    return model


def download(name: str) -> None:
    """Download Keras's own weights of a network of `APPLICATIONS` into its cache, and verify them.

    Raises
    ------
    UserError
        The download fails.
    """
    path = cached_weights(name)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        _application(name, (SIZE, SIZE, 3), "imagenet")
    except Exception as error:  # of the network, the disk or a wrong checksum
        raise UserError(
            f"argument --backbone: the weights of {name} cannot be downloaded ({_reason(error)}): "
            f"put the file {path.name} into {path.parent}, or give it as --backbone_weights"
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)


def _application(name: str, shape: tuple[int, int, int], weights: str | None) -> keras.Model:
    """Build a network of `keras.applications` without its top."""
    with quiet_stderr():
        return getattr(keras.applications, name)(
            include_top=False, pooling="avg", input_shape=shape, weights=weights
        )


def _application_embeddings(backbone: Backbone, images: keras.KerasTensor) -> keras.KerasTensor:
    """Return the embeddings of images by a network of `keras.applications`."""
    network = _application(backbone.name, images.shape[1:], None)
    try:
        network.load_weights(backbone.weights)
    except Exception as error:  # h5py and Keras raise a dozen types
        raise UserError(
            f"argument --backbone_weights: {backbone.weights} does not hold the weights of "
            f"{backbone.name} without its top ({_reason(error)}): give such a file, named "
            f"*.weights.h5 or *.h5, for example Keras's own, {APPLICATIONS[backbone.name].weights}"
        ) from None
    if APPLICATIONS[backbone.name].scaled:
        images = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    return network(images, training=False)


def _preset_embeddings(backbone: Backbone, images: keras.KerasTensor) -> keras.KerasTensor:
    """Return the embeddings of images by DINOv2, or by the image half of CLIP, of keras-hub."""
    keras_hub = import_module("keras_hub")
    is_clip = backbone.name.startswith("clip")
    kind = keras_hub.models.CLIPBackbone if is_clip else keras_hub.models.DINOV2Backbone
    sized = {} if is_clip else {"image_shape": tuple(images.shape[1:])}
    try:
        with quiet_stderr():
            network = kind.from_preset(backbone.weights, **sized)
            converter = keras_hub.layers.ImageConverter.from_preset(backbone.weights)
    except Exception as error:  # of the network, the disk or a damaged preset
        raise UserError(
            f"argument --backbone: {backbone.name} cannot be loaded from {backbone.weights} "
            f"({_reason(error)}): give its preset folder as --backbone_weights"
        ) from None
    images = keras.layers.Rescaling(
        _plain(converter.scale, 1.0), offset=_plain(converter.offset, 0.0)
    )(images)
    if is_clip:
        return network.get_vision_embeddings(images)
    return network({"images": images})[:, 0]  # the class token


def _plain(value: Any, default: float) -> float | list[float]:
    """Return a number, or a list of one per channel."""
    return default if value is None else np.asarray(value, float).tolist()


def _reason(error: Exception) -> str:
    """Return the beginning of the message of an error in one line."""
    lines = str(error).split("\n")
    first = next((line.strip() for line in lines if line.strip()), type(error).__name__)
    return first[:200].rstrip(".")
