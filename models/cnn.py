"""Networks without residual connections: CNN9, the fast recipe's CNN, a small CNN and an MLP."""

import keras
from keras.layers import (
    Activation,
    Dense,
    Flatten,
    GlobalMaxPooling2D,
    Input,
    MaxPooling2D,
    ReLU,
    Rescaling,
)

from models.layers import Layers, Whitening, head, set_identity


def cnn9(layers: Layers, input_shape: tuple[int, int, int], n_classes: int) -> keras.Model:
    """Build a network of nine 3×3 convolutions with batch normalisation and ReLU.

    The widths are 128 (three times), 256 (three times), 512, 256 and 128, with 2×2 max pooling
    between the groups. All nine convolutions have an L2 penalty of 1e-4. The authors' 2019 code
    pools globally between the groups, so Keras cannot build its network.

    Source: Chen et al. 2019, published code.
    """
    inputs = x = Input(input_shape)
    for group, widths in enumerate([(128, 128, 128), (256, 256, 256), (512, 256, 128)]):
        if group:
            x = MaxPooling2D(2)(x)
        for width in widths:
            x = layers.conv(width, kernel_regularizer=keras.regularizers.L2(1e-4))(x)
            x = ReLU()(layers.norm()(x))
    return keras.Model(inputs, head(x, n_classes))


def identity_cnn(
    layers: Layers,
    input_shape: tuple[int, int, int],
    n_classes: int,
    widths: tuple[int, ...] = (64, 256, 256),
    activation: str = "gelu",
) -> keras.Model:
    """Build the wide and shallow network of the fast recipe.

    The layers are: whitening with fixed kernels, GELU, three groups [conv, 2×2 max pooling, BN,
    GELU, conv, BN, GELU], global max pooling and a dense layer. Each convolution starts as the
    identity on its first filters. Batch normalisation has a trained shift and no scale. The initial
    weights of the dense layer have a standard deviation of 1. The logits are divided by
    16 sqrt(width), which is 256 for the published width of 256. Narrower networks then learn at the
    same learning rate.

    Source: Jordan, airbench94 with Muon, 2024.
    """
    uniform = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    unit_variance = keras.initializers.RandomUniform(-(3**0.5), 3**0.5)

    def conv(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
        layer = layers.conv(width, kernel_initializer=uniform)
        x = layer(x)
        set_identity(layer.kernel)
        return x

    def norm_activation(x: keras.KerasTensor) -> keras.KerasTensor:
        return Activation(activation)(layers.norm(scale=False, momentum=0.6, epsilon=1e-5)(x))

    inputs = Input(input_shape)
    # Whitening amplifies small differences between pixels, which bfloat16 would lose.
    x = Activation(activation)(Whitening(dtype="float32")(inputs))
    for width in widths:
        x = conv(x, width)
        pool_size = [min(2, side) for side in x.shape[1:3]]
        if max(pool_size) > 1:  # images of 8×8 pixels have shrunk to one pixel in the last group
            x = MaxPooling2D(pool_size)(x)
        x = norm_activation(x)
        x = norm_activation(conv(x, width))
    logits = head(
        x, n_classes, GlobalMaxPooling2D, use_bias=False, kernel_initializer=unit_variance
    )
    return keras.Model(inputs, Rescaling(1 / (16 * widths[-1] ** 0.5), dtype="float32")(logits))


def small_cnn(
    layers: Layers,
    input_shape: tuple[int, int, int],
    n_classes: int,
    widths: tuple[int, ...] = (32, 64),
) -> keras.Model:
    """Build a network of 3×3 convolutions with 2×2 max pooling between them, for small images."""
    inputs = x = Input(input_shape)
    for group, width in enumerate(widths):
        if group:
            x = MaxPooling2D(2)(x)
        x = ReLU()(layers.norm(momentum=0.9)(layers.conv(width)(x)))
    return keras.Model(inputs, head(x, n_classes))


def mlp(
    layers: Layers,
    input_shape: tuple[int, int, int],
    n_classes: int,
    width: int = 512,
    depth: int = 3,
) -> keras.Model:
    """Build a fully connected network of `depth` hidden ReLU layers.

    It can fit any labels of a few thousand small images, as the paper's theory assumes.
    """
    inputs = Input(input_shape)
    x = Flatten()(inputs)
    for layer in range(depth):
        name = "features" if layer == depth - 1 else None
        x = Dense(width, activation="relu", kernel_initializer="he_normal", name=name)(x)
    return keras.Model(inputs, Dense(n_classes, dtype="float32")(x))
