"""Network architectures by name.

To add one, write a function `build(layers, input_shape, n_classes)` in a module of this package
and add a line to `ARCHITECTURES`. Name the input of the last dense layer "features", and use only
layer types that `noisylabels.training.export` can convert.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# Keras 2.1.6 truncates he_normal at two standard deviations and does not correct the variance.
# The standard deviation of the weights is therefore 0.880 of the nominal one.
VARIANCE_2019 = 2 * 0.87962566103423978**2

# name: (module, function, further arguments of the function)
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ResNet32": ("resnet", "resnet_v1", {"n": 5}),
    "ResNet110": ("resnet", "resnet_v2", {"n": 12}),
    "ResNet164": ("resnet", "resnet_v2", {"n": 18}),
    "ResNet110-2019": ("resnet", "resnet_v2", {"n": 12, "variance": VARIANCE_2019}),
    "ResNet164-2019": ("resnet", "resnet_v2", {"n": 18, "variance": VARIANCE_2019}),
    "WRN-28-10": ("resnet", "resnet_v1", {"n": 9, "widths": (160, 320, 640)}),
    "CNN9": ("cnn", "cnn9", {}),
    "IdentityCNN16": ("cnn", "identity_cnn", {"widths": (16, 64, 64)}),
    "IdentityCNN24": ("cnn", "identity_cnn", {"widths": (24, 96, 96)}),
    "IdentityCNN32": ("cnn", "identity_cnn", {"widths": (32, 128, 128)}),
    "IdentityCNN64": ("cnn", "identity_cnn", {"widths": (64, 256, 256)}),  # the published widths
    "SmallCNN": ("cnn", "small_cnn", {}),
    "MLP": ("cnn", "mlp", {}),
}
HEADS: dict[str, tuple[str, str, dict[str, Any]]] = {  # on embeddings, in the same form
    "linear": ("heads", "linear", {}),
    "mlp": ("heads", "mlp", {}),
}
RIDGE = "ridge"  # a head in closed form, not a network, see models.ridge


def create_model(
    name: str,
    input_shape: tuple[int, ...],
    n_classes: int,
    stock: bool = False,
    precision: str = "float32",
) -> "keras.Model":
    """Build an untrained network.

    Parameters
    ----------
    name : str
        A key of `ARCHITECTURES`, or of `HEADS`.
    input_shape : tuple of int
        (height, width, channels) of images, or (d,) of embeddings. Pixels are in [0, 1].
    n_classes : int
        Number of classes.
    stock : bool
        Use Keras's own batch normalisation and convolutions with biases, as in 2019. The outputs
        are the same, the training is slower. For tests and benchmarks.
    precision : str
        Keras dtype policy. With "mixed_bfloat16" the layers compute in bfloat16, except whitening,
        batch statistics, features and logits. Weights are always float32.

    Returns
    -------
    keras.Model
        Network from inputs (n, *input_shape) to logits (n, n_classes), float32.

    Raises
    ------
    KeyError
        If the name is unknown.
    """
    module, function, arguments = (ARCHITECTURES | HEADS)[name]
    layers = import_module("models.layers")
    build = getattr(import_module(f"models.{module}"), function)
    with layers.default_dtype_policy(precision):
        return build(layers.Layers(stock), input_shape, n_classes, **arguments)
