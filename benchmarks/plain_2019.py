"""A plain training loop in the style of the 2019 code, the baseline of speed.py.

It uses Keras' stock batch normalisation after convolutions with biases, float images and a Python
generator of augmented batches. INCV calls `predict` on the held-out half twice per epoch.
Co-teaching calls `predict` and `train_on_batch` of both networks for each batch.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from models import create_model
from noisylabels.methods.inputs import MethodInputs
from noisylabels.recipes import Settings


def create_network(inputs: MethodInputs, settings: Settings) -> keras.Model:
    """Return the recipe's network of stock Keras layers, compiled, that outputs probabilities."""
    logits = create_model(
        settings.architecture, inputs.images.shape[1:], inputs.n_classes, stock=True
    )
    model = keras.Model(logits.inputs, keras.layers.Softmax()(logits.outputs[0]))
    model.compile(
        keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8),
        "categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def augmented_batches(
    inputs: MethodInputs, settings: Settings, samples: np.ndarray, batch_size: int
) -> tf.keras.preprocessing.image.NumpyArrayIterator:
    """Return endless augmented batches of float images in [0, 1] and one-hot labels.

    Images have the shape (b, h, w, ch), labels the shape (b, c).
    """
    images = inputs.images[samples] / np.float32(255)
    labels = keras.utils.to_categorical(inputs.labels[samples], inputs.n_classes)
    options = {}
    if settings.augmentation != "none":
        options = {"width_shift_range": 4.0, "height_shift_range": 4.0, "horizontal_flip": True}
    augmentation = tf.keras.preprocessing.image.ImageDataGenerator(**options)
    return augmentation.flow(images, labels, batch_size)


class INCV:
    """Train one network and score the held-out samples."""

    def __init__(
        self, inputs: MethodInputs, settings: Settings, samples: np.ndarray, scored: np.ndarray
    ) -> None:
        self.model = create_network(inputs, settings)
        self.batches = augmented_batches(inputs, settings, samples, inputs.batch_size)
        self.scored = inputs.images[scored] / np.float32(255)

    def train(self) -> None:
        """Train for one epoch."""
        self.model.fit(self.batches, verbose=0)

    def score(self) -> None:
        """Predict the held-out samples twice: for the accuracy and for the selection."""
        for _ in range(2):
            self.model.predict(self.scored, batch_size=128, verbose=0)


class CoTeaching:
    """Train two networks, each on small-loss samples of the other, and score the test images.

    Batches combine samples of the selected set S and of the candidate set C.
    """

    def __init__(
        self, inputs: MethodInputs, settings: Settings, samples: np.ndarray, scored: np.ndarray
    ) -> None:
        candidates = np.flatnonzero(inputs.candidate)
        half = inputs.batch_size // 2
        self.models = [create_network(inputs, settings), create_network(inputs, settings)]
        self.batches = augmented_batches(inputs, settings, samples, inputs.batch_size)
        self.candidates = augmented_batches(inputs, settings, candidates, half)
        self.scored = inputs.images[scored] / np.float32(255)
        self.count = inputs.batch_size

    def train(self) -> None:
        """Train for one epoch."""
        for _ in range(len(self.batches)):
            batches = zip(next(self.batches), next(self.candidates))
            x, y = (np.concatenate(parts) for parts in batches)
            kept = []
            for model in self.models:
                p = model.predict(x, batch_size=len(x), verbose=0)
                losses = -np.log((p * y).sum(axis=1) + 1e-8)
                kept.append(np.argsort(losses)[: self.count])
            for model, chosen in zip(self.models, reversed(kept)):
                model.train_on_batch(x[chosen], y[chosen])

    def score(self) -> None:
        """Predict the test images with both networks."""
        for model in self.models:
            model.predict(self.scored, batch_size=128, verbose=0)
