"""Command lines of all scripts: parser, argument types, and errors in one line."""

import argparse
import math
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noisylabels.errors import UserError, did_you_mean
from noisylabels.runs.atomic_io import DISK_REMEDY
from noisylabels.runs.folders import NAME
from noisylabels.system.signals import leave_on_signals, open_streams

FORMATS = ("png", "pdf", "svg")
RESUMES = "finished epochs are saved, the same command continues from there"


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Print the default after a help text, if there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or isinstance(action.default, bool | list):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line with the choice or flag that was meant, and exit code 2.

    Parameters
    ----------
    doc : str or None
        Docstring of the script; its first line is the description. It is None under python -OO.
    """

    def __init__(self, doc: str | None) -> None:
        description = (doc or "").partition("\n")[0]
        super().__init__(description=description, formatter_class=Formatter, allow_abbrev=False)

    def parse_args(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse a command line and store the names of its flags in `set_flags`."""
        found, others = self.parse_known_args(args, namespace)
        if others:
            meant = did_you_mean(others[0].split("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(others)}{meant}")
        unset = object()
        absent = argparse.Namespace(**dict.fromkeys(vars(found), unset))
        present, _ = self.parse_known_args(args, absent)
        found.set_flags = {name for name, value in vars(present).items() if value is not unset}
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            message = error.message + did_you_mean(value, action.choices)
            raise argparse.ArgumentError(action, message) from None

    def error(self, message: str) -> None:
        """End the script with an error of its command line."""
        self.fail(f"{message} (see --help)")

    def fail(self, message: object, code: int = 2) -> None:
        """End the script with one line and an exit code."""
        self.exit(code, f"{self.prog}: error: {' '.join(str(message).split())}\n")


def number(
    kind: type, low: float, high: float = math.inf, above: bool = False
) -> Callable[[str], Any]:
    """Return an argparse type: a finite number with low <= x <= high, or low < x if `above`."""

    def parse(text: str) -> Any:
        try:
            value = kind(text) + 0  # -0.0 becomes 0.0
        except ValueError:
            value = math.nan
        is_low = value <= low if above else value < low
        if math.isnan(value) or math.isinf(value) or is_low or value > high:
            kinds = "a whole" if kind is int else "a finite"
            bounds = f"above {low}" if above else f"of at least {low}"
            if not math.isinf(high):
                bounds += f" and at most {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kinds} number {bounds}")
        return value

    return parse


def gpu_ids(text: str) -> str:
    """Check "0", "0,1" or "-1", as an argparse type."""
    if text != "-1" and not all(part.isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a GPU id such as 0, a list such as 0,1, or -1 for the CPU"
        )
    return text


def folder(text: str) -> str:
    """Reject an empty path, a file and a path through a file, as an argparse type."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is not a folder: give a folder, or .")
    for path in (text, *map(str, Path(text).parents)):
        if os.path.exists(path) and not os.path.isdir(path):
            raise argparse.ArgumentTypeError(f"{path!r} is a file, not a folder: give another")
    return text


def folder_name(text: str) -> str:
    """Check the name of a folder of runs, as an argparse type."""
    if not re.fullmatch(NAME, text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name of letters, digits, '.', '-' and '_', or is reserved, such as "
            "seed1"
        )
    return text


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the flag for the format of figures."""
    parser.add_argument("--format", choices=FORMATS, default="png", help="format of figures")


def main(
    parser: Parser,
    run: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None = None,
    stopped: str = RESUMES,
) -> None:
    """Parse a command line, by default that of the process, and call run(args), the script's body.

    Errors of the user or of the disk end in one line and exit code 2. `stopped` describes the
    state after Ctrl-C.
    """
    open_streams()
    args = parser.parse_args(argv)
    prog = parser.prog
    warnings.showwarning = lambda message, *_: print(f"{prog}: warning: {message}", file=sys.stderr)
    if any(flag.startswith("overwrite") for flag in args.set_flags):
        stopped += ", but repeats finished runs"
    leave_on_signals(f"{prog}: interrupted; {stopped}\n")
    try:
        run(args)
        sys.stdout.flush()
    except UserError as error:
        parser.fail(error, error.code)
    except OSError as error:
        if error.filename is None:  # standard output: nothing more can be written there
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        name = error.filename or "standard output"
        parser.fail(f"{name}: {error.strerror or error}; {DISK_REMEDY}")
