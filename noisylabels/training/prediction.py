"""Compiled predictions in inference mode, with test-time augmentation."""

from collections.abc import Callable

import keras
import tensorflow as tf

from noisylabels.training.augmentation import diagonal_shifts, scale
from noisylabels.training.device import stored_type

# Batch size of predictions: activations fit into the cache of a CPU core, or keep a GPU busy.
PREDICTION_BATCH = {"CPU": 64, "GPU": 256}


def prediction_batch_size() -> int:
    """Return the batch size of predictions on this device. Call after `start_tensorflow`."""
    return PREDICTION_BATCH["GPU" if tf.config.get_visible_devices("GPU") else "CPU"]


def compile_prediction(
    network: keras.Model, flip_tta: bool, shift_tta: bool
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Compile the predictions of a network, once for any number of images.

    Parameters
    ----------
    network : keras.Model
        Network from images in [0, 1], or embeddings, to logits.
    flip_tta, shift_tta : bool
        See `methods.base.Method`.

    Returns
    -------
    callable
        Function of images (m, h, w, ch), see `training.device.as_tensor`, and of batches of
        indices, int32 (k, `prediction_batch_size()`), to class probabilities, float32 (k, batch
        size, c).
    """

    def logits_of(x: tf.Tensor) -> tf.Tensor:
        logits = network(x, training=False)
        if flip_tta:
            logits = (logits + network(tf.reverse(x, [2]), training=False)) / 2
        return logits

    def predict_batch(images: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        x = scale(tf.gather(images, indices))
        logits = logits_of(x)
        if shift_tta:
            shifted = [logits_of(view) for view in diagonal_shifts(x)]
            logits = logits / 2 + tf.add_n(shifted) / 4
        return tf.nn.softmax(logits)

    shape = network.input_shape[1:]
    signature = [
        tf.TensorSpec([None, *shape], stored_type(shape)),
        tf.TensorSpec([None, prediction_batch_size()], tf.int32),
    ]

    @tf.function(input_signature=signature, autograph=False)
    def predict_batches(images: tf.Tensor, batches: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda indices: predict_batch(images, indices),
            batches,
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )

    return predict_batches
