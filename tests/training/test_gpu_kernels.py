"""Every operation of a step and of a prediction has a GPU kernel.

The CPU does an operation without one, which first copies its whole input from the GPU.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels
from toys import inputs_for, toy

from noisylabels.errors import UserError
from noisylabels.methods import METHODS, method_class
from noisylabels.recipes import RECIPES
from noisylabels.training import device, trainer
from noisylabels.training.device import as_tensor
from noisylabels.training.steps import compile_steps

pytestmark = [
    pytest.mark.runs,
    pytest.mark.skipif(not tf.test.is_built_with_cuda(), reason="this TensorFlow knows no GPU"),
]


@functools.cache
def kernels_of(op):
    return [*kernels.get_registered_kernels_for_op(op).kernel]


def has_kernel(node):
    """Return whether a node's operation has a GPU kernel for its types; functions need none."""

    def fits(kernel):
        return kernel.device_type in ("GPU", "DEFAULT") and all(
            node.attr[c.name].type in (0, *c.allowed_values.list.type) for c in kernel.constraint
        )

    return not kernels_of(node.op) or any(map(fits, kernels_of(node.op)))


def without_kernel(function):
    """Return {operation: types} of a tf.function's graph that have no GPU kernel."""
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for part in graph.library.function for node in part.node_def)]
    assert "GatherV2" in {node.op for node in nodes}
    return {
        node.op: [tf.as_dtype(value.type).name for value in node.attr.values() if value.type]
        for node in nodes
        if not has_kernel(node)
    }


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(device.tf.config, "get_visible_devices", lambda kind: ["a GPU"])


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_gpu_kernels(name, as_on_a_gpu):
    method = toy(name)
    method.begin_epoch(0, [], 0)
    schedule = {key: tf.constant(value) for key, value in method.schedule(0).items()}
    assert without_kernel(compile_steps(method, "none", schedule)) == {}
    assert without_kernel(method._predict[0]) == {}


@pytest.mark.parametrize("recipe", ["fast", pytest.param("paper", marks=pytest.mark.slow)])
def test_networks_and_augmentations_have_gpu_kernels(recipe, as_on_a_gpu, monkeypatch):
    """Use bfloat16 if the recipe does."""
    monkeypatch.setattr(device, "computes_bfloat16", lambda: True)
    settings = RECIPES[recipe]["main"]
    inputs = inputs_for("standard", np.zeros((12, 8, 8, 3), np.uint8))
    method = trainer.build_method(method_class("standard"), inputs, settings, 0, "INCV")
    assert without_kernel(compile_steps(method, settings.augmentation, {})) == {}
    assert without_kernel(method._predict[0]) == {}


def test_gather_of_bytes_has_no_gpu_kernel():
    """On a GPU, images are therefore not stored as bytes. The check above finds this."""
    assert without_kernel(toy("standard")._predict[0]).keys() == {"GatherV2"}


def test_images_on_a_gpu_equal_those_on_a_cpu(as_on_a_gpu):
    method = toy("standard")
    images = method.inputs.images
    assert as_tensor(images).dtype == tf.float16 and (as_tensor(images).numpy() == images).all()


def test_too_little_memory_for_the_images_is_one_error(monkeypatch):
    def fails():
        raise tf.errors.InternalError(
            None, None, "Failed copying input tensor: Dst tensor is not initialized."
        )

    images = toy("standard").inputs.images
    monkeypatch.setattr(device, "image_type", fails)
    with pytest.raises(
        UserError,
        match="--gpu_id: the device has too little memory for 12 images of 4 bytes; give smaller",
    ):
        as_tensor(images)
