"""Residual networks, version 1 (He et al. 2015) and version 2 (He et al. 2016)."""

import keras
from keras.layers import Add, Input, ReLU

from models.layers import Layers, head


def resnet_v1(
    layers: Layers,
    input_shape: tuple[int, int, int],
    n_classes: int,
    n: int = 5,
    widths: tuple[int, ...] = (16, 32, 64),
) -> keras.Model:
    """Build a residual network of depth 6n + 2.

    It has three stages of n blocks [conv-BN-ReLU-conv-BN + shortcut, ReLU]. n = 5 is ResNet-32.
    The convolutions of blocks and projections have an L2 penalty of 1e-4; the first convolution
    and the dense layer have none.

    Source: He et al., "Deep residual learning for image recognition", 2015.
    """

    def conv(width: int, size: int, stride: int) -> keras.layers.Layer:
        penalty = keras.regularizers.L2(1e-4)
        return layers.conv(width, size, strides=stride, kernel_regularizer=penalty)

    inputs = Input(input_shape)
    x = ReLU()(layers.norm()(layers.conv(16)(inputs)))
    for stage, width in enumerate(widths):
        for block in range(n):
            stride = 2 if stage > 0 and block == 0 else 1
            y = ReLU()(layers.norm()(conv(width, 3, stride)(x)))
            y = layers.norm()(conv(width, 3, 1)(y))
            if stride > 1 or x.shape[-1] != width:
                x = layers.norm()(conv(width, 1, stride)(x))
            x = ReLU()(Add()([x, y]))
    return keras.Model(inputs, head(x, n_classes))


def resnet_v2(
    layers: Layers,
    input_shape: tuple[int, int, int],
    n_classes: int,
    n: int = 12,
    variance: float = 2.0,
) -> keras.Model:
    """Build a pre-activation residual network of depth 9n + 2.

    It has three stages of n bottleneck blocks [BN-ReLU-conv1, BN-ReLU-conv3, BN-ReLU-conv1 +
    shortcut]. n = 12 is ResNet-110, n = 18 ResNet-164. As in 2019, there is no L2 penalty.

    Parameters
    ----------
    layers, input_shape, n_classes
        See `models.create_model`.
    n : int
        Blocks per stage.
    variance : float
        Variance of the initial weights times the number of inputs of a filter. He's value is 2.

    Returns
    -------
    keras.Model
        Network from images (n, *input_shape) to logits (n, n_classes).

    Source: He et al., "Identity mappings in deep residual networks", 2016, as in the CIFAR-10
    example of Keras.
    """

    def initializer() -> keras.initializers.Initializer:
        return keras.initializers.VarianceScaling(variance, "fan_in", "truncated_normal")

    def conv(filters: int, size: int, stride: int = 1) -> keras.layers.Layer:
        return layers.conv(filters, size, strides=stride, kernel_initializer=initializer())

    inputs = Input(input_shape)
    x = ReLU()(layers.norm()(conv(16, 3)(inputs)))
    width_in = 16
    for stage in range(3):
        width_out = 64 if stage == 0 else 2 * width_in
        for block in range(n):
            stride = 2 if stage > 0 and block == 0 else 1
            y = x
            if (stage, block) != (0, 0):  # the first block's input is already activated
                y = ReLU()(layers.norm()(x))
            y = ReLU()(layers.norm()(conv(width_in, 1, stride)(y)))
            y = ReLU()(layers.norm()(conv(width_in, 3)(y)))
            y = conv(width_out, 1)(y)
            if block == 0:
                x = conv(width_out, 1, stride)(x)
            x = Add()([x, y])
        width_in = width_out
    x = ReLU()(layers.norm()(x))
    return keras.Model(inputs, head(x, n_classes, kernel_initializer=initializer()))
