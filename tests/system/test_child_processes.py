"""Functions called in a child process."""

import os
import signal

import pytest

from noisylabels.errors import UserError
from noisylabels.system.child_processes import call_in_child


def reports(first, second, report):
    report(f"{first} {second}")
    report(str(os.getpid()))


def fails(report):
    report("begun")
    raise UserError("too small")


def dies(report):
    os.kill(os.getpid(), signal.SIGKILL)


def breaks(report):
    raise KeyError("a mistake")


def test_lines_are_reported_by_another_process():
    lines = []
    call_in_child(__name__, "reports", "a", 2, report=lines.append)
    assert lines[0] == "a 2" and int(lines[1]) != os.getpid()


def test_an_error_of_the_user_is_raised_here():
    lines = []
    with pytest.raises(UserError, match="too small"):
        call_in_child(__name__, "fails", report=lines.append)
    assert lines == ["begun"]


@pytest.mark.parametrize("function, code", [("dies", 137), ("breaks", 2)])
def test_a_process_that_dies_is_an_error(function, code, capfd):
    with pytest.raises(UserError, match="a child process has died") as caught:
        call_in_child(__name__, function, report=str)
    assert caught.value.code == code
    assert ("a mistake" in capfd.readouterr().err) == (function == "breaks")
