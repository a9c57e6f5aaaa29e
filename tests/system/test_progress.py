"""Progress: terminals of any width, files, and the remaining time."""

import io
import re

import pytest
from rich.console import Console

from noisylabels.system import progress
from noisylabels.system.progress import Event, Progress, print_wrapped

ROW = {
    "loss": 1.23456,
    "accuracy": 0.5,
    "test_accuracy_1": 0.9,
    "learning_rate": 0.001,
    "seconds": 2.0,
}


def line(width, event, plan=("INCV 1a", "INCV 1b", "standard network")):
    shown = Progress(dict.fromkeys(plan, 1))
    shown.begun[event.training], shown.done[event.training] = 0, event.done
    return shown._line(event) if width is None else shown._live_line(event, width)


@pytest.mark.parametrize("name", ["INCV 1b", "standard network"])
@pytest.mark.parametrize("row", [None, ROW])
@pytest.mark.parametrize("width", [38, 78, 198])
def test_line_fits_any_width_most_important_first(width, row, name):
    text = line(width, Event(name, 200, 198, 150, 390, 2.3456, row))
    number = {"INCV 1b": 2, "standard network": 3}[name]
    assert len(text) <= width and re.match(
        rf"\({number}/3\) {name[:5]}.*  epoch 199/200  .*ETA \S+$", text
    )
    if width > 60:
        assert "loss 1.2346" in text if row else "step 150/390  loss 2.346" in text


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that the test moves: clock[0], in seconds."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_remaining_time_ignores_the_first_epoch(clock, capsys):
    """It takes twenty seconds, as steps are compiled, and the others two."""
    shown = Progress({"a": 1, "b": 1})
    shown.show(Event("a", 10, 0))
    for epoch, clock[0] in enumerate([20.0, 22.0, 24.0]):
        shown.show(Event("a", 10, epoch, row=ROW))
    assert [text.split()[-1] for text in capsys.readouterr().out.splitlines()] == [
        "6:20",
        "0:36",
        "0:34",
    ]


def test_unplanned_training_is_shown(clock, capsys):
    """The rest is counted without it."""
    shown = Progress({"a": 1, "b": 1})
    shown.show(Event("its own", 10, 0, row=ROW))
    for epoch, clock[0] in enumerate([20.0, 22.0]):
        shown.show(Event("a", 10, epoch, row=ROW))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("its own  epoch 1/10") and lines[2].split()[0] == "(1/2)"


def test_two_halves_ending_their_first_epoch_together(clock, capsys):
    """The last step is reported before the epoch's end; nothing is done in between."""
    shown = Progress({"a": 1, "b": 1})
    for half in "ab":
        shown.show(Event(half, 10, 0))
    clock[0] = 20.0
    for half in "ab":
        shown.show(Event(half, 10, 0, 4, 4, 1.0))
    for half, clock[0] in (("a", 20.0), ("b", 20.5)):
        shown.show(Event(half, 10, 0, row=ROW))
    assert [text.split()[-1] for text in capsys.readouterr().out.splitlines()] == ["3:00", "3:04"]


def test_resumed_epochs_do_not_count_for_the_pace(clock, capsys):
    shown = Progress({"a": 1, "b": 1})
    shown.show(Event("a", 10, 10))
    shown.show(Event("b", 10, 5))
    for epoch, clock[0] in ((5, 3.0), (6, 5.0)):
        shown.show(Event("b", 10, epoch, row=ROW))
    assert [text.split()[-1] for text in capsys.readouterr().out.splitlines()] == ["0:12", "0:06"]


def test_file_gets_a_line_per_epoch_and_quiet_nothing(capsys):
    for quiet in (False, True):
        with Progress({"a": 1}, quiet) as shown:
            shown.show(Event("a", 2, 0, 1, 4, 2.0))
            shown.show(Event("a", 2, 0, row=ROW))
    assert re.fullmatch(
        r"a  epoch 1/2  loss 1.2346  accuracy 0.5000  test_accuracy_1 0.9000  2.0 s  ETA \S+\n",
        capsys.readouterr().out,
    )


def test_line_of_a_file_has_the_known_values(clock, capsys):
    shown = Progress({"a": 1})
    shown.show(Event("a", 2, 0))
    clock[0] = 3.0
    shown.show(
        Event(
            "a",
            2,
            0,
            row={
                "loss": 1,
                "accuracy": 0.5,
                "heldout_loss_1": None,
                "acc_mix": 0.25,
                "LP": 0.5,
                "heldout_accuracy_1": 0.125,
                "kept": 3,
                "seconds": 2.04,
            },
        )
    )
    assert capsys.readouterr().out == (
        "a  epoch 1/2  loss 1.0000  accuracy 0.5000  acc_mix 0.2500  heldout_accuracy_1 0.1250  "
        "2.0 s  ETA 0:03\n"
    )


