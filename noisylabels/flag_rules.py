"""Conditions under which flags have an effect. A flag without an effect is an error."""

from argparse import Namespace
from collections.abc import Callable
from typing import NamedTuple

from noisylabels.backbones import NONE
from noisylabels.data import is_path
from noisylabels.errors import UserError
from noisylabels.methods import METHODS, OPTIONS, PATTERN_AWARE_METHODS, SELECTION_METHODS


class Call(NamedTuple):
    """The facts about a call of a script that decide whether a flag has an effect."""

    args: Namespace
    method: str | None  # None if the script has no methods


class Rule(NamedTuple):
    """Flags that have an effect in some calls only; `only` completes "it applies only ..."."""

    flags: tuple[str, ...]
    only: str
    applies: Callable[[Call], bool]


def _selects(call: Call) -> bool:
    return call.method is None or call.method in SELECTION_METHODS


def _makes_selection(call: Call) -> bool:
    return _selects(call) and not getattr(call.args, "selection", None)


def _assumes_pattern(call: Call) -> bool:
    if call.method is None:
        return True
    constants = (call.args.elr_beta, call.args.elr_lambda)
    if call.method == "elr" and None not in constants:
        return False
    return call.method in PATTERN_AWARE_METHODS


def _reads_cifar(call: Call) -> bool:
    return call.args.dataset in ("cifar10", "cifar100")


def _is_custom(call: Call) -> bool:
    return is_path(call.args.dataset)


def _has_backbone(call: Call) -> bool:
    return call.args.backbone not in (None, NONE)


def _resizes(call: Call) -> bool:
    return _is_custom(call) or _has_backbone(call)


def _is_custom_csv(call: Call) -> bool:
    return _is_custom(call) and call.args.dataset.lower().endswith(".csv")


def _has_test(call: Call) -> bool:
    return call.method is not None or hasattr(call.args, "epochs")


SELECTING = " and ".join(SELECTION_METHODS)
RULES = (
    Rule(("data_dir",), "to cifar10 and cifar100", _reads_cifar),
    Rule(("no_mirror",), "to custom images (--dataset PATH)", _is_custom),
    Rule(
        ("trust_labels",),
        "to custom images (--dataset PATH) without --noisy_labels",
        lambda call: _is_custom(call) and not getattr(call.args, "noisy_labels", None),
    ),
    Rule(
        ("test_split",),
        "to INCV_main.py, Verify_Theory.py and sweep.py on custom images (--dataset PATH)",
        lambda call: _is_custom(call) and _has_test(call),
    ),
    Rule(("image_size",), "to custom images, and with --backbone", _resizes),
    Rule(("backbone_weights",), "with --backbone", _has_backbone),
    Rule(("image_column", "label_column"), "to custom images in a .csv", _is_custom_csv),
    Rule(
        ("INCV_epochs", "INCV_iter", "top_k", "parallel_halves", "overwrite_selection"),
        f"to the methods {SELECTING}, without --selection",
        _makes_selection,
    ),
    Rule(("selection", "decisions"), f"to the methods {SELECTING}", _selects),
    Rule(
        ("assumed_pattern",),
        f"to the methods {', '.join(PATTERN_AWARE_METHODS[:-1])} and {PATTERN_AWARE_METHODS[-1]}, "
        "but not to elr with both --elr_beta and --elr_lambda",
        _assumes_pattern,
    ),
    Rule(
        ("evaluate_every",),
        "to methods other than f_correction, which evaluates every epoch",
        lambda call: call.method != "f_correction",
    ),
    *(
        Rule(
            tuple(flag for flag in OPTIONS if flag.startswith(f"{name}_")),
            f"to the method {name}",
            lambda call, name=name: call.method == name,
        )
        for name in METHODS
    ),
)


def unused_because(flag: str, call: Call) -> str | None:
    """Return where a flag applies if it has no effect in a call, else None."""
    for rule in RULES:
        if flag in rule.flags and not rule.applies(call):
            return rule.only
    return None


def check_flags(args: Namespace, methods: list[str | None]) -> None:
    """Raise UserError if a flag of the command line has no effect for any of the methods."""
    for flag in sorted(args.set_flags):
        reasons = [unused_because(flag, Call(args, method)) for method in methods]
        if None not in reasons:
            raise UserError(
                f"argument --{flag}: it has no effect here; it applies only {reasons[0]}; leave it "
                "out"
            )
