"""Errors that a user can fix."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """An error that a user causes and can fix.

    The scripts print it as one line without a traceback, and exit with `code`.
    """

    code = 2


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """Return the end of a message about an unknown word: the choice most like it, or ""."""
    near = difflib.get_close_matches(str(word), [*map(str, choices)], 1)
    return f"; did you mean {near[0]}?" if near else ""
