"""Trained networks as others can use them: of Keras' own layers, from images as they are to probabilities."""
from pathlib import Path

import keras
import numpy as np

from models.layers import BatchNorm, Whitening
from noisylabels.errors import UserError
from noisylabels.runs.files import atomic, write_json
from noisylabels.training.device import quiet_stderr

NAME = "images_to_probabilities"        # of such a network, to be told from one that was saved as it is trained


def save_usable(network, path, classes, mirror):
    """Writes `usable(network, mirror)` to `path`, a .keras, and the names of the classes to classes.json beside it.

    The latter is a list in the order of the probabilities, and serves all networks of the folder.
    Raises UserError for a full disk and the like.
    """
    path = Path(path)
    write_json(path.with_name("classes.json"), list(classes))
    with atomic(path) as temporary:
        usable(network, mirror).save(temporary)


def load_usable(path):
    """The network that `save_usable` wrote. `keras.models.load_model` alone would do; this says what is wrong.

    Raises UserError for a file that is damaged or another kind of network.
    """
    try:
        network = keras.models.load_model(path)
    except Exception as error:                              # zipfile, h5py and Keras raise a dozen kinds, all of damage
        raise UserError(f"{path} is damaged, or no network of Keras ({type(error).__name__}): give a .keras that "
                        "INCV_main.py saved") from None
    if network.name != NAME:
        raise UserError(f"{path} does not take images as they are to probabilities: it is of an earlier version, or of "
                        "other origin; let INCV_main.py --overwrite save it anew")
    return network


def mean_prediction(paths, images):
    """The mean of what networks that `save_usable` wrote predict for images uint8 (n, h, w, ch): float (n, c).

    Raises UserError as `load_usable`.
    """
    with quiet_stderr():
        return np.mean([load_usable(path).predict(images, batch_size=256, verbose=0) for path in paths], axis=0)


def usable(network, mirror):
    """A network that takes images as they are, 0..255, any dtype, (n, h, w, ch), to probabilities float32 (n, c).

    network: one of models.create_model, from pixels in [0, 1] to logits. mirror: as in methods.base.Method, the logits
    are the mean over an image and its mirror image. The weights are copied. It computes in float32, and in inference
    mode even where it is part of another network; once saved, `keras.models.load_model` needs nothing of ours for it.
    """
    plain = keras.models.clone_model(network, clone_function=of_keras)
    for ours, layer in zip(network.layers, plain.layers):
        layer.set_weights(weights_of(ours))
    plain.trainable = False                                 # its statistics stay as they are
    images = keras.Input(network.input_shape[1:], name="images")
    x = images / 255
    logits = plain(x)
    if mirror:
        logits = keras.layers.Average()([logits, plain(keras.ops.flip(x, axis=2))])
    return keras.Model(images, keras.layers.Softmax(name="probabilities")(logits), name=NAME)


def of_keras(layer):
    """The layer of Keras that computes in float32 what a layer of a network does, its weights still to be set."""
    config = {**layer.get_config(), "dtype": "float32"}
    if isinstance(layer, Whitening):
        normalization = keras.layers.Normalization(mean=layer.mean.numpy(), variance=layer.deviation.numpy() ** 2)
        return keras.Sequential([normalization, keras.layers.Conv2D(layer.bias.shape[0], 2)], name=layer.name)
    if isinstance(layer, BatchNorm):
        del config["shift_rate"]
        return keras.layers.BatchNormalization.from_config(config)
    return type(layer).from_config(config)


def weights_of(layer):
    """The weights, a list of arrays, with which `of_keras(layer)` computes what the layer does in inference mode."""
    if isinstance(layer, Whitening):
        return [layer.kernel, layer.bias]
    weights = layer.get_weights()
    if isinstance(layer, BatchNorm):
        weights[int(layer.scale)] *= layer.shift_rate ** .5         # beta, behind gamma if there is one
    return weights
