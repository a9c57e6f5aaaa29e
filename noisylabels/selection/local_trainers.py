"""The trainings of a selection in this process, for programs that cannot fork."""

import contextlib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from noisylabels.experiment import Experiment
from noisylabels.runs.run import Run
from noisylabels.selection.algorithm import Fold, Scores
from noisylabels.system.progress import Progress


class LocalTrainers(contextlib.AbstractContextManager):
    """Train folds one after the other in this process; see `processes.Trainers`.

    If TensorFlow is already imported, its configuration does not change.
    """

    def __init__(self, experiment: Experiment, run: Run, progress: Progress) -> None:
        self.experiment, self.run, self.progress = experiment, run, progress

    def start(self) -> dict[str, Any]:
        """Prepare the trainings; return their hardware as far as it is known."""
        execution, settings = self.experiment.execution, self.experiment.settings
        is_configured = "tensorflow" in sys.modules
        device = import_module("noisylabels.training.device")
        computing = {"device": "as configured", "threads": execution.threads}
        if not is_configured:
            computing = device.start_tensorflow(
                execution.gpu_id, threads=execution.threads, precision=settings.precision
            )
        fold_trainer = import_module("noisylabels.selection.fold_trainer")
        self.progress.begin()
        self.trainer = fold_trainer.FoldTrainer(self.experiment, self.run, self.progress.show)
        return computing

    def train(
        self, folds: Sequence[Fold], use_best: bool
    ) -> list[tuple[Scores, list[dict[str, Any]]]]:
        """Return the results of `FoldTrainer.train` for each fold."""
        return [self.trainer.train(*fold, use_best) for fold in folds]

    def __exit__(self, *_: object) -> None:
        """Do nothing, because there are no processes to end."""
