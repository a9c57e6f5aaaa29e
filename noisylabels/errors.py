"""The one kind of error that is the user's to mend."""


class UserError(Exception):
    """Something a user can cause and mend: the scripts show it as one line, without traceback, and exit with 2."""
