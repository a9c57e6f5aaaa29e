"""Heads on embeddings (n, d), which are standardised inside the network."""

import keras
from keras.layers import Dense, Dropout, Input

from models.layers import Layers, Standardization


def linear(layers: Layers, input_shape: tuple[int], n_classes: int) -> keras.Model:
    """Build softmax regression."""
    inputs = Input(input_shape)
    x = Standardization(name="features", dtype="float32")(inputs)
    return keras.Model(inputs, Dense(n_classes, dtype="float32")(x))


def mlp(
    layers: Layers,
    input_shape: tuple[int],
    n_classes: int,
    width: int = 512,
    dropout: float = 0.5,
) -> keras.Model:
    """Build a network of one hidden ReLU layer with dropout."""
    inputs = Input(input_shape)
    x = Standardization(dtype="float32")(inputs)
    x = Dense(width, activation="relu", kernel_initializer="he_normal")(x)
    x = Dropout(dropout, name="features")(x)
    return keras.Model(inputs, Dense(n_classes, dtype="float32")(x))
