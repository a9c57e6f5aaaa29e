"""Run a selection, with its trainings in child processes, so this process needs no TensorFlow.

The two halves of an iteration are independent. Side by side they are faster than one after the
other. Each half has a process with its share of the cores, or its own GPU. With equal threads per
training the results are the same to the last digit. The processes share the memory of the images,
and end together with this one.
"""

import contextlib
import multiprocessing
import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any

from noisylabels.errors import UserError
from noisylabels.experiment import Experiment
from noisylabels.runs.run import Run
from noisylabels.selection import issues
from noisylabels.selection.algorithm import Scores, Stage, incv
from noisylabels.selection.selection_csv import csv_path, write_selection
from noisylabels.system.child_processes import begin_child, start_method
from noisylabels.system.progress import Event, Progress, print_wrapped


def trainings(experiment: Experiment) -> dict[str, float]:
    """Return the expected work of each training by name: samples times epochs."""
    n, epochs = len(experiment.y_noisy), experiment.settings.epochs
    return {
        f"INCV {Stage(i, half)}": epochs * n * (0.5 if i == 1 else 0.7)
        for i in range(1, experiment.arguments["INCV_iter"] + 1)
        for half in "ab"
    }


def select(experiment: Experiment, run: Run, progress: Progress) -> None:
    """Run the selection, or resume it, and write its files."""
    arguments, dataset, history = experiment.arguments, experiment.dataset, []

    def train(halves: list[tuple], use_best: bool) -> list[Scores]:
        answers = trainers.train(halves, use_best)
        history.extend(row for _, rows in answers for row in rows)
        return [scores for scores, _ in answers]

    with Trainers(experiment, run, progress) as trainers, run.session(trainers.start, wait=True):
        if run.finished:  # by another process, while this one waited
            return
        print_wrapped(experiment, run.place)
        result = incv(
            train,
            dataset.y_train,
            experiment.y_noisy,
            dataset.n_classes,
            experiment.assumed_pattern,
            arguments["INCV_iter"],
            arguments["top_k"],
            experiment.seed,
        )
        run.begin_outputs()
        (experiment.folder / "review.html").unlink(
            missing_ok=True
        )  # of an earlier selection; it is drawn last
        write_selection(experiment, result, history)
        run.finish(
            [csv_path(experiment)], **result.iterations[-1], **issues.scores(experiment, result)
        )


class Trainers(contextlib.AbstractContextManager):
    """The child processes that train halves: one per entry of `experiment.execution.gpu_ids`."""

    def __init__(self, experiment: Experiment, run: Run, progress: Progress) -> None:
        self.experiment, self.run, self.progress = experiment, run, progress
        self.processes, self.connections = [], []

    def start(self) -> dict[str, Any]:
        """Start the processes; return what they compute on, for the record."""
        context = multiprocessing.get_context(start_method())  # a fork shares the images
        sys.stdout.flush()
        for gpu_id in self.experiment.execution.gpu_ids:
            here, there = context.Pipe()
            process = context.Process(
                target=_serve, args=(there, self.experiment, self.run, gpu_id), daemon=True
            )
            process.start()
            there.close()
            self.processes.append(process)
            self.connections.append(here)
        self.progress.begin()
        return self._receive(self.connections)[0]

    def train(self, halves: list[tuple], use_best: bool) -> list[tuple[Scores, list[dict]]]:
        """Return the results of `HalfTrainer.train` for each half."""
        answers, n = [], len(self.connections)
        for together in (halves[i : i + n] for i in range(0, len(halves), n)):
            for connection, half in zip(self.connections, together):
                with contextlib.suppress(
                    ConnectionError
                ):  # the process died; its last message is received
                    connection.send((*half, use_best))
            answers += self._receive(self.connections[: len(together)])
        return answers

    def _receive(self, connections: list[Connection]) -> list[Any]:
        """Return the next message of each process, in order; raise a UserError that one sends."""
        answers = {}
        while len(answers) < len(connections):
            for connection in wait(
                [connection for connection in connections if connection not in answers]
            ):
                try:
                    answer = connection.recv()
                except (EOFError, ConnectionError):
                    raise self._died() from None
                if isinstance(answer, UserError):
                    raise answer
                if isinstance(answer, Event):
                    self.progress.show(answer)
                else:
                    answers[connection] = answer
        return [answers[connection] for connection in connections]

    def _died(self) -> UserError:
        """Return the error for a process that died; its exit code names the signal."""
        error = UserError(
            "a process of the selection has died, perhaps because the memory ran out: finished "
            "epochs are saved, the same command goes on; --parallel_halves off takes less memory"
        )
        for process in self.processes:
            process.join(1)
            if (process.exitcode or 0) < 0:
                error.code = 128 - process.exitcode
        return error

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def _serve(connection: Connection, experiment: Experiment, run: Run, gpu_id: str | None) -> None:
    """Run a child process: send what it computes on, then train each half that it receives."""
    begin_child()
    try:
        device = import_module("noisylabels.training.device")
        connection.send(
            device.start_tensorflow(
                gpu_id,
                experiment.execution.jit_compile,
                experiment.execution.threads,
                experiment.settings.batch_size,
                experiment.settings.precision,
            )
        )
        trainer = import_module("noisylabels.selection.half_trainer").HalfTrainer(
            experiment, run, connection.send
        )
        while True:
            connection.send(trainer.train(*connection.recv()))
    except UserError as error:
        connection.send(error)
    except (EOFError, ConnectionError):
        pass  # the parent is gone
    except Exception:
        traceback.print_exc()
