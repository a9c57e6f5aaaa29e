"""Command lines of all scripts: parser, argument types, and errors in one line."""

import argparse
import math
import os
import re
import sys
import warnings
from pathlib import Path

from noisylabels.errors import UserError, did_you_mean
from noisylabels.interrupt import leave_on_signals, open_streams
from noisylabels.runs.files import MEND
from noisylabels.runs.folders import NAME

FORMATS = ("png", "pdf", "svg")
RESUMES = "finished epochs are saved, the same command goes on from there"


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Help texts with the default behind them, where there is one."""

    def _get_help_string(self, action):
        without = action.default is None or isinstance(action.default, bool | list)
        return action.help if without else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line on standard error, exit code 2, with the choice or flag that was meant."""

    def __init__(self, description, epilog=None):
        super().__init__(description=description, epilog=epilog, formatter_class=Formatter, allow_abbrev=False)

    def parse_args(self, args=None, namespace=None):
        """Parse a command line; `set_flags` of the result are the names of the flags in it."""
        found, others = self.parse_known_args(args, namespace)
        if others:
            meant = did_you_mean(others[0].split("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(others)}{meant}")
        absent = argparse.Namespace(**dict.fromkeys(vars(found), self))
        present, _ = self.parse_known_args(args, absent)
        found.set_flags = {name for name, value in vars(present).items() if value is not self}
        return found

    def _check_value(self, action, value):
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            raise argparse.ArgumentError(action, error.message + did_you_mean(value, action.choices)) from None

    def error(self, message):
        self.fail(f"{message} (see --help)")

    def fail(self, message, code=2):
        """Ends the script: one line, and the exit code."""
        self.exit(code, f"{self.prog}: error: {' '.join(str(message).split())}\n")


def number(kind, low, high=math.inf, above=False):
    """An argparse type: a finite number of this kind, low <= x <= high, or low < x if above."""
    def parse(text):
        try:
            value = kind(text) + 0                          # -0.0 becomes 0.0
        except ValueError:
            value = math.nan
        if not (low < value if above else low <= value) or not value <= high or math.isinf(value):
            kinds = "a whole" if kind is int else "a finite"
            bounds = f"above {low}" if above else f"of at least {low}"
            bounds += "" if math.isinf(high) else f" and at most {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kinds} number {bounds}")
        return value
    return parse


def gpu_ids(text):
    """An argparse type: "0", "0,1" or "-1"."""
    if text != "-1" and not all(part.isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is not a GPU id such as 0, a list such as 0,1, or -1 for the CPU")
    return text


def folder(text):
    """An argparse type: a folder that is there, or can be made."""
    for path in (text, *map(str, Path(text).parents)):
        if os.path.exists(path) and not os.path.isdir(path):
            raise argparse.ArgumentTypeError(f"{path!r} is a file, not a folder: give another")
    return text


def folder_name(text):
    """An argparse type: what a folder of runs may be called."""
    if not re.fullmatch(NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of letters, digits, '.', '-' and '_', or is one that "
                                         "other folders have, such as seed1")
    return text


def add_format(parser):
    parser.add_argument("--format", choices=FORMATS, default="png", help="of figures")


def main(parser, run, argv=None, stopped=RESUMES):
    """Parse a command line, by default that of the process, and call run(args), the script's body.

    Errors of the user or of the disk end in one line and exit code 2. `stopped` says what Ctrl-C
    leaves.
    """
    open_streams()
    args = parser.parse_args(argv)
    warnings.showwarning = lambda message, *_: print(f"{parser.prog}: warning: {message}", file=sys.stderr)
    again = any(flag.startswith("--overwrite") for flag in argv or sys.argv)
    leave_on_signals(f"{parser.prog}: interrupted; {stopped}{', but makes again what is finished' * again}\n")
    try:
        run(args)
        sys.stdout.flush()
    except UserError as error:
        parser.fail(error, error.code)
    except OSError as error:
        if error.filename is None:                          # standard output: nothing more can be written there
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        parser.fail(f"{error.filename or 'standard output'}: {error.strerror or error}; {MEND}")
