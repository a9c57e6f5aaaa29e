"""What a selection does with the answers and errors of its processes."""

import multiprocessing
import threading
from types import SimpleNamespace

import pytest

from noisylabels.errors import UserError
from noisylabels.selection.processes import Trainers
from noisylabels.system.progress import Event


@pytest.fixture
def pipes():
    """Return Trainers of two processes, and the processes' ends of the pipes."""
    trainers = Trainers(None, None, SimpleNamespace(show=lambda event: shown.append(event)))
    shown = trainers.shown = []
    ends = [multiprocessing.Pipe() for _ in range(2)]
    trainers.connections = [here for here, _ in ends]
    return trainers, [there for _, there in ends]


def test_answers_are_in_the_order_of_the_halves(pipes):
    """Show events of a training, which are no answers."""
    trainers, (first, second) = pipes
    event = Event("INCV 1b", 5, 0)
    second.send(event)
    second.send("second")
    threading.Timer(0.3, first.send, ["first"]).start()
    assert trainers.train([("1a", 1, 2), ("1b", 3, 4)], True) == [
        "first",
        "second",
    ] and trainers.shown == [event]
    assert (first.recv(), second.recv()) == (("1a", 1, 2, True), ("1b", 3, 4, True))


def test_one_process_trains_both_halves(pipes):
    trainers, (only, _) = pipes
    trainers.connections = trainers.connections[:1]
    for answer in ("first", "second"):
        only.send(answer)
    assert trainers.train([("1a", 1, 2), ("1b", 3, 4)], False) == ["first", "second"]
    assert (only.recv(), only.recv()) == (("1a", 1, 2, False), ("1b", 3, 4, False))


def test_last_message_of_a_dead_process_is_read(pipes):
    trainers, (first, second) = pipes
    first.send(UserError("too little memory"))
    first.close(), second.close()
    with pytest.raises(UserError, match="^too little memory$"):
        trainers.train([("1a", 1, 2), ("1b", 3, 4)], True)
    with pytest.raises(UserError, match="^a process of the selection has died") as error:
        trainers.train([("1a", 1, 2), ("1b", 3, 4)], True)
    assert error.value.code == 2


def test_error_of_one_half_does_not_wait_for_the_other(pipes):
    trainers, (_, second) = pipes
    second.send(UserError("no GPU 7"))
    with pytest.raises(UserError, match="^no GPU 7$"):
        trainers.train([("1a", 1, 2), ("1b", 3, 4)], True)
