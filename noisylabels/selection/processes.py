"""Run a selection in child processes, so this process needs no TensorFlow.

The two halves of an iteration are independent, so they train faster in parallel. Each half has a
process with its share of the cores, or its own GPU. With equal threads per training, the results
equal those of sequential training bit by bit. The processes share the memory of the images, and end
with this one.
"""

import contextlib
import functools
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from models import RIDGE
from noisylabels.data.dataset import Dataset
from noisylabels.data.duplicates import Duplicates, find_duplicates
from noisylabels.data.image_source import pictures_of
from noisylabels.errors import UserError
from noisylabels.experiment import Experiment
from noisylabels.runs.run import Run
from noisylabels.selection import issues
from noisylabels.selection.algorithm import Fold, FoldId, Scores, Selection, incv
from noisylabels.selection.label_posterior import noise_ratio
from noisylabels.selection.local_trainers import LocalTrainers
from noisylabels.selection.ridge_trainer import RidgeTrainers
from noisylabels.selection.selection_csv import write_first_results, write_selection
from noisylabels.system.child_processes import begin_child, start_method
from noisylabels.system.progress import Event, Progress, print_wrapped

FIRST_RESULTS_SECONDS = 30  # least duration of an iteration that writes the label issues so far


def expected_work(experiment: Experiment) -> dict[str, float]:
    """Return the expected work of each training by name: samples times epochs."""
    n, epochs = len(experiment.y_noisy), experiment.settings.epochs
    return {
        f"INCV {FoldId(i, half)}": epochs * n * (0.5 if i == 1 else 0.7)
        for i in range(1, experiment.arguments["INCV_iter"] + 1)
        for half in "ab"
    }


def select(
    experiment: Experiment,
    run: Run,
    progress: Progress,
    show_first_results: Callable[[int], None] | None = None,
) -> None:
    """Run the selection, or resume it, and write its files.

    Parameters
    ----------
    experiment : Experiment
        The configuration of the selection.
    run : Run
        The record and the lock of the selection.
    progress : Progress
        Shows the trainings.
    show_first_results : callable, optional
        Called with the number of finished iterations, after each iteration that takes more than
        FIRST_RESULTS_SECONDS, except the last one. The label issues so far have then been written.
        A run that replaces a finished one does not call it.
    """
    page, started = experiment.folder / "review.html", time.monotonic()
    duplicates = functools.cache(lambda: duplicates_of(experiment.dataset))

    def after_iteration(result: Selection) -> None:
        nonlocal started
        seconds, started = time.monotonic() - started, time.monotonic()
        done = len(result.iteration_log)
        is_last = done == experiment.arguments["INCV_iter"]
        if (
            show_first_results
            and seconds > FIRST_RESULTS_SECONDS
            and not is_last
            and not run.replaces_finished
        ):
            write_first_results(experiment, result, duplicates())
            show_first_results(done)
            started = time.monotonic()

    trainer_class = RidgeTrainers if experiment.settings.architecture == RIDGE else Trainers
    with (
        trainer_class(experiment, run, progress) as trainers,
        run.session(trainers.start, wait=True),
    ):
        if run.finished:  # by another process, while this one waited
            return
        print_wrapped(experiment, run.location)
        if not (run.replaces_finished or (experiment.folder / issues.ISSUES).exists()):
            page.unlink(missing_ok=True)  # stale
        started = time.monotonic()  # exclude the start of TensorFlow
        result, history = run_incv(experiment, trainers, after_iteration)
        run.begin_outputs()
        page.unlink(missing_ok=True)  # stale; it is drawn last
        write_selection(experiment, result, duplicates(), history)
        run.finish(
            [experiment.folder / issues.DUPLICATES],
            **result.iteration_log[-1],
            **issues.scores(experiment, result, duplicates()),
        )


