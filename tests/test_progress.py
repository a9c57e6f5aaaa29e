"""How far a command is: what a terminal of any width shows, what a file gets, and the time that is left."""
import io
import re

import pytest
from rich.console import Console

from noisylabels import progress
from noisylabels.progress import Event, Progress, say

ROW = {"loss": 1.23456, "accuracy": .5, "test_accuracy_1": .9, "learning_rate": .001, "seconds": 2.}


def line(width, event, plan=("INCV 1a", "INCV 1b", "standard network")):
    shown = Progress(dict.fromkeys(plan, 1))
    shown.begun[event.training], shown.done[event.training] = 0, event.done
    return shown._line(event, width)


@pytest.mark.parametrize("name", ["INCV 1b", "standard network"])
@pytest.mark.parametrize("row", [None, ROW])
@pytest.mark.parametrize("width", [38, 78, 198])
def test_a_line_fits_a_terminal_of_any_width_and_says_the_most_important(width, row, name):
    text = line(width, Event(name, 200, 198, 150, 390, 2.3456, row))
    number = {"INCV 1b": 2, "standard network": 3}[name]
    assert len(text) <= width and re.match(rf"\({number}/3\) {name[:5]}.*  epoch 199/200  .*ETA \S+$", text)
    if width > 60:
        assert "loss 1.2346" in text if row else "step 150/390  loss 2.346" in text


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: clock[0], in seconds."""
    now = [0.]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_the_time_that_is_left_is_at_the_pace_after_the_first_epoch(clock, capsys):
    """The first one takes twenty seconds, as steps are compiled, and the others two."""
    shown = Progress({"a": 1, "b": 1})
    shown.show(Event("a", 10, 0))
    for epoch, clock[0] in enumerate([20., 22., 24.]):
        shown.show(Event("a", 10, epoch, row=ROW))
    assert [text.split()[-1] for text in capsys.readouterr().out.splitlines()] == ["6:20", "0:36", "0:34"]


def test_two_halves_that_end_their_first_epoch_at_once(clock, capsys):
    """The last step of an epoch has been told before its end: between the two ends nothing is worked."""
    shown = Progress({"a": 1, "b": 1})
    for half in "ab":
        shown.show(Event(half, 10, 0))
    clock[0] = 20.
    for half in "ab":
        shown.show(Event(half, 10, 0, 4, 4, 1.))
    for half, clock[0] in (("a", 20.), ("b", 20.5)):
        shown.show(Event(half, 10, 0, row=ROW))
    assert [text.split()[-1] for text in capsys.readouterr().out.splitlines()] == ["3:00", "3:04"]


def test_what_an_earlier_call_has_done_is_not_the_pace_of_this_one(clock, capsys):
    shown = Progress({"a": 1, "b": 1})
    shown.show(Event("a", 10, 10))
    shown.show(Event("b", 10, 5))
    for epoch, clock[0] in ((5, 3.), (6, 5.)):
        shown.show(Event("b", 10, epoch, row=ROW))
    assert [text.split()[-1] for text in capsys.readouterr().out.splitlines()] == ["0:12", "0:06"]


def test_a_file_gets_a_line_an_epoch_and_quiet_nothing(capsys):
    for quiet in (False, True):
        with Progress({"a": 1}, quiet) as shown:
            shown.show(Event("a", 2, 0, 1, 4, 2.))
            shown.show(Event("a", 2, 0, row=ROW))
    assert re.fullmatch(r"a  epoch 1/2  loss 1.2346  accuracy 0.5000  test_accuracy_1 0.9000  2.0 s  ETA \S+\n",
                        capsys.readouterr().out)


@pytest.mark.parametrize("terminal, expected", [
    (False, "noise sym 0.5, 717 labels wrong (0.499), seed 0\non CPU\n"),
    (True, "noise sym 0.5, 717 labels\n  wrong (0.499), seed 0\non CPU\n")])
def test_the_first_lines_are_broken_between_words(terminal, expected, monkeypatch, capsys):
    monkeypatch.setattr(progress, "Console", lambda: Console(force_terminal=terminal, width=30, file=io.StringIO()))
    say("noise sym 0.5, 717 labels wrong (0.499), seed 0", "on CPU")
    assert capsys.readouterr().out == expected
