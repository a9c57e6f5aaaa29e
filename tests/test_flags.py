"""Flags at their bounds, help texts, and INCV_main.py's summary of a finished run."""

from argparse import ArgumentTypeError
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import assert_is_one_line

import INCV
import INCV_main
import Verify_Theory
from noisylabels import cli
from noisylabels.errors import UserError
from noisylabels.noise import Noise
from noisylabels.pipeline import plan, resolve
from noisylabels.pipeline.load import add_noise, load_noisy_data
from utils import load_dataset

SYM = Noise("sym", 0.5)


def parsed(script, *flags):
    """Return the arguments of a script, and digits with the noise that they ask for."""
    args = script.build_parser().parse_args([*map(str, flags)])
    return args, load_noisy_data(args)


def planned(*flags):
    """Return the TrainingPlan of INCV_main.py with these flags."""
    args, data = parsed(INCV_main, *flags)
    return plan.plan_training(args, data, args.method)


def selection(*flags):
    """Return the Experiment of INCV.py's selection."""
    args = INCV.build_parser().parse_args([*map(str, flags)])
    return resolve.selection_experiment(
        args, add_noise(load_dataset("digits", ""), SYM, 0), args.overwrite
    )


@pytest.mark.parametrize(
    "kind, low, high, above, good, bad",
    [
        (
            float,
            0,
            1,
            False,
            {"0": 0, "1": 1, "1e-9": 1e-9},
            ["-1e-9", "1.0000001", "nan", "inf", "", "x"],
        ),
        (
            float,
            0,
            float("inf"),
            True,
            {"1e-9": 1e-9, "1e300": 1e300},
            ["0", "-1", "inf", "-inf", "nan"],
        ),
        (int, 2, 9, False, {"2": 2, "9": 9, "007": 7}, ["1", "10", "2.0", "nan"]),
    ],
)
def test_numbers_have_bounds(kind, low, high, above, good, bad):
    parse = cli.number(kind, low, high, above)
    assert {text: parse(text) for text in good} == good
    for text in bad:
        with pytest.raises(ArgumentTypeError, match=f"'{text}' is not a"):
            parse(text)


def test_minus_zero_becomes_zero():
    assert str(cli.number(float, 0, 1)("-0.0")) == "0.0"


@pytest.mark.parametrize("script", [INCV, INCV_main, Verify_Theory])
def test_help_texts_name_the_default(script):
    text = " ".join(script.build_parser().format_help().split())
    assert "(default: digits)" in text and "(default: png)" in text
    assert "batch order and augmentation (default: 0)" in text
    assert not {part for part in ("None", "False", "[0.5]") if f"(default: {part}" in text}


def test_mistyped_flag_gets_a_suggestion(call):
    assert_is_one_line(
        call("INCV", "--reciep=fast", "--seed", 1), r"--reciep=fast; did you mean --recipe\?"
    )


def test_smallest_sufficient_data_set():
    args = SimpleNamespace(dataset="x", data_dir="y", noisy_labels=None)
    dataset = SimpleNamespace(n_classes=10, classes="abcdefghij", is_custom=False)

    def check(labels):
        dataset.y_train = labels
        resolve.check_labels(args, SimpleNamespace(dataset=dataset, noise=SYM))

    check(np.arange(10))
    check(np.repeat([3, 4], 5))
    with pytest.raises(
        UserError, match="x in y has 9 training samples, fewer than its 10 classes; delete"
    ):
        check(np.arange(9))
    with pytest.raises(UserError, match="of one class only, d; delete"):
        check(np.full(10, 3))
    dataset.is_custom = True  # the error does not advise to delete these
    with pytest.raises(
        UserError, match="--dataset: x has .* one class only, d; give more images, or other labels"
    ):
        check(np.full(10, 3))
    args.noisy_labels = "labels.csv"
    with pytest.raises(
        UserError, match="--noisy_labels: labels.csv has .* one class only, d; give other labels"
    ):
        check(np.full(10, 3))
    assert selection("--batch_size", 718, "--top_k", 9).settings.batch_size == 718
    with pytest.raises(
        UserError, match="719 is more than the 718 samples of half of the training set"
    ):
        selection("--batch_size", 719)
    with pytest.raises(UserError, match="10 must be below the 10 classes"):
        selection("--top_k", 10)


def test_training_flags_do_not_change_the_selection(tmp_path):
    found = planned(
        "--evaluate_every",
        5,
        "--validation_split",
        0.9,
        "--epochs",
        3,
        "--INCV_epochs",
        4,
        "--results_dir",
        tmp_path,
    )
    selecting = found.selection.experiment
    settings = [
        [each.settings.evaluate_every, each.settings.validation_split, each.settings.epochs]
        for each in (found.experiment, selecting)
    ]
    assert settings == [[5, 0.9, 3], [1, 0, 4]] and not found.finished
    assert selecting.arguments == {"INCV_iter": 4, "top_k": 1, "assumed_pattern": "sym"}
    found = planned("--method", "standard", "--batch_size", 1437, "--results_dir", tmp_path)
    assert (
        found.experiment.settings.batch_size == 1437 and found.selection is found.selected is None
    )


KNOWN = np.zeros(3)


@pytest.mark.parametrize(
    "arguments, wrong, T, problem",
    [
        (
            {"co_teaching_noise_ratio": None},
            None,
            KNOWN,
            "--method: co_teaching needs the noise ratio",
        ),
        ({"co_teaching_noise_ratio": None}, KNOWN, KNOWN, None),
        ({"co_teaching_noise_ratio": 0.3}, None, KNOWN, None),
        ({"co_teaching_noise_ratio": 0}, None, None, None),
        ({}, None, None, None),
        (
            {"f_correction_T": "true"},
            KNOWN,
            None,
            "--f_correction_T: the true matrix of these labels is unknown",
        ),
        ({"f_correction_T": "true"}, None, KNOWN, None),
        ({"f_correction_T": "estimated"}, None, None, None),
    ],
)
def test_unknown_noise_must_be_assumed(arguments, wrong, T, problem):
    experiment = SimpleNamespace(arguments=arguments, data=SimpleNamespace(noise_rate=wrong, T=T))
    if problem is None:
        resolve.check_options(experiment)
    else:
        with pytest.raises(UserError, match=f"^argument {problem}"):
            resolve.check_options(experiment)


@pytest.mark.parametrize(
    "flags, problem",
    [
        (
            ["--mentornet_percentile", "0.5"],
            "--mentornet_percentile: it has no effect with --mentornet_curriculum self_paced",
        ),
        (
            ["--mentornet_curriculum", "pd", "--mentornet_burn_in", "0"],
            "--mentornet_burn_in: it has no effect with --mentornet_curriculum pd",
        ),
    ],
)
def test_option_of_the_other_curriculum_is_an_error(flags, problem, tmp_path):
    with pytest.raises(UserError, match=problem):
        planned("--method", "mentornet", *flags, "--results_dir", tmp_path)


@pytest.mark.parametrize(
    "method, told",
    [
        ("standard", "sym"),
        ("co_teaching", "sym"),
        ("elr", "asym"),
        ("incv", "asym"),
        ("incv_student", "asym"),
    ],
)
def test_identity_has_only_the_method_s_inputs(method, told, tmp_path):
    found = planned("--method", method, "--assumed_pattern", "asym", "--results_dir", tmp_path)
    assert found.experiment.identity["assumed_pattern"] == told
