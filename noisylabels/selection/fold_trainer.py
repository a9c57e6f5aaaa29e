"""Training and scoring of one fold of INCV."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from noisylabels.experiment import Experiment
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs
from noisylabels.runs.run import Run
from noisylabels.selection.algorithm import FoldId, Scores, score_predictions
from noisylabels.system.progress import Event
from noisylabels.training.trainer import Trainer, build_method


class FoldTrainer:
    """Train a network on the selected samples and half of the candidates, and score the other half.

    All trainings start from the same initial weights, and share one network and one compiled step.

    Parameters
    ----------
    experiment : Experiment
        Data set, observed labels and settings of the selection.
    run : Run
        The run whose checkpoints are written.
    on_event : callable
        Called with each `progress.Event` of the training.
    """

    def __init__(self, experiment: Experiment, run: Run, on_event: Callable[[Event], None]) -> None:
        self.experiment = experiment
        self.run = run
        settings, dataset = experiment.settings, experiment.dataset
        inputs = MethodInputs(
            images=dataset.x_train,
            labels=experiment.y_noisy,
            n_classes=dataset.n_classes,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
        )
        self.method = build_method(
            method_class("standard"),
            inputs,
            settings,
            seed=experiment.seed,
            stage="INCV",
            create=experiment.build,
        )
        self.trainer = Trainer(
            self.method,
            experiment.is_clean,
            settings.augmentation,
            settings.learning_rate_at,
            jit_compile=experiment.execution.jit_compile,
            on_event=on_event,
        )

    def train(
        self, fold_id: FoldId, samples: np.ndarray, held_out: np.ndarray, use_best: bool
    ) -> tuple[Scores, list[dict[str, Any]]]:
        """Train on some samples, or resume that training, and score the held-out samples.

        Parameters
        ----------
        fold_id : FoldId
            The iteration and half. They name the checkpoint and the random streams.
        samples, held_out : np.ndarray
            Indices of the samples to train on and to score.
        use_best : bool
            Score with the weights of the best epoch, or of the best of the last
            `settings.compared_epochs`. Otherwise score with the last weights.

        Returns
        -------
        scores : Scores
            Scores of the held-out samples.
        history : list of dict
            The training log, one row per epoch.
        """
        epochs, compared = self.experiment.settings.epochs, 1
        if use_best:
            compared = self.experiment.settings.compared_epochs or epochs
        top_k = self.experiment.arguments["top_k"]
        y = self.experiment.y_noisy[held_out]

        def after_epoch(epoch: int, memory: dict[str, np.ndarray]) -> dict[str, Any]:
            if epoch < epochs - compared:
                return {"heldout_accuracy": None}
            p = self.method.probabilities(self.trainer.images, held_out)
            accuracy = float(np.mean(p.argmax(axis=1) == y))
            if accuracy > memory.get("accuracy", -1):
                memory.update(score_predictions(p, y, top_k)._asdict())
                memory["accuracy"] = np.array(accuracy)
                if fold_id.iteration > 1:
                    del memory["probabilities"]  # only those of the first iteration are needed
            return {"heldout_accuracy": accuracy}

        self.method.restart(samples)
        rows, memory = self.trainer.fit(
            epochs,
            self.experiment.seed,
            f"INCV {fold_id}",
            self.run.checkpoint(str(fold_id)),
            after_epoch=after_epoch,
            name=f"INCV {fold_id}",
            samples_digest=_digest(samples, held_out),
        )
        scores = Scores(*(memory.get(name) for name in Scores._fields))
        return scores, [{**fold_id._asdict(), **row} for row in rows]


def _digest(samples: np.ndarray, held_out: np.ndarray) -> str:
    """Return a digest of the samples and of the scores that a checkpoint contains."""
    content = np.concatenate([samples, held_out]).tobytes() + repr(Scores._fields).encode()
    return hashlib.sha256(content).hexdigest()[:16]
