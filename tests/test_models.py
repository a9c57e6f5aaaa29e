"""Networks: published parameter counts, and that optimisations change no result."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import ARCHITECTURES, create_model

pytestmark = pytest.mark.runs
CIFAR = (32, 32, 3)


@functools.cache
def small(name):
    """Return a shared network for images of 8x8 pixels."""
    return create_model(name, (8, 8, 3), 10)


def variables_by_layer(network):
    return [layer for layer in network.layers if layer.weights]


def transplant(stock, ours):
    """Copy the weights of a network of Keras' layers into ours, without superfluous biases."""
    for source, target in zip(variables_by_layer(stock), variables_by_layer(ours), strict=True):
        target.set_weights(source.get_weights()[: len(target.weights)])


def gradients(network, x, y):
    with tf.GradientTape() as tape:
        logits = network(x, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
    kernels = [
        layer.trainable_variables[0]
        for layer in variables_by_layer(network)
        if layer.trainable_variables
    ]
    return logits, tape.gradient(loss, kernels)


# ------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize(
    "name, parameters, trainable, biases",
    [  # of 2019
        ("ResNet32", 470_602, 468_138, 1_232),
        pytest.param("ResNet110", 3_323_210, 3_302_442, 10_832, marks=pytest.mark.slow),
        pytest.param("ResNet164", 4_972_682, 4_941_546, 16_016, marks=pytest.mark.slow),
        pytest.param("WRN-28-10", 84_951_722, 84_909_130, 21_296, marks=pytest.mark.slow),
    ],
)
def test_parameter_counts(name, parameters, trainable, biases):
    """The stock networks have biases before batch normalisation as well."""
    moving = parameters - trainable
    network = small(name)
    assert network.count_params() == parameters - biases
    assert sum(np.prod(v.shape) for v in network.non_trainable_variables) == moving


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("ResNet32", 470_602),
        pytest.param("ResNet110", 3_323_210, marks=pytest.mark.slow),
        pytest.param("ResNet164", 4_972_682, marks=pytest.mark.slow),
        pytest.param("WRN-28-10", 84_951_722, marks=pytest.mark.slow),
    ],
)
def test_stock_parameter_counts_at_any_image_size(name, parameters):
    assert create_model(name, CIFAR, 10, stock=True).count_params() == parameters


@pytest.mark.parametrize(
    "name, filters, parameters",
    [
        ("CNN9", [128] * 3 + [256] * 3 + [512, 256, 128], 4_436_618),
        # 318 whiten, 124,992 in kernels, 3 a channel, no last bias
        ("IdentityCNN16", [16] * 2 + [64] * 4, 127_390),
        ("IdentityCNN24", [24] * 2 + [96] * 4, 282_510),
        ("IdentityCNN32", [32] * 2 + [128] * 4, 498_686),
        ("IdentityCNN64", [64] * 2 + [256] * 4, 1_973_950),
        ("SmallCNN", [32, 64], 20_330),
        ("MLP", [], 3073 * 512 + 2 * 513 * 512 + 513 * 10),
    ],
)
def test_widths_of_plain_networks(name, filters, parameters):
    network = create_model(name, CIFAR, 10)
    assert [
        layer.filters for layer in network.layers if isinstance(layer, keras.layers.Conv2D)
    ] == filters
    assert network.count_params() == parameters


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name.startswith(("ResNet1", "WRN")) else name
        for name in ARCHITECTURES
    ],
)
def test_every_network_takes_small_images(name):
    network = small(name)
    assert network(np.zeros((2, 8, 8, 3), np.float32)).shape == (2, 10)
    *_, last = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    assert network.get_layer("features").output is last.input


@pytest.mark.parametrize("shape", [(40, 4, 3), (4, 40, 1), (5, 9, 1)])
def test_fast_network_takes_images_of_any_proportion(shape):
    assert all(
        0 not in layer.output.shape for layer in create_model("IdentityCNN16", shape, 2).layers
    )


def test_l2_is_on_block_and_projection_convolutions_only():
    network = create_model("ResNet32", CIFAR, 10)
    penalised = [layer for layer in network.layers if getattr(layer, "kernel_regularizer", None)]
    assert (
        len(penalised) == 32 and network.layers[1] not in penalised
    )  # 30 in blocks, 2 projections
    assert len(network.losses) == 32
    expected = 1e-4 * sum(float(np.sum(layer.get_weights()[0] ** 2)) for layer in penalised)
    assert float(tf.add_n(network.losses)) == pytest.approx(expected, rel=1e-5)
    assert not small("ResNet110").losses


