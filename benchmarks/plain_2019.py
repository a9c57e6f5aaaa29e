"""The plain loop in the manner of 2019, for speed.py to hold the suite against; nothing else uses it.

Keras' stock batch normalisation and biases before it, float images, a Python generator of augmented batches, `predict`
of the held-out half twice an epoch, and for Co-teaching `predict` and `train_on_batch` of both networks for each batch.
"""
import keras
import numpy as np
import tensorflow as tf

from models import create_model


def network(inputs, settings):
    """The recipe's network of Keras' own layers, compiled, with probabilities as its output."""
    logits = create_model(settings.architecture, inputs.images.shape[1:], inputs.n_classes, stock=True)
    model = keras.Model(logits.inputs, keras.layers.Softmax()(logits.outputs[0]))
    model.compile(keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8), "categorical_crossentropy",
                  metrics=["accuracy"])
    return model


def generator(inputs, settings, samples, batch_size):
    """Endless augmented batches: float images (n, h, w, ch) in [0, 1] and one-hot labels (n, c)."""
    images = inputs.images[samples] / np.float32(255)
    options = {"width_shift_range": 4., "height_shift_range": 4., "horizontal_flip": True}
    augmentation = tf.keras.preprocessing.image.ImageDataGenerator(**options if settings.augmentation != "none" else {})
    return augmentation.flow(images, keras.utils.to_categorical(inputs.labels[samples], inputs.n_classes), batch_size)


class INCV:
    """Trains on some samples and scores the held-out ones."""

    def __init__(self, inputs, settings, samples, scored):
        self.model = network(inputs, settings)
        self.batches = generator(inputs, settings, samples, inputs.batch_size)
        self.scored = inputs.images[scored] / np.float32(255)

    def train(self):
        self.model.fit(self.batches, verbose=0)

    def score(self):
        for _ in range(2):                          # once for the accuracy, once for the selection
            self.model.predict(self.scored, batch_size=128, verbose=0)


class CoTeaching:
    """Trains two networks on S and C, each on what the other finds easy, and scores the test images."""

    def __init__(self, inputs, settings, samples, scored):
        candidates, half = np.flatnonzero(inputs.candidate), inputs.batch_size // 2
        self.models = [network(inputs, settings), network(inputs, settings)]
        self.batches = generator(inputs, settings, samples, inputs.batch_size)
        self.candidates = generator(inputs, settings, candidates, half)
        self.scored, self.count = inputs.images[scored] / np.float32(255), inputs.batch_size

    def train(self):
        for _ in range(len(self.batches)):
            x, y = (np.concatenate(parts) for parts in zip(next(self.batches), next(self.candidates)))
            kept = []
            for model in self.models:
                p = model.predict(x, batch_size=len(x), verbose=0)
                kept.append(np.argsort(-np.log((p * y).sum(axis=1) + 1e-8))[:self.count])
            for model, chosen in zip(self.models, reversed(kept)):
                model.train_on_batch(x[chosen], y[chosen])

    def score(self):
        for model in self.models:
            model.predict(self.scored, batch_size=128, verbose=0)