def test_lines_are_flushed_at_once(monkeypatch):
    file = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(file, encoding="utf-8"))
    print_wrapped("seed 0")
    assert file.getvalue() == b"seed 0\n"
    Progress({"a": 1}).show(Event("a", 1, 0, row=ROW))
    assert file.getvalue().endswith(b"2.0 s  ETA ?\n")


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes a Progress on a terminal of a width."""
    made = []

    def terminal(width, plan, quiet=False):
        monkeypatch.setattr(
            progress,
            "terminal",
            lambda: Console(highlight=False, force_terminal=True, width=width, file=io.StringIO()),
        )
        made.append(Progress(plan, quiet))
        return made[-1]

    yield terminal
    for shown in made:
        shown.__exit__()


def seen(shown, *event, **more):
    """Return the line on the terminal after an event."""
    shown.show(Event(*event, **more))
    return str(shown.live.get_renderable().text)


def test_terminal_weighs_trainings_by_work(clock, terminal):
    """The second takes half as much again, and half of it was done before."""
    clock[0] = 5.0
    shown = terminal(85, {"a": 2, "b": 3})
    clock[0] = 10.0
    assert seen(shown, "a", 10, 0) == "(1/2) a  epoch 1/10  step 0/1  loss 0.000  ETA ?"
    live, clock[0] = shown.live, 14.0
    assert (
        seen(shown, "a", 10, 0, 1, 4, 2.5) == "(1/2) a  epoch 1/10  step 1/4  loss 2.500  ETA 6:36"
    )
    clock[0] = 30.0
    whole = "(1/2) a  epoch 1/10  loss 1.2346  accuracy 0.5000  test_accuracy_1 0.9000  ETA 8:00"
    assert seen(shown, "a", 10, 0, row=ROW) == whole and len(whole) == 83
    clock[0] = 40.0
    assert seen(shown, "a", 10, 1, row=ROW).endswith("ETA 3:50")
    clock[0] = 50.0
    assert seen(shown, "b", 10, 5) == "(2/2) b  epoch 6/10  step 0/1  loss 0.000  ETA 2:35"
    assert seen(shown, "b", 10, 10) == "(2/2) b  epoch 10/10  step 0/1  loss 0.000  ETA 1:20"
    assert shown.live is live


@pytest.mark.parametrize(
    "width, line",
    [
        (84, "(1/2) a  epoch 1/10  loss 1.2346  accuracy 0.5000  ETA 8:00"),
        (61, "(1/2) a  epoch 1/10  loss 1.2346  accuracy 0.5000  ETA 8:00"),
        (60, "(1/2) a  epoch 1/10  loss 1.2346  ETA 8:00"),
        (31, "(1/2) a  epoch 1/10  ETA 8:00"),
        (30, "(1/2)   epoch 1/10  ETA 8:00"),
        (15, "  epoch 1/10 "),
    ],
)
def test_values_that_do_not_fit_are_left_out(width, line, clock, terminal):
    shown = terminal(width, {"a": 2, "b": 3})
    shown.show(Event("a", 10, 0))
    clock[0] = 20.0
    assert seen(shown, "a", 10, 0, row=ROW) == line


def test_single_training_has_no_number_and_quiet_is_silent(clock, terminal):
    assert (
        seen(terminal(30, {"standard network": 1}), "standard network", 10, 0)
        == "standard   epoch 1/10  ETA ?"
    )
    quiet = terminal(30, {"a": 1}, quiet=True)
    quiet.show(Event("a", 10, 0))
    assert quiet.live is None


@pytest.mark.parametrize(
    "isatty, TERM, able", [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
def test_live_terminals_are_recognised(isatty, TERM, able, monkeypatch):
    """A file is not one, whatever FORCE_COLOR says, and neither is an editor's shell."""
    monkeypatch.setenv("FORCE_COLOR", "1"), monkeypatch.setenv("TERM", TERM)
    monkeypatch.setattr("sys.stdout.isatty", lambda: isatty)
    assert progress.terminal().is_terminal == able


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0:00"),
        (59.4, "0:59"),
        (59.6, "1:00"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (36061, "10:01:01"),
    ],
)
def test_durations_are_printed_as_minutes_and_hours(seconds, text):
    assert progress.clock(seconds) == text and progress.seconds_of(text) == round(seconds)


def test_columns_0_means_a_width_of_80(monkeypatch, capsys):
    """Some shells set it if the width is unknown."""
    monkeypatch.setenv("COLUMNS", "0")
    monkeypatch.setattr(progress, "is_live_terminal", lambda: True)
    print_wrapped("word " * 17)
    assert [len(text) for text in capsys.readouterr().out.splitlines()] == [79, 6]


@pytest.mark.parametrize(
    "on_terminal, expected",
    [
        (False, "noise sym 0.5, 717 labels wrong (0.499), seed 0\non CPU\n"),
        (True, "noise sym 0.5, 717 labels\n  wrong (0.499), seed 0\non CPU\n"),
    ],
)
def test_first_lines_wrap_between_words(on_terminal, expected, monkeypatch, capsys):
    monkeypatch.setattr(
        progress,
        "terminal",
        lambda: Console(force_terminal=on_terminal, width=30, file=io.StringIO()),
    )
    print_wrapped("noise sym 0.5, 717 labels wrong (0.499), seed 0", "on CPU")
    assert capsys.readouterr().out == expected
    path = "/results/with-hyphens-and-longer-than-a-line"
    print_wrapped(f"on CPU; to {path} again")
    assert capsys.readouterr().out == f"on CPU; to{{}}{path}{{}}again\n".format(
        *["\n  "] * 2 if on_terminal else "  "
    )
