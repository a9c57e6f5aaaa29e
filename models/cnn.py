"""Plain networks: the paper's CNN9, one for the fast recipe, two for small images."""
import keras
from keras.layers import (
    Dense,
    Flatten,
    GlobalMaxPooling2D,
    Input,
    MaxPooling2D,
    ReLU,
    Rescaling,
)

from models.layers import Whitening, head


def cnn9(layers, input_shape, n_classes):
    """Nine 3x3 convolutions with batch normalisation: 128 x3, 256 x3, 512-256-128, 2x2 max pooling between the groups.

    L2 of 1e-4 on all nine. 2019 pooled globally between the groups, which cannot be built; the rest is as it was there.
    """
    inputs = x = Input(input_shape)
    for group, widths in enumerate([(128, 128, 128), (256, 256, 256), (512, 256, 128)]):
        if group:
            x = MaxPooling2D(2)(x)
        for width in widths:
            x = ReLU()(layers.norm()(layers.conv(width, kernel_regularizer=keras.regularizers.L2(1e-4))(x)))
    return keras.Model(inputs, head(x, n_classes))


def fast_cnn(layers, input_shape, n_classes, widths=(32, 128, 128)):
    """The fast recipe's network: wide and shallow, after a fixed whitening layer.

    Whitening to 24 channels, then three groups [conv, 2x2 max pool, BN, ReLU, conv, BN, ReLU], global max pooling, and
    logits divided by 9. The batch normalisation has a trained shift alone, learned 64 times as fast as the rest.
    Adapted from Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024; widths smaller, for a CPU.
    """
    def norm():
        return layers.norm(scale=False, momentum=.6, epsilon=1e-5, shift_rate=64)

    inputs = Input(input_shape)
    x = ReLU()(Whitening(dtype="float32")(inputs))      # it magnifies small differences of pixels
    for width in widths:
        x = layers.conv(width)(x)
        size = [min(2, side) for side in x.shape[1:3]]
        x = MaxPooling2D(size)(x) if max(size) > 1 else x       # images of 8x8 are down to one pixel by now
        x = ReLU()(norm()(x))
        x = ReLU()(norm()(layers.conv(width)(x)))
    logits = head(x, n_classes, GlobalMaxPooling2D, use_bias=False)
    return keras.Model(inputs, Rescaling(1 / 9, dtype="float32")(logits))


def small_cnn(layers, input_shape, n_classes, widths=(32, 64)):
    """Two convolutions and a pooling in between: enough for images of 8x8 pixels."""
    inputs = x = Input(input_shape)
    for group, width in enumerate(widths):
        if group:
            x = MaxPooling2D(2)(x)
        x = ReLU()(layers.norm(momentum=.9)(layers.conv(width)(x)))
    return keras.Model(inputs, head(x, n_classes))


def mlp(layers, input_shape, n_classes, width=512, depth=3):
    """Fully connected: fits any labels of a few thousand small images, which is what the theory supposes."""
    inputs = Input(input_shape)
    x = Flatten()(inputs)
    for layer in range(depth):
        name = "features" if layer == depth - 1 else None
        x = Dense(width, activation="relu", kernel_initializer="he_normal", name=name)(x)
    return keras.Model(inputs, Dense(n_classes, dtype="float32")(x))
