"""The selection with networks: one, trained anew for each half of each iteration, scores the other half."""
import numpy as np

from noisylabels.methods import method_class
from noisylabels.methods.base import Given
from noisylabels.selection.algorithm import incv, is_selected
from noisylabels.selection.files import write_selection
from noisylabels.theory import label_loss
from noisylabels.training.device import start_tensorflow
from noisylabels.training.trainer import Trainer, build


def select(experiment, run):
    """Runs the selection, or what is left of it, in a session of its run, and writes its files."""
    arguments, dataset = experiment.arguments, experiment.dataset
    with run.session(start_tensorflow(experiment.gpu_id, not experiment.jit_compile)):
        print(experiment)
        train = CrossValidation(experiment, run)
        result = incv(train, dataset.y_train, experiment.y_noisy, dataset.n_classes, experiment.assumed_pattern,
                      arguments["INCV_iter"], arguments["top_k"], experiment.seed)
        write_selection(experiment, result, train.history)
        run.finish(**result.iterations[-1])


class CrossValidation:
    """The `train` that algorithm.incv calls: one network, one compiled step, a checkpoint for each of the trainings."""

    def __init__(self, experiment, run):
        self.experiment, self.run, self.history = experiment, run, []
        settings, dataset = experiment.settings, experiment.dataset
        given = Given(dataset.x_train, experiment.y_noisy, dataset.n_classes, settings.batch_size, settings.epochs)
        self.method = build(method_class("standard"), given, settings, experiment.seed)
        self.trainer = Trainer(self.method, experiment.clean, settings.augmentation, settings.rate,
                               experiment.jit_compile)

    def __call__(self, stage, samples, held_out, use_best):
        epochs, top_k = self.experiment.settings.epochs, self.experiment.arguments["top_k"]
        y = self.experiment.y_noisy[held_out]

        def after_epoch(epoch, memory):
            if not use_best and epoch < epochs - 1:
                return {"heldout_accuracy": None}
            p = self.method.probabilities(self.trainer.images, held_out)
            accuracy = float(np.mean(p.argmax(axis=1) == y))
            if accuracy > memory.get("accuracy", -1) or not use_best:
                memory.update(accuracy=np.array(accuracy), hit=is_selected(p, y, top_k), loss=label_loss(p, y))
            return {"heldout_accuracy": accuracy}

        self.method.restart(samples)
        rows, memory = self.trainer.fit(epochs, self.experiment.seed, f"INCV {stage}", self.run.checkpoint(str(stage)),
                                        after_epoch, f"INCV {stage}, {len(samples):,} samples")
        self.history += [{"iteration": stage.iteration, "half": stage.half, **row} for row in rows]
        return memory["hit"], memory["loss"]
