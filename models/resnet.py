"""Residual networks: version 1 (He et al. 2015) and version 2 (He et al. 2016, pre-activation bottlenecks)."""
import keras
from keras.layers import Add, Input, ReLU

from models.layers import head


def resnet_v1(layers, input_shape, n_classes, n=5, widths=(16, 32, 64)):
    """Three stages of n blocks [conv-BN-ReLU-conv-BN + shortcut, ReLU]: n = 5 is ResNet-32, depth 6n + 2.

    L2 of 1e-4 on the convolutions of blocks and projections, not on stem, batch normalisation or last layer.
    """
    def conv(width, size, stride):
        return layers.conv(width, size, strides=stride, kernel_regularizer=keras.regularizers.L2(1e-4))

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


def resnet_v2(layers, input_shape, n_classes, n=12, variance=2.):
    """Three stages of n bottleneck blocks [BN-ReLU-conv1, BN-ReLU-conv3, BN-ReLU-conv1 + shortcut], depth 9n + 2.

    n = 12 is ResNet-110, n = 18 ResNet-164; He normal initial weights and, as in 2019, no L2.
    variance: of the initial weights, times the inputs of a filter; 2 is He's.
    """
    def normal():
        return keras.initializers.VarianceScaling(variance, "fan_in", "truncated_normal")

    def conv(filters, size, stride=1):
        return layers.conv(filters, size, strides=stride, kernel_initializer=normal())

    inputs = Input(input_shape)
    x = ReLU()(layers.norm()(conv(16, 3)(inputs)))
    width_in = 16
    for stage in range(3):
        width_out = 64 if stage == 0 else 2 * width_in
        for block in range(n):
            stride = 2 if stage > 0 and block == 0 else 1
            y = x if stage == block == 0 else ReLU()(layers.norm()(x))       # the stem has just been activated
            y = ReLU()(layers.norm()(conv(width_in, 1, stride)(y)))
            y = ReLU()(layers.norm()(conv(width_in, 3)(y)))
            y = conv(width_out, 1)(y)
            if block == 0:
                x = conv(width_out, 1, stride)(x)
            x = Add()([x, y])
        width_in = width_out
    x = ReLU()(layers.norm()(x))
    return keras.Model(inputs, head(x, n_classes, kernel_initializer=normal()))
