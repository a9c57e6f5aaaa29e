"""The trainings of a selection by ridge regression on embeddings, which take seconds."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from models.ridge import Ridge
from noisylabels.experiment import Experiment
from noisylabels.runs.run import Run
from noisylabels.selection.algorithm import Fold, FoldId, Scores
from noisylabels.selection.label_posterior import (
    fit_inverse_temperature,
    score_labels,
    transition_matrix,
)
from noisylabels.system.hardware import cores
from noisylabels.system.progress import Event, Progress


class RidgeTrainers(contextlib.ExitStack):
    """Train folds like `processes.Trainers`, but in closed form and without a child process."""

    def __init__(self, experiment: Experiment, run: Run, progress: Progress) -> None:
        super().__init__()
        self.experiment, self.progress = experiment, progress
        self.T: np.ndarray | None = None  # noise of the data set, estimated on the first fold

    def start(self) -> dict[str, Any]:
        """Prepare the sums that all folds share; return the hardware, for the record."""
        threads = self.experiment.execution.threads or cores()
        self.enter_context(threadpool_limits(threads))
        dataset = self.experiment.dataset
        self.ridge = Ridge(dataset.x_train, self.experiment.y_noisy, dataset.n_classes)
        self.progress.begin()
        return {"device": "CPU", "threads": threads, "computed_in": "float32"}

    def train(
        self, folds: Sequence[Fold], use_best: bool
    ) -> list[tuple[Scores, list[dict[str, Any]]]]:
        """Return the scores of each fold's held-out samples, and its row of the log."""
        return [self._train(*fold) for fold in folds]

    def _train(
        self, fold_id: FoldId, samples: np.ndarray, held_out: np.ndarray
    ) -> tuple[Scores, list[dict[str, Any]]]:
        start, y = time.perf_counter(), self.experiment.y_noisy
        self.progress.show(Event(f"INCV {fold_id}", 1, 0))
        fit = self.ridge.fit(samples)
        inverse_temperature = fit_inverse_temperature(fit.outputs, y[fit.left_out])
        outputs = self.ridge.outputs(fit.weights, held_out)
        if self.T is None:
            self.T = transition_matrix(outputs, y[held_out])
        top_k = self.experiment.arguments["top_k"]
        scores = score_labels(outputs, y[held_out], inverse_temperature, self.T, top_k=top_k)
        row = {
            **fold_id._asdict(),
            "epoch": 1,
            "penalty": fit.penalty,
            "heldout_accuracy": float(np.mean(scores.predicted == y[held_out])),
            "seconds": round(time.perf_counter() - start, 3),
        }
        self.progress.show(Event(f"INCV {fold_id}", 1, 0, row=row))
        return scores, [row]
