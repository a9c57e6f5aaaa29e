"""Experiments by hand: mislabelled samples, noise matrix, and digests."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from noisylabels import cli, flags
from noisylabels.data import cifar
from noisylabels.data.dataset import Dataset, digest_of
from noisylabels.errors import UserError
from noisylabels.experiment import Execution, Experiment, NoisyData
from noisylabels.noise import Noise
from noisylabels.pipeline.load import resolve_noise
from noisylabels.recipes import FAST
from utils import corrupt_labels, observed_labels

TRUE, NOISY = np.array([0, 0, 1, 3]), np.array([0, 1, 1, 2])


def dataset(side=(20, 16), **changes):
    x = np.zeros((4, *side, 3), np.uint8)
    return Dataset("own", x, TRUE, x[:1], TRUE[:1], tuple("abcd"), **changes)


def experiment(noise, data=None, labels=NOISY):
    settings = SimpleNamespace(values={"epochs": 3})
    return Experiment(
        NoisyData(data or dataset(), noise, 0, labels), "sym", "fast", settings, folder=None
    )


@pytest.mark.parametrize(
    "noise, wrong, diagonal",
    [
        (Noise("sym", 0.3), 0.3, 0.7),
        (Noise("asym", 0.3), 0.3, 0.7),
        (Noise("sym", 0), 0, 1),
        (Noise("asym", 1), 1, 0),
    ],
)
def test_synthetic_noise_has_its_requested_ratio(noise, wrong, diagonal):
    """The share of changed labels in the data does not matter."""
    made = experiment(noise)
    assert made.data.noise_rate == wrong and np.diag(made.data.T) == pytest.approx([diagonal] * 4)
    assert made.is_clean.tolist() == [True, False, True, False]
    assert made.identity == {
        "dataset": "own",
        "noise_pattern": noise.pattern,
        "seed": 0,
        "recipe": "fast",
        "epochs": 3,
        "noise_ratio": noise.ratio,
        "data": dataset().fingerprint,
    }


def test_provided_noise_is_measured():
    made = experiment(Noise("given"))
    assert (
        made.data.noise_rate == made.identity["noise_ratio"] == 0.5
        and len(made.identity["labels"]) == 16
    )
    np.testing.assert_array_equal(
        made.data.T, [[0.5, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
    )
    unknown = experiment(Noise("given"), replace(dataset(), y_train=None))
    found = (
        unknown.is_clean,
        unknown.data.noise_rate,
        unknown.data.T,
        unknown.identity["noise_ratio"],
    )
    assert found == (None, None, None, None)


def test_default_identity():
    made = experiment(Noise("sym", 0.5))
    assert (made.arguments, made.overwrite, made.execution) == (
        {},
        False,
        Execution(None, (None,), None, False, False),
    )
    assert (made.dataset.may_be_mirrored, made.dataset.clean_test) == (True, True)


def test_identity_of_a_run_on_custom_images():
    made = experiment(Noise("sym", 0.5), dataset(is_custom=True, may_be_mirrored=False))
    assert {
        name: made.identity[name] for name in ("data", "image", "may_be_mirrored", "may_be_shifted")
    } == {
        "data": dataset().fingerprint,
        "image": "20×16×3",
        "may_be_mirrored": False,
        "may_be_shifted": True,
    }


@pytest.mark.parametrize("method, is_shown", [("standard", True), ("gce", False), (None, True)])
def test_label_smoothing_is_shown_where_it_is_used(method, is_shown):
    """Selections and the theory have no method; they train Standard."""
    arguments = {"method": method} if method else {}
    made = replace(experiment(Noise("sym", 0.5)), settings=FAST, arguments=arguments)
    assert ("label smoothing 0.2" in str(made)) == is_shown
    assert made.identity["label_smoothing"] == 0.2


@pytest.mark.parametrize(
    "side, shifted", [((16, 16), True), ((15, 16), False), ((16, 15), False), ((15, 400), False)]
)
def test_large_images_may_be_shifted(side, shifted):
    assert dataset(side).may_be_shifted == shifted


def test_data_sets_and_runs_are_compared_by_identity():
    data, made = dataset(), experiment(Noise("sym", 0.5))
    assert (
        len({data, replace(data), made, replace(made)}) == 4
        and data != replace(data)
        and made != replace(made)
    )


def test_digest_distinguishes_arrays():
    a = np.arange(6, dtype=np.uint8)
    all_of_them = [
        digest_of(*parts)
        for parts in (
            ([],),
            (["a"],),
            (["a"], a),
            ([], a),
            ([], a, None),
            ([], None, a),
            ([], a, a),
            ([], a.reshape(2, 3)),
            ([], a.reshape(3, 2)),
            ([], a.view(np.int8)),
            ([], a[::-1]),
            ([], a[:0]),
            ([], None),
            ([], a[:0], a),
        )
    ]
    assert len(set(all_of_them)) == len(all_of_them) and all(
        len(digest) == 16 for digest in all_of_them
    )
    assert digest_of([], a.reshape(2, 3).T) == digest_of([], a.reshape(2, 3).T.copy())


def test_digests_are_the_same_in_every_version():
    """A change would disconnect all recorded runs from their data."""
    assert (
        digest_of(["pets", ("cat", "dog")], np.arange(3, dtype=np.uint8), None)
        == "04d9714ab8a8fe8b"
    )


def test_observed_labels():
    data = replace(dataset(), y_train=np.arange(1000) % 4)
    flipped = observed_labels(data, Noise("sym", 0.5))
    assert np.array_equal(flipped, corrupt_labels(data.y_train, "sym", 0.5, 4, seed=0))
    assert not np.array_equal(flipped, observed_labels(data, Noise("sym", 0.5), seed=1))
    assert observed_labels(replace(data, given=flipped), Noise("given")) is flipped


@pytest.mark.parametrize(
    "labels, n, words",
    [
        ([0, 3, 4], 4, "0 and 3; these go from 0 to 4"),
        ([2, 7], 4, "0 and 3; these go from 2 to 7"),
        ([-2, 1], 3, "0 and 2; these go from -2 to 1"),
    ],
)
def test_labels_out_of_range_are_counted(labels, n, words):
    with pytest.raises(UserError, match=f"labels must lie between {words}$"):
        corrupt_labels(labels, "sym", 0.5, n, 0)


def test_single_label_is_an_error():
    with pytest.raises(
        UserError, match=r"labels must be a list of integers, not int64 of shape \(\)"
    ):
        corrupt_labels(np.int64(1), "sym", 0.5, 3, 0)


# -------------------------------------------------------------------------------------------- flags


@pytest.mark.parametrize(
    "classes", [tuple("0123456789"), tuple("zyxwvutsrq"), cifar.LAYOUTS["cifar10"].classes[::-1]]
)
def test_asym5_is_refused_for_other_classes(classes):
    args = SimpleNamespace(noise_pattern="asym5", noise_ratio=None)
    with pytest.raises(
        UserError, match="of CIFAR-10 .*, but own has other classes: give sym or asym"
    ):
        resolve_noise(args, replace(dataset(), classes=classes))
    own = replace(dataset(), classes=[*cifar.LAYOUTS["cifar10"].classes])
    assert resolve_noise(args, own) == Noise("asym5", 0.5)
    for pattern in ("sym", "asym"):
        args.noise_pattern = pattern
        assert resolve_noise(args, replace(dataset(), classes=classes)) == Noise(pattern, 0.5)


@pytest.mark.parametrize(
    "share, words",
    [
        ("-0.5", "of at least 0 and at most 0.9"),
        ("0.91", "of at least 0 and at most 0.9"),
        ("0", None),
        ("0.9", None),
        ("0.001", None),
    ],
)
def test_test_splits(share, words, capsys):
    parser = cli.Parser("")
    flags.add_data(parser)
    if words is None:
        assert parser.parse_args(["--test_split", share]).test_split == float(share)
    else:
        with pytest.raises(SystemExit):
            parser.parse_args(["--test_split", share])
        assert words in capsys.readouterr().err
