"""Networks by name. A new one is a function `build(layers, input_shape, n_classes)` and one line here.

What goes into its last layer is called `features`, and its layers are of kinds that training/export.py knows.
"""
from importlib import import_module

# Keras' he_normal of 2019 is cut at two deviations and not scaled back to its variance of 2: deviation .880 of He's.
VARIANCE_2019 = 2 * .87962566103423978 ** 2
ARCHITECTURES = {                   # name: (module, function, its further arguments)
    "ResNet32": ("resnet", "resnet_v1", {"n": 5}),
    "ResNet110": ("resnet", "resnet_v2", {"n": 12}),
    "ResNet164": ("resnet", "resnet_v2", {"n": 18}),
    "ResNet110-2019": ("resnet", "resnet_v2", {"n": 12, "variance": VARIANCE_2019}),
    "ResNet164-2019": ("resnet", "resnet_v2", {"n": 18, "variance": VARIANCE_2019}),
    "WRN-28-10": ("resnet", "resnet_v1", {"n": 9, "widths": (160, 320, 640)}),
    "CNN9": ("cnn", "cnn9", {}),
    "FastCNN": ("cnn", "fast_cnn", {}),
    "FastCNN48": ("cnn", "fast_cnn", {"widths": (48, 192, 192)}),
    "FastCNN64": ("cnn", "fast_cnn", {"widths": (64, 256, 256)}),       # the widths that it was published with
    "SmallCNN": ("cnn", "small_cnn", {}),
    "MLP": ("cnn", "mlp", {}),
}


def create_model(name, input_shape, n_classes, stock=False, precision="float32"):
    """An untrained network.

    name: one of ARCHITECTURES. input_shape: (height, width, channels), pixels scaled to [0, 1].
    Returns a `keras.Model` from (n, *input_shape) to logits (n, n_classes), float32.
    stock: build it of Keras' own layers, with biases before the batch normalisation, as in 2019: the same function,
    slower; tests and benchmarks compare with it.
    precision: a dtype policy of Keras: in "mixed_bfloat16" the layers compute in bfloat16, but for whitening, batch
    statistics, features and logits, and all weights stay float32.
    Raises KeyError for an unknown name.
    """
    module, function, arguments = ARCHITECTURES[name]
    layers = import_module("models.layers")
    with layers.default_dtype_policy(precision):
        build = getattr(import_module(f"models.{module}"), function)
        return build(layers.Layers(stock), input_shape, n_classes, **arguments)
