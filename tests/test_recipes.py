"""All settings of the recipes, and networks built from them."""

import keras
import numpy as np
import pytest

from models import create_model
from models.layers import Whitening
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs
from noisylabels.recipes import ADAM_INCV, ADAM_MAIN, ADAM_VERIFY, RECIPES, Triangular, resolve
from noisylabels.training.trainer import build_method
from utils import load_dataset

PAPER = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0,
    "batch_size": 128,
    "augmentation": "shift_flip",
    "precision": "float32",
    "mirror": False,
    "validation_split": 0,
    "evaluate_every": 1,
    "compared_epochs": 0,
    "accumulate": 1,
    "label_smoothing": 0,
    "shift_tta": False,
}

DIGITS = PAPER | {"augmentation": "none", "batch_size": 32, "architecture": "SmallCNN"}

FAST = PAPER | {
    "architecture": "IdentityCNN24",
    "optimizer": "muon",
    "learning_rate": 0.24,
    "weight_decay": pytest.approx(1 / 60),
    "batch_size": 250,
    "accumulate": 8,
    "label_smoothing": 0.2,
    "augmentation": "translate_alternate",
    "precision": "mixed",
    "mirror": True,
    "shift_tta": True,
}

HEAD = PAPER | {
    "architecture": "mlp",
    "epochs": 20,
    "weight_decay": 0.01,
    "batch_size": 256,
    "augmentation": "none",
}

ALL = {
    ("paper", "INCV"): PAPER | {"architecture": "ResNet32", "epochs": 50},
    ("paper", "main"): PAPER | {"architecture": "ResNet32", "epochs": 200},
    ("paper", "verify"): PAPER | {"architecture": "ResNet110", "epochs": 200},
    ("fast", "INCV"): FAST | {"epochs": 8, "shift_tta": False, "compared_epochs": 3},
    ("fast", "main"): FAST | {"epochs": 16, "evaluate_every": 4},
    ("fast", "verify"): FAST
    | {"epochs": 30, "augmentation": "alternate", "mirror": False, "shift_tta": False},
    ("features", "INCV"): HEAD | {"architecture": "ridge", "epochs": 1, "batch_size": 1},
    ("features", "main"): HEAD,
    ("features", "verify"): HEAD | {"epochs": 60, "weight_decay": 0},
    ("digits", "INCV"): DIGITS | {"epochs": 25, "learning_rate": 3e-3},
    ("digits", "main"): DIGITS | {"epochs": 40},
    ("digits", "verify"): DIGITS | {"epochs": 100, "architecture": "MLP", "batch_size": 128},
}

SCHEDULES = {"INCV": ADAM_INCV, "main": ADAM_MAIN, "verify": ADAM_VERIFY}


def test_every_value_of_every_recipe():
    assert {
        (recipe, task): settings.values
        for recipe, tasks in RECIPES.items()
        for task, settings in tasks.items()
    } == ALL
    for recipe, tasks in RECIPES.items():
        for task, settings in tasks.items():
            triangles = {"fast": Triangular(1, 0, 0), "features": Triangular(0.2, 0.1, 0)}
            assert settings.lr_schedule == triangles.get(recipe, SCHEDULES[task])


@pytest.mark.parametrize(
    "samples, batch_size, accumulate",
    [
        (None, 250, 8),
        (25000, 250, 8),
        (15999, 250, 4),
        (4000, 250, 2),
        (2000, 250, 1),
        (1999, 125, 1),
    ],
)
def test_small_data_sets_have_eight_updates_an_epoch(samples, batch_size, accumulate):
    settings = resolve("fast", "INCV", n_samples=samples)
    assert (settings.batch_size, settings.accumulate) == (batch_size, accumulate)
    assert settings.learning_rate == 0.24


@pytest.mark.parametrize("batch_size, accumulate", [(125, 16), (500, 4), (1999, 1), (4000, 1)])
def test_another_batch_size_keeps_the_samples_per_update(batch_size, accumulate):
    assert resolve("fast", "INCV", batch_size=batch_size).accumulate == accumulate
    assert resolve("digits", "INCV", batch_size=128).accumulate == 1


def test_another_optimizer_does_not_accumulate_gradients():
    assert resolve("fast", "INCV", optimizer="adam").accumulate == 1


@pytest.mark.parametrize("changes", [{"allows_shifts": False}, {"augmentation": "alternate"}])
def test_networks_not_trained_with_shifts_predict_without(changes):
    assert resolve("fast", "main").shift_tta
    settings = resolve("fast", "main", **changes)
    assert settings.flip_tta and not settings.shift_tta


def test_no_flips_if_they_change_the_class():
    settings = resolve("fast", "INCV", allows_flips=False)
    assert (settings.augmentation, settings.flip_tta) == ("none", False)
    assert resolve("fast", "INCV", allows_flips=False, augmentation="flip").augmentation == "flip"
    assert not load_dataset("digits", "data").may_be_mirrored


