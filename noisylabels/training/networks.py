"""The networks of a training: by architecture, or by a function of the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras

from models import create_model
from noisylabels.errors import UserError
from noisylabels.training.device import dtype_policy

if TYPE_CHECKING:
    from noisylabels.methods.inputs import MethodInputs
    from noisylabels.recipes import Settings


def create_network(
    inputs: MethodInputs,
    settings: Settings,
    build: Callable[[tuple[int, ...], int], keras.Model] | None = None,
) -> keras.Model:
    """Create an untrained network for the images of a method.

    Parameters
    ----------
    inputs : MethodInputs
        The training data.
    settings : Settings
        Architecture and precision.
    build : callable, optional
        ``build(input_shape, n_classes)`` returns the network in place of the architecture.

    Raises
    ------
    UserError
        `build` fails, or returns another kind of network.
    """
    shape, n_classes = inputs.images.shape[1:], inputs.n_classes
    if build is not None:
        return _built(build, shape, n_classes)
    precision = dtype_policy(settings.precision)
    network = create_model(settings.architecture, shape, n_classes, precision=precision)
    for layer in network.layers:
        if hasattr(layer, "adapt"):
            layer.adapt(inputs.images)
    return network


def _built(
    build: Callable[[tuple[int, ...], int], keras.Model], shape: tuple[int, ...], n_classes: int
) -> keras.Model:
    """Return the network that `build` creates; UserError if it cannot be trained."""
    try:
        network = build(shape, n_classes)
    except Exception as error:
        raise UserError(f"build{(shape, n_classes)}: {type(error).__name__}: {error}") from error
    if not isinstance(network, keras.Model):
        raise UserError(f"build returns {type(network).__name__}: return a keras.Model")
    found = getattr(network, "input_shape", None), getattr(network, "output_shape", None)
    if found != ((None, *shape), (None, n_classes)):
        raise UserError(
            f"build returns a network from {found[0]} to {found[1]}: return one from "
            f"{(None, *shape)} to {(None, n_classes)}"
        )
    last = network.layers[-1]
    is_softmax = getattr(last, "activation", None) is keras.activations.softmax
    if is_softmax or isinstance(last, keras.layers.Softmax):
        raise UserError("build returns a network that ends with softmax: return logits")
    return network
