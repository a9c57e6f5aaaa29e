"""Flags without an effect are errors in one line, for every script and method."""

from argparse import Namespace

import pytest
from helpers import ROOT, assert_is_one_line

import INCV
import INCV_main
import sweep
import Verify_Theory
from noisylabels.flag_rules import RULES, Call, unused_because
from noisylabels.methods import METHODS
from noisylabels.sweep.plan import command_flags
from utils import load_dataset


@pytest.mark.parametrize(
    "script, flags, unused",
    [
        ("INCV_main", ["--method", "standard", "--gce_q", "0.2"], "gce_q"),
        ("INCV_main", ["--gce_q", "0.7"], "gce_q"),
        ("INCV_main", ["--method", "standard", "--top_k", "3"], "top_k"),
        ("INCV_main", ["--method", "gce", "--INCV_iter", "9"], "INCV_iter"),
        ("INCV_main", ["--method", "elr", "--overwrite_selection"], "overwrite_selection"),
        ("INCV_main", ["--method", "d2l", "--parallel_halves", "auto"], "parallel_halves"),
        ("INCV_main", ["--selection", "s.csv", "--INCV_epochs", "3"], "INCV_epochs"),
        ("INCV_main", ["--selection", "s.csv", "--overwrite_selection"], "overwrite_selection"),
        ("INCV_main", ["--method", "sce", "--decisions", "d.csv"], "decisions"),
        ("INCV_main", ["--method", "f_correction", "--evaluate_every", "2"], "evaluate_every"),
        ("INCV_main", ["--method", "standard", "--assumed_pattern", "sym"], "assumed_pattern"),
        ("INCV", ["--data_dir", "."], "data_dir"),
        ("Verify_Theory", ["--data_dir", "."], "data_dir"),
        ("INCV", ["--dataset", "./x.npz", "--test_split", "0.1"], "test_split"),
        ("INCV_main", ["--test_split", "0.1"], "test_split"),
        ("Verify_Theory", ["--trust_labels"], "trust_labels"),
        (
            "INCV",
            ["--dataset", "./x.npz", "--trust_labels", "--noisy_labels", "y.npy"],
            "trust_labels",
        ),
        ("INCV", ["--dataset", "./x.npz", "--label_column", "y"], "label_column"),
        ("sweep", ["--methods", "standard", "incv", "--gce_q", "0.2"], "gce_q"),
        ("sweep", ["--methods", "standard", "gce", "--top_k", "2"], "top_k"),
    ],
)
def test_flag_without_effect_is_an_error(script, flags, unused, call, tmp_path):
    ended = call(script, *flags, "--results_dir", tmp_path)
    assert_is_one_line(ended, f"argument --{unused}: it has no effect here; it applies only ")
    assert list(tmp_path.iterdir()) == []


def test_help_shows_the_test_split_only_where_it_applies():
    assert "--test_split" not in INCV.build_parser().format_help()
    assert "--test_split" in INCV_main.build_parser().format_help()


def test_elr_constants_make_the_pattern_ineffective(call, tmp_path):
    flags = ["--method", "elr", "--elr_beta", "0.5", "--assumed_pattern", "sym"]
    args = INCV_main.build_parser().parse_args(flags)
    assert unused_because("assumed_pattern", Call(args, "elr")) is None
    ended = call("INCV_main", *flags, "--elr_lambda", "1", "--results_dir", tmp_path)
    assert_is_one_line(ended, "argument --assumed_pattern: it has no effect here")


@pytest.mark.parametrize("script", [INCV, INCV_main, Verify_Theory, sweep])
def test_rules_depend_on_given_flags_not_values(script):
    parser = script.build_parser()
    assert parser.parse_args([]).set_flags == set()
    default = parser.parse_args(["--recipe", "fast", "--results_dir", "results", "--quiet"])
    assert default.set_flags == {"recipe", "results_dir", "quiet"}


def test_rules_name_existing_flags():
    flags = vars(INCV_main.build_parser().parse_args([]))
    named = [flag for rule in RULES for flag in rule.flags]
    assert set(named) <= set(flags) and len(named) == len(set(named))


def test_sweep_passes_only_flags_that_apply():
    args = sweep.build_parser().parse_args(["--gce_q", "0.2", "--top_k", "3", "--epochs", "4"])
    names = ["epochs", "gce_q", "top_k"]
    flags = {method: command_flags(args, names, method) for method in METHODS}
    assert flags["gce"] == ["--epochs", "4", "--gce_q", "0.2"]
    assert flags["incv"] == flags["incv_student"] == ["--epochs", "4", "--top_k", "3"]
    assert flags["standard"] == ["--epochs", "4"]


def test_sweep_commands_are_accepted_by_the_scripts(tmp_path):
    argv = ["--methods", *METHODS, "--settings", "sym:0.5", "--seeds", "0", "--gce_q", "0.2"]
    argv += ["--top_k", "2", "--evaluate_every", "2", "--results_dir", str(tmp_path)]
    tasks = sweep.plan(sweep.build_parser().parse_args(argv), load_dataset("digits", ""))
    assert len(tasks) == 1 + len(METHODS)
    for task in tasks:
        script = {"INCV": INCV, "INCV_main": INCV_main}[task.script]
        args = script.build_parser().parse_args(task.flags)
        method = getattr(args, "method", None)
        assert not [flag for flag in args.set_flags if unused_because(flag, Call(args, method))]


def test_docs_have_the_table_of_rules():
    page = (ROOT / "docs/running.md").read_text()
    for rule in RULES:
        if rule.flags:
            flags = ", ".join(f"`--{flag}`" for flag in rule.flags)
            assert f"| {flags} | {rule.only} |\n" in page, rule.flags


def test_custom_flags_apply_to_paths():
    call = Call(Namespace(dataset="./photos"), None)
    assert unused_because("image_size", call) is None
    assert unused_because("data_dir", call) == "to cifar10 and cifar100"
