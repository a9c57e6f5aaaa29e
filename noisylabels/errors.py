"""The one kind of error that is the user's to mend."""
import difflib


class UserError(Exception):
    """Something a user can cause and mend: the scripts show it as one line, without traceback, and exit with `code`."""

    code = 2


def did_you_mean(word, choices):
    """The end of a message on a word that is no choice: the one that it is like, if there is one."""
    near = difflib.get_close_matches(str(word), [*map(str, choices)], 1)
    return f"; did you mean {near[0]}?" if near else ""