@pytest.mark.parametrize(
    "augmentation, mirror",
    [
        ("flip", True),
        ("shift_flip", True),
        ("alternate", True),
        ("translate_alternate", True),
        ("translate", False),
        ("none", False),
    ],
)
def test_no_flip_tta_without_flip_training(augmentation, mirror):
    assert resolve("fast", "INCV", augmentation=augmentation).flip_tta == mirror


@pytest.mark.parametrize(
    "recipe, samples, batch",
    [("digits", 256, 32), ("digits", 255, 16), ("paper", 1023, 64), ("fast", 9, 2)],
)
def test_epoch_has_at_least_eight_steps(recipe, samples, batch):
    usual, few = resolve(recipe, "main"), resolve(recipe, "main", n_samples=samples)
    assert few.batch_size == batch and few.learning_rate == usual.learning_rate
    assert resolve(recipe, "main", n_samples=samples, optimizer="adam").learning_rate == 1e-3


def test_muon_trains_only_the_networks_that_its_rates_suit():
    assert resolve("fast", "main", architecture="IdentityCNN64").optimizer == "muon"
    other = resolve("fast", "main", architecture="SmallCNN")
    assert (other.optimizer, other.learning_rate, other.accumulate) == ("adam", 1e-3, 1)
    assert resolve("fast", "main", architecture="SmallCNN", optimizer="muon").optimizer == "muon"


def test_another_optimizer_has_its_own_rate():
    assert resolve("fast", "INCV", optimizer="adam").learning_rate == 1e-3
    assert resolve("paper", "INCV", optimizer="muon").learning_rate == 0.24
    assert resolve("digits", "INCV", optimizer="adam").learning_rate == 3e-3  # the recipe's own
    assert resolve("fast", "INCV", optimizer="adam", learning_rate=0.01).learning_rate == 0.01


@pytest.mark.parametrize(
    "recipe, changes, expected",
    [
        (
            "digits",
            {},
            "SmallCNN, 25 epochs, batch 32, adam, learning rate 0.003, augmentation none, float32 "
            "precision",
        ),
        (
            "paper",
            {"validation_split": 0.1, "evaluate_every": 2},
            "ResNet32, 50 epochs (evaluated every 2), batch 128, adam, learning rate 0.001, "
            "augmentation shift_flip, float32 precision, 0.1 held out",
        ),
        (
            "fast",
            {"shift_tta": True},
            "IdentityCNN24, 8 epochs, batch 8 × 250, muon, learning rate 0.24, weight decay "
            "0.0167, label smoothing 0.2, augmentation translate_alternate, mixed precision, "
            "horizontal flip at test time, shifts at test time",
        ),
    ],
)
def test_settings_in_words(recipe, changes, expected):
    assert str(resolve(recipe, "INCV", **changes)) == expected


# -------------------------------------------------------------------------------------------- build


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)


@pytest.mark.runs
@pytest.mark.parametrize("task, mirror", [("INCV", True), ("verify", False)])
def test_flip_tta_follows_the_recipe(task, mirror, images):
    inputs = MethodInputs(images, np.zeros(40, int), 3, 8, 1)
    assert (
        build_method(method_class("standard"), inputs, RECIPES["fast"][task], 0, "main").flip_tta
        == mirror
    )


def test_whitening_is_adapted_to_the_images(images):
    inputs = MethodInputs(images, np.zeros(40, int), 3, 8, 1)
    method = build_method(method_class("standard"), inputs, RECIPES["fast"]["INCV"], 0, "a")
    (found,) = [layer for layer in method.networks[0].layers if isinstance(layer, Whitening)]
    expected = Whitening()
    expected.build((None, 8, 8, 3))
    expected.adapt(images)
    for a, b in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.runs
@pytest.mark.parametrize(
    "recipe, norm",
    [
        ("paper", (0.99, 1e-3, True)),
        ("fast", (0.6, 1e-5, False)),
        ("digits", (0.9, 1e-3, True)),
    ],
)
def test_batch_norm_and_epsilon_of_adam(recipe, norm, images):
    inputs = MethodInputs(images, np.zeros(40, int), 3, 8, 1)
    method = build_method(method_class("standard"), inputs, RECIPES[recipe]["INCV"], 0, "a")
    norms = [
        layer
        for layer in method.networks[0].layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert {(layer.momentum, layer.epsilon, layer.scale) for layer in norms} == {norm}
    (optimizer,) = method.optimizers
    assert recipe == "fast" or optimizer.epsilon == 1e-8


def test_logits_are_divided_by_sixteen_times_the_root_of_the_width(images):
    network = create_model("IdentityCNN16", (8, 8, 3), 3)
    (dense,) = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    before = keras.Model(network.inputs[0], dense.output)
    np.testing.assert_allclose(network(images / 255), before(images / 255) / 128, rtol=1e-6)