def duplicates_of(dataset: Dataset) -> Duplicates:
    """Return the duplicates among the training samples: equal rows or files, similar embeddings."""
    pictures = pictures_of(dataset)
    files = [pictures.path(i) for i in range(len(pictures))] if pictures else []
    return find_duplicates(dataset.x_train, files)


def run_incv(
    experiment: Experiment,
    trainers: "Trainers | LocalTrainers | RidgeTrainers",
    after_iteration: Callable[[Selection], None] | None = None,
) -> tuple[Selection, list[dict[str, Any]]]:
    """Return the selection, and its training log with one row per epoch.

    `after_iteration` is as for `algorithm.incv`.
    """
    arguments, dataset, history = experiment.arguments, experiment.dataset, []

    def train(folds: Sequence[Fold], use_best: bool) -> list[Scores]:
        answers = trainers.train(folds, use_best)
        history.extend(row for _, rows in answers for row in rows)
        return [scores for scores, _ in answers]

    def estimate(scores: Scores, y_noisy: np.ndarray) -> float:
        return noise_ratio(scores.probabilities, y_noisy)

    result = incv(
        train,
        dataset.y_train,
        y_noisy=experiment.y_noisy,
        n_classes=dataset.n_classes,
        pattern=experiment.assumed_pattern,
        iterations=arguments["INCV_iter"],
        top_k=arguments["top_k"],
        seed=experiment.seed,
        after_iteration=after_iteration,
        estimate=estimate if dataset.is_embedded else None,
    )
    return result, history


def choose_trainers(
    experiment: Experiment,
) -> "type[RidgeTrainers] | type[Trainers] | type[LocalTrainers]":
    """Return how to train when the API is called from a user's program.

    Child processes must be forked, because other start methods would run the program again.
    """
    if experiment.settings.architecture == RIDGE:
        return RidgeTrainers
    return Trainers if start_method() == "fork" else LocalTrainers


class Trainers(contextlib.AbstractContextManager):
    """The child processes that train folds: one per entry of `experiment.execution.gpu_ids`."""

    def __init__(self, experiment: Experiment, run: Run, progress: Progress) -> None:
        self.experiment, self.run, self.progress = experiment, run, progress
        self.processes, self.connections = [], []

    def start(self) -> dict[str, Any]:
        """Start the processes; return the hardware of the first one."""
        context = multiprocessing.get_context(start_method())  # a fork shares the images
        sys.stdout.flush()
        for gpu_id in self.experiment.execution.gpu_ids:
            parent_end, child_end = context.Pipe()
            process = context.Process(
                target=_serve, args=(child_end, self.experiment, self.run, gpu_id), daemon=True
            )
            process.start()
            child_end.close()
            self.processes.append(process)
            self.connections.append(parent_end)
        self.progress.begin()
        return self._receive(self.connections)[0]

    def train(
        self, folds: Sequence[Fold], use_best: bool
    ) -> list[tuple[Scores, list[dict[str, Any]]]]:
        """Return the results of `FoldTrainer.train` for each fold."""
        answers, n = [], len(self.connections)
        for group in (folds[i : i + n] for i in range(0, len(folds), n)):
            for connection, fold in zip(self.connections, group):
                with contextlib.suppress(ConnectionError):  # the process died; _receive reports it
                    connection.send((*fold, use_best))
            answers += self._receive(self.connections[: len(group)])
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
            "a process of the selection has died, perhaps because memory ran out; repeat the "
            "command to resume; --parallel_halves off needs less memory"
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
    """Run a child process: send its hardware, then train each fold that it receives."""
    begin_child()
    try:
        device = import_module("noisylabels.training.device")
        connection.send(
            device.start_tensorflow(
                gpu_id,
                experiment.execution.jit_compile,
                threads=experiment.execution.threads,
                batch_size=experiment.settings.batch_size,
                precision=experiment.settings.precision,
            )
        )
        trainer = import_module("noisylabels.selection.fold_trainer").FoldTrainer(
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
