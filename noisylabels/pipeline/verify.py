"""Train on one half of noisy data, test on the other, and compare the scores with the theory."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from noisylabels import theory
from noisylabels.experiment import Experiment
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs
from noisylabels.metrics import confusion_matrix, label_scores
from noisylabels.noise import transition_matrix
from noisylabels.pipeline.plan import TheoryPlan
from noisylabels.runs.atomic_io import write_csv
from noisylabels.runs.run import Run
from noisylabels.seeding import generator
from noisylabels.system.progress import Event, print_wrapped
from noisylabels.training import device
from noisylabels.training.callbacks import every_n_epochs
from noisylabels.training.evaluation import mean_by_correctness
from noisylabels.training.trainer import Trainer, build_method


def verify(plans: list[TheoryPlan], on_event: Callable[[Event], None]) -> None:
    """Train one network per plan, from the same initial weights and with one compiled step.

    Parameters
    ----------
    plans : list of TheoryPlan
        Unfinished plans that differ only in their noise.
    on_event : callable
        Called with each progress.Event of the trainings.
    """
    first = plans[0].experiment
    dataset, settings, execution = first.dataset, first.settings, first.execution
    hardware = device.start_tensorflow(
        execution.gpu_id,
        execution.jit_compile,
        threads=execution.threads,
        batch_size=settings.batch_size,
        precision=settings.precision,
    )
    inputs = MethodInputs(
        images=dataset.x_train,
        labels=first.y_noisy,
        n_classes=dataset.n_classes,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
    )
    method = build_method(
        method_class("standard"), inputs, settings, seed=first.seed, stage="verify"
    )
    trainer = Trainer(
        method,
        first.is_clean,
        settings.augmentation,
        settings.learning_rate_at,
        jit_compile=execution.jit_compile,
        on_event=on_event,
    )
    test_images = device.as_tensor(dataset.x_test)
    halves = generator(first.seed, "halves").permutation(dataset.train_rows)
    trained, held_out = np.array_split(halves, 2)
    held_out = np.sort(held_out)

    def verify_one(experiment: Experiment, run: Run) -> None:
        y_noisy, is_clean = experiment.y_noisy[held_out], experiment.is_clean[held_out]

        def after_epoch(epoch: int, memory: dict[str, np.ndarray]) -> dict[str, float | None]:
            predicted = method.probabilities(trainer.images, held_out).argmax(axis=1)
            memory["predicted"] = predicted
            names = ("acc_mix", "acc_clean", "acc_noisy")
            return mean_by_correctness(predicted == y_noisy, is_clean, names)

        with run.session(lambda: hardware, execution.wait):
            if run.finished:  # by another process, in the meantime
                return
            print_wrapped(experiment, run.location)
            trainer.relabel(experiment.y_noisy, experiment.is_clean)
            method.restart(trained)
            history, memory = trainer.fit(
                settings.epochs,
                first.seed,
                "verify",
                run.checkpoint("main"),
                after_epoch=every_n_epochs(settings.evaluate_every, settings.epochs, after_epoch),
                name=str(experiment.noise),
            )
            accuracy = float("nan")  # without a test set
            if len(dataset.y_test):
                test = method.probabilities(test_images).argmax(axis=1)
                accuracy = (test == dataset.y_test).mean()
            write_results(
                experiment,
                run,
                held_out=held_out,
                predicted=memory["predicted"],
                test_accuracy=accuracy,
                history=history,
            )

    for plan in plans:
        verify_one(plan.experiment, plan.run)


def write_results(
    experiment: Experiment,
    run: Run,
    held_out: np.ndarray,
    predicted: np.ndarray,
    test_accuracy: float,
    history: list[dict],
) -> None:
    """Write TA, LP, LR, the values of the theory, and the confusion matrix M."""
    y, y_noisy = experiment.dataset.y_train[held_out], experiment.y_noisy[held_out]
    noise, n_classes = experiment.noise, experiment.dataset.n_classes
    T = transition_matrix(*noise, n_classes)
    row = {
        "pattern": noise.pattern,
        "ratio": noise.ratio,
        "seed": experiment.seed,
        "TA": (predicted == y_noisy).mean(),
        **label_scores(predicted == y_noisy, y == y_noisy),
        "TA_theory": theory.test_accuracy(T),
        "LP_theory": theory.label_precision(T),
        "LR_theory": theory.label_recall(T),
        "test_accuracy": test_accuracy,
    }
    M = confusion_matrix(predicted, y, n_classes)
    frame = pd.DataFrame(M, range(n_classes), range(n_classes))
    run.begin_outputs()
    write_csv(run.folder / "Verify_Theory_history.csv", pd.DataFrame(history))
    write_csv(run.folder / "Verify_Theory_M.csv", frame, index=True)
    write_csv(run.folder / "Verify_Theory.csv", pd.DataFrame([row]))
    run.finish(**{name: row[name] for name in ("TA", "LP", "LR", "test_accuracy")})
