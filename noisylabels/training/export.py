"""Export networks as plain Keras models from images in 0..255, or embeddings, to probabilities."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from models.layers import BatchNorm, Standardization, Whitening
from noisylabels.data.image_batches import read_batches
from noisylabels.data.image_source import ImageSource
from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import atomic, write_json
from noisylabels.training.device import quiet_stderr

BATCH = 64  # images that a network with a backbone predicts at once
# Names of exported models by the rank of their inputs. They distinguish these models from networks
# that are saved as they are trained.
NAMES = {4: "images_to_probabilities", 2: "embeddings_to_probabilities"}
# With a backbone, for images that are resized with their proportions and cropped to the centre.
CROPPED = "cropped_images_to_probabilities"


def save_inference_model(
    network: keras.Model,
    path: Path,
    classes: Sequence[str],
    flip_tta: bool,
    shift_tta: bool = False,
    backbone: keras.Model | None = None,
) -> None:
    """Save the inference model of a network, and the class names as classes.json next to it.

    Parameters
    ----------
    network, flip_tta, shift_tta
        As for `inference_model`.
    path : Path
        The .keras file to write.
    classes : sequence of str
        Class names in the order of the probabilities. One classes.json serves all models of a
        folder.
    backbone : keras.Model, optional
        Network from images to the embeddings that `network` takes. It becomes part of the model.

    Raises
    ------
    UserError
        If a file cannot be written.
    """
    path = Path(path)
    write_json(path.with_name("classes.json"), list(classes))
    model = inference_model(network, flip_tta, shift_tta)
    if backbone is not None:
        probabilities = model(backbone.outputs[0], training=False)
        model = keras.Model(backbone.inputs[0], probabilities, name=CROPPED)
        model.trainable = False
    with atomic(path) as temporary:
        model.save(temporary)


def load_inference_model(path: Path) -> keras.Model:
    """Load a model that `save_inference_model` wrote.

    `keras.models.load_model` can load it, too, but does not explain what is wrong with a file.

    Raises
    ------
    UserError
        If the file is damaged or contains another kind of model.
    """
    try:
        network = keras.models.load_model(path)
    except Exception as error:  # zipfile, h5py and Keras raise a dozen types for damaged files
        raise UserError(
            f"{path} is damaged or not a Keras model ({type(error).__name__}): give a .keras file "
            "that INCV_main.py saved"
        ) from None
    if network.name not in (*NAMES.values(), CROPPED):
        raise UserError(
            f"{path} is not a model from images to probabilities: it was saved by "
            "an earlier version or another program; save it again with INCV_main.py --overwrite"
        )
    return network


def mean_probabilities(paths: Sequence[Path], images: np.ndarray) -> np.ndarray:
    """Average the predictions of saved inference models.

    Parameters
    ----------
    paths : sequence of Path
        Files that `save_inference_model` wrote.
    images : np.ndarray
        Images, uint8 (n, h, w, ch), or embeddings, float32 (n, d).

    Returns
    -------
    np.ndarray
        Class probabilities, float (n, c).

    Raises
    ------
    UserError
        If a file is damaged or contains another kind of model.
    """
    with quiet_stderr():
        models = [load_inference_model(path) for path in paths]
        if images.ndim == 2:  # embeddings: leave out the backbone that computed them
            models = [model.layers[-1] if model.name == CROPPED else model for model in models]
        return np.mean(
            [model.predict(images, batch_size=256, verbose=0) for model in models], axis=0
        )


def predict_crops(network: keras.Model, source: ImageSource) -> tuple[np.ndarray, dict[int, str]]:
    """Predict images that are resized with their proportions and cropped to the centre.

    The images are streamed, so memory holds a few batches of them.

    Parameters
    ----------
    network : keras.Model
        Model from images, (n, size, size, 3), to class probabilities.
    source : ImageSource
        The n images.

    Returns
    -------
    probabilities : np.ndarray
        Class probabilities of the k readable images, float32 (k, c).
    unreadable : dict
        Reason by position of the other images.
    """
    batches = [range(k, min(k + BATCH, len(source))) for k in range(0, len(source), BATCH)]
    found, unreadable = [], {}
    with quiet_stderr():
        for batch in read_batches(source, batches, network.input_shape[1]):
            readable = [row not in batch.unreadable for row in batch.rows]
            found.append(network.predict_on_batch(batch.images)[readable])
            unreadable |= batch.unreadable
    return np.concatenate(found), unreadable


def inference_model(network: keras.Model, flip_tta: bool, shift_tta: bool = False) -> keras.Model:
    """Convert a network to a model of stock Keras layers that takes unscaled images.

    The model computes in float32 and stays in inference mode, even as part of another network.
    `keras.models.load_model` can load it without this package.

    Parameters
    ----------
    network : keras.Model
        A network of `models.create_model`. Its weights are copied.
    flip_tta, shift_tta : bool
        See `methods.base.Method`.

    Returns
    -------
    keras.Model
        Model from images in 0..255 of any dtype, (n, h, w, ch), or from embeddings (n, d), to class
        probabilities, float32 (n, c).
    """
    stock = keras.models.clone_model(network, clone_function=to_stock_layer)
    for layer, stock_layer in zip(network.layers, stock.layers):
        stock_layer.set_weights(stock_weights(layer))
    stock.trainable = False  # the moving statistics must not change in training mode either
    rank = len(network.input_shape)
    inputs = keras.Input(network.input_shape[1:], name=NAMES[rank].partition("_")[0])
    x = inputs if rank == 2 else inputs / 255

    def logits_of(view: keras.KerasTensor) -> keras.KerasTensor:
        if not flip_tta:
            return stock(view)
        return keras.layers.Average()([stock(view), stock(keras.ops.flip(view, axis=2))])

    logits = logits_of(x)
    if shift_tta:
        padded = keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
        crops = [keras.layers.Cropping2D(((start, 2 - start),) * 2) for start in (0, 2)]
        shifted = keras.layers.Average()([logits_of(crop(padded)) for crop in crops])
        logits = keras.layers.Average()([logits, shifted])
    return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(logits), name=NAMES[rank])


def to_stock_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return the float32 Keras layer that computes the same as a layer of a network.

    Its weights are those of `stock_weights`.
    """
    config = {**layer.get_config(), "dtype": "float32"}
    if isinstance(layer, Whitening):
        normalization = keras.layers.Normalization(
            mean=layer.mean.numpy(), variance=layer.deviation.numpy() ** 2
        )
        convolution = keras.layers.Conv2D(layer.bias.shape[0], 2)
        return keras.Sequential([normalization, convolution], name=layer.name)
    if isinstance(layer, Standardization):
        return keras.layers.BatchNormalization(center=False, epsilon=0, name=layer.name)
    if isinstance(layer, BatchNorm):
        return keras.layers.BatchNormalization.from_config(config)
    return type(layer).from_config(config)


def stock_weights(layer: keras.layers.Layer) -> list[np.ndarray]:
    """Return the weights of `to_stock_layer(layer)`."""
    if isinstance(layer, Whitening):
        return [layer.kernel, layer.bias]
    weights = layer.get_weights()
    if isinstance(layer, Standardization):
        mean, scale = weights
        return [scale, mean, np.ones_like(mean)]  # gamma, moving mean and variance
    return weights
