"""The selection as a run: its trainings in processes of their own, so that this one does without TensorFlow.

The two halves of an iteration are independent. Side by side, each in a process with its share of the cores or a GPU of
its own, they are faster than one after the other in one process with all; the result is the same to the last digit for
the same number of threads a training. The processes share the images' memory, and end with this one, however it ends.
"""
import contextlib
import multiprocessing
import signal
import sys
import traceback
from importlib import import_module
from multiprocessing.connection import wait

from noisylabels.errors import UserError
from noisylabels.selection import issues
from noisylabels.selection.algorithm import Stage, incv
from noisylabels.selection.selection_csv import csv_path, write_selection
from noisylabels.system.child_processes import die_with
from noisylabels.system.progress import Event, print_wrapped


def trainings(experiment):
    """{name: work} of the trainings to come, for a Progress: samples times epochs, as far as can be foreseen."""
    n, epochs = len(experiment.y_noisy), experiment.settings.epochs
    return {f"INCV {Stage(i, half)}": epochs * n * (.5 if i == 1 else .7)
            for i in range(1, experiment.arguments["INCV_iter"] + 1) for half in "ab"}


def select(experiment, run, progress):
    """Runs the selection, or what is left of it, in a session of its run, and writes its files."""
    arguments, dataset, history = experiment.arguments, experiment.dataset, []

    def train(halves, use_best):
        answers = trainers.train(halves, use_best)
        history.extend(row for _, rows in answers for row in rows)
        return [scores for scores, _ in answers]

    with Trainers(experiment, run, progress) as trainers, run.session(trainers.start, wait=True):
        if run.finished:                # by another process, for which this one has waited
            return
        print_wrapped(experiment, run.place)
        result = incv(train, dataset.y_train, experiment.y_noisy, dataset.n_classes, experiment.assumed_pattern,
                      arguments["INCV_iter"], arguments["top_k"], experiment.seed)
        run.begin_outputs()
        (experiment.folder / "review.html").unlink(missing_ok=True)     # of a selection before; it is drawn last
        write_selection(experiment, result, history)
        run.finish([csv_path(experiment)], **result.iterations[-1], **issues.scores(experiment, result))


class Trainers(contextlib.AbstractContextManager):
    """The processes that train halves: one for each of experiment.execution.gpu_ids, so one, or two side by side."""

    def __init__(self, experiment, run, progress):
        self.experiment, self.run, self.progress = experiment, run, progress
        self.processes, self.connections = [], []

    def start(self):
        """Starts them. Returns what they compute on, for the record."""
        # A fork shares the images, and costs nothing as long as this process has no TensorFlow.
        fork = sys.platform == "linux" and "tensorflow" not in sys.modules
        context = multiprocessing.get_context("fork" if fork else "spawn")
        sys.stdout.flush()
        for gpu_id in self.experiment.execution.gpu_ids:
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, self.experiment, self.run, gpu_id), daemon=True)
            process.start()
            there.close()
            self.processes.append(process)
            self.connections.append(here)
        self.progress.begin()
        return self._receive(self.connections)[0]

    def train(self, halves, use_best):
        """The answers of networks.HalfTrainer.train to each half."""
        answers, n = [], len(self.connections)
        for together in (halves[i:i + n] for i in range(0, len(halves), n)):
            for connection, half in zip(self.connections, together):
                with contextlib.suppress(ConnectionError):      # of one that has died; what it said is received
                    connection.send((*half, use_best))
            answers += self._receive(self.connections[:len(together)])
        return answers

    def _receive(self, connections):
        """What each process sends next, in their order. Raises a UserError that is sent, as soon as it comes."""
        answers = {}
        while len(answers) < len(connections):
            for connection in wait([connection for connection in connections if connection not in answers]):
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

    def _died(self):
        """The error of a process that is gone; where a signal ended it, with the exit code as if it had hit this."""
        error = UserError("a process of the selection has died, perhaps because the memory ran out: finished epochs "
                          "are saved, the same command goes on; --parallel_halves off takes less memory")
        for process in self.processes:
            process.join(1)
            if (process.exitcode or 0) < 0:
                error.code = 128 - process.exitcode
        return error

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.join()


def _serve(connection, experiment, run, gpu_id):
    """The life of a process: says on what it computes, and trains each half that it is given."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)            # it is for the parent to hear
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(multiprocessing.parent_process().pid)
    try:
        device = import_module("noisylabels.training.device")
        connection.send(device.start_tensorflow(gpu_id, experiment.execution.jit_compile, experiment.execution.threads,
                                                experiment.settings.batch_size, experiment.settings.precision))
        trainer = import_module("noisylabels.selection.half_trainer").HalfTrainer(experiment, run, connection.send)
        while True:
            connection.send(trainer.train(*connection.recv()))
    except UserError as error:
        connection.send(error)
    except (EOFError, ConnectionError):
        pass                                                # the parent is gone
    except Exception:
        traceback.print_exc()
