"""Pretrained networks with random weights, built once, without child processes."""

import functools
from importlib import import_module

import keras
import numpy as np

from noisylabels.backbones import embeddings
from noisylabels.training import backbone as pretrained
from noisylabels.training import extraction

SIZE = 32
QUICK = "MobileNet"


def application(name, size=SIZE):
    """Return a network as a user of Keras builds it."""
    shape = (size, size, 3)
    return getattr(keras.applications, name)(
        include_top=False, pooling="avg", input_shape=shape, weights=None
    )


def save_weights(path, name=QUICK):
    """Save random weights that keep the scale of images; return the path."""
    network, rng = application(name), np.random.default_rng(0)
    for weight in network.weights:
        if weight.name.endswith("kernel"):
            *inputs, outputs = weight.shape
            fan = np.prod(inputs) if outputs > 1 else np.prod(inputs[:2])
            weight.assign(rng.normal(0, (4 / fan) ** 0.5, weight.shape))
    network.save_weights(path)
    return path


build = functools.cache(pretrained.build_backbone)


def without_children(monkeypatch):
    """Let child processes of the extraction run in this one; return the functions called."""
    called = []

    def call(module, function, *arguments, report):
        called.append(function)
        getattr(import_module(module), function)(*arguments, report)

    monkeypatch.setattr(embeddings, "call_in_child", call)
    monkeypatch.setattr(extraction, "start_tensorflow", lambda *_, **__: None)
    monkeypatch.setattr(extraction, "build_backbone", build)
    return called