def test_l2_is_on_all_nine_convolutions_of_CNN9():
    network = small("CNN9")
    kernels = [layer.kernel for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(network.losses) == len(kernels) == 9
    expected = 1e-4 * sum(float(tf.reduce_sum(tf.square(kernel))) for kernel in kernels)
    assert float(tf.add_n(network.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "name, deviation",
    [
        ("ResNet110", 1.0),
        ("ResNet110-2019", 0.8796),
        pytest.param("ResNet164-2019", 0.8796, marks=pytest.mark.slow),
    ],
)
def test_initial_weights_are_normal_and_truncated(name, deviation):
    """Deviations are in units of sqrt(2 / inputs of a filter), within five standard errors."""
    scaled = [
        kernel.numpy().ravel() / np.sqrt(2 / np.prod(kernel.shape[:-1]))
        for kernel in small(name).trainable_variables
        if kernel.ndim > 1
    ]
    assert len(scaled) == int(name[6:9]) + 3  # a projection a stage
    drawn = np.concatenate(scaled)
    assert drawn.std() == pytest.approx(deviation, abs=5 / np.sqrt(2 * len(drawn)))
    assert np.abs(drawn).max() == pytest.approx(2 * deviation / 0.8796, rel=1e-3)
    assert len({values[:9].tobytes() for values in scaled}) == len(
        scaled
    )  # no two layers draw the same


def test_unknown_network_is_an_error():
    with pytest.raises(KeyError):
        create_model("ResNet33", CIFAR, 10)


# -------------------------------------------------------------------------------- same as the stock


@pytest.mark.parametrize(
    "name, shape",
    [
        pytest.param("ResNet32", CIFAR, marks=pytest.mark.slow),
        ("SmallCNN", (8, 8, 1)),
        ("IdentityCNN16", CIFAR),
    ],
)
def test_network_equals_one_of_keras_layers(name, shape):
    """Compare logits, gradients and moving statistics by the norm of the difference.

    At the kink of a ReLU or maximum, rounding decides the gradient, so one of twenty batches must
    agree.
    """
    keras.utils.set_random_seed(0)
    stock, ours = create_model(name, shape, 10, stock=True), create_model(name, shape, 10)
    transplant(stock, ours)
    rng = np.random.default_rng(0)

    def difference():
        x, y = rng.random((2, *shape), np.float32), rng.integers(0, 10, 2)
        results = []
        for network in (stock, ours):
            logits, found = gradients(network, x, y)
            statistics = [
                v for layer in variables_by_layer(network) for v in layer.non_trainable_variables
            ]
            results.append(
                [np.asarray(a) for a in (logits, network(x, training=False), *statistics, *found)]
            )
        return max(
            np.linalg.norm(a - b) / (np.linalg.norm(a) + 1e-3)
            for a, b in zip(*results, strict=True)
        )

    assert any(difference() < 1e-4 for _ in range(20))


@pytest.mark.parametrize(
    "name, shape",
    [
        pytest.param("ResNet32", CIFAR, marks=pytest.mark.slow),
        ("IdentityCNN16", CIFAR),
        ("SmallCNN", (8, 8, 1)),
        ("MLP", (8, 8, 1)),
    ],
)
def test_mixed_precision_only_rounds(name, shape, tmp_path):
    """Equal initial weights; logits and statistics within a few of bfloat16's steps of 1/128."""
    rng = np.random.default_rng(0)
    x = rng.random((32, *shape), np.float32)
    networks, results = {}, []
    for precision in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(0)
        network = networks[precision] = create_model(name, shape, 10, precision=precision)
        initial = network.get_weights()
        logits = [network(x, training=training) for training in (True, False)]
        assert all(a.dtype == tf.float32 for a in (*logits, *network.weights))
        results.append(
            [
                *initial,
                *map(np.asarray, logits),
                *(np.asarray(v) for v in network.non_trainable_variables),
            ]
        )
    assert keras.config.dtype_policy().name == "float32"
    assert any(layer.compute_dtype == "bfloat16" for layer in networks["mixed_bfloat16"].layers)
    for i, (a, b) in enumerate(zip(*results, strict=True)):
        assert np.linalg.norm(a - b) <= (0 if i < len(initial) else 0.05) * np.linalg.norm(a)
    networks["mixed_bfloat16"].save(tmp_path / "mixed.keras")
    loaded = keras.models.load_model(tmp_path / "mixed.keras")
    np.testing.assert_array_equal(loaded(x), networks["mixed_bfloat16"](x))


def test_bias_before_batch_norm_has_no_gradient():
    network = create_model("ResNet32", CIFAR, 10, stock=True)
    rng = np.random.default_rng(0)
    with tf.GradientTape() as tape:
        logits = network(rng.random((8, *CIFAR), np.float32), training=True)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(rng.integers(0, 10, 8), logits)
        )
    biases = [layer.bias for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    kernel, *found = tape.gradient(loss, [network.layers[1].kernel, *biases])
    assert max(np.abs(g).max() for g in found) < 1e-4 * np.abs(kernel).max()


# ---------------------------------------------------------------------------------------- whitening


@pytest.mark.parametrize(
    "name, shape", [("IdentityCNN16", CIFAR), ("SmallCNN", (8, 8, 1)), ("MLP", (8, 8, 1))]
)
def test_saved_network_has_the_same_outputs(name, shape, tmp_path):
    network = create_model(name, shape, 10)
    x = np.random.default_rng(0).random((3, *shape), np.float32)
    network(x, training=True)
    network.save(tmp_path / "network.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "network.keras")(x), network(x)
    )


@pytest.mark.parametrize(
    "name, expected",
    [
        ("ResNet32", [(32, 16), (16, 32), (8, 64)]),
        pytest.param("ResNet110", [(32, 64), (16, 128), (8, 256)], marks=pytest.mark.slow),
        pytest.param("ResNet164", [(32, 64), (16, 128), (8, 256)], marks=pytest.mark.slow),
        pytest.param("WRN-28-10", [(32, 160), (16, 320), (8, 640)], marks=pytest.mark.slow),
        ("CNN9", [(32, 128), (16, 256), (8, 128)]),
        ("IdentityCNN16", [(15, 16), (7, 64), (3, 64)]),
        ("SmallCNN", [(32, 32), (16, 64)]),
    ],
)
def test_image_size_halves_per_stage(name, expected):
    """Check side and channels at the end of each stage for 32x32 images."""
    stages = {}
    for layer in create_model(name, (32, 32, 3), 10).layers:
        if isinstance(layer, keras.layers.ReLU | keras.layers.Activation):
            _, side, _, channels = layer.output.shape
            stages[side] = side, channels
    assert [stages[side] for side, _ in expected] == expected
