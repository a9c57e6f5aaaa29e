"""One network of the selection: trained anew for each half of each iteration, it scores the other half."""
import hashlib

import numpy as np

from noisylabels.methods import method_class
from noisylabels.methods.base import Given
from noisylabels.selection.algorithm import Scores, scores_of
from noisylabels.training.trainer import Trainer, build


class HalfTrainer:
    """Trains on a half, or goes on from its checkpoint. One network, one compiled step, whatever the half."""

    def __init__(self, experiment, run, tell):
        self.experiment, self.run = experiment, run
        settings, dataset = experiment.settings, experiment.dataset
        given = Given(dataset.x_train, experiment.y_noisy, dataset.n_classes, settings.batch_size, settings.epochs)
        self.method = build(method_class("standard"), given, settings, experiment.seed, "INCV")
        self.trainer = Trainer(self.method, experiment.clean, settings.augmentation, settings.rate,
                               experiment.jit_compile, tell)

    def train(self, stage, samples, held_out, use_best):
        """The Scores of the held-out samples, and the rows of the training's history."""
        epochs, top_k = self.experiment.settings.epochs, self.experiment.arguments["top_k"]
        y = self.experiment.y_noisy[held_out]

        def after_epoch(epoch, memory):
            if not use_best and epoch < epochs - 1:
                return {"heldout_accuracy": None}
            p = self.method.probabilities(self.trainer.images, held_out)
            accuracy = float(np.mean(p.argmax(axis=1) == y))
            if accuracy > memory.get("accuracy", -1) or not use_best:
                memory.update(scores_of(p, y, top_k)._asdict(), accuracy=np.array(accuracy))
                if stage.iteration > 1:
                    del memory["probabilities"]                 # every epoch's checkpoint would hold them
            return {"heldout_accuracy": accuracy}

        digest = hashlib.sha256(np.concatenate([samples, held_out]).tobytes()).hexdigest()[:16]
        self.method.restart(samples)
        rows, memory = self.trainer.fit(epochs, self.experiment.seed, f"INCV {stage}", self.run.checkpoint(str(stage)),
                                        after_epoch, f"INCV {stage}", digest)
        scores = Scores(*(memory.get(name) for name in Scores._fields))
        return scores, [{**stage._asdict(), **row} for row in rows]
