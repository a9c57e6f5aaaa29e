"""Train with a method and write its files."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from noisylabels.experiment import Experiment
from noisylabels.methods import method_class, options_of
from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs, PreparationContext
from noisylabels.methods.standard import standard_probabilities
from noisylabels.noise import PROVIDED
from noisylabels.pipeline.plan import TrainingPlan, network_paths
from noisylabels.report import draw
from noisylabels.runs.atomic_io import write_csv
from noisylabels.seeding import generator
from noisylabels.selection.corrected_labels import scores_of, write_labels
from noisylabels.selection.selection_csv import Selected
from noisylabels.system.progress import Event, print_wrapped
from noisylabels.training import device
from noisylabels.training.backbone import build_backbone
from noisylabels.training.callbacks import combine_callbacks, every_n_epochs
from noisylabels.training.epoch_choice import HeldOutEvaluation, fit_best_epoch
from noisylabels.training.evaluation import Evaluation
from noisylabels.training.export import mean_probabilities, save_inference_model
from noisylabels.training.result_table import NO_TEST_SET, test_accuracies
from noisylabels.training.sampling import stratified_holdout
from noisylabels.training.trainer import Trainer, build_method
from noisylabels.training.training_log import training_log


def train(plan: TrainingPlan, on_event: Callable[[Event], None]) -> None:
    """Train with the method of a plan, or resume that training, and write its files.

    Parameters
    ----------
    plan : TrainingPlan
        The training and the selection that it uses.
    on_event : callable
        Called with each `progress.Event` of the training.

    Raises
    ------
    UserError
        Another process works on the run, the training diverges, or no sample is left.
    """
    experiment, run, name, selected = plan.experiment, plan.run, plan.method, plan.selected
    settings, execution, seed = experiment.settings, experiment.execution, experiment.seed
    method_type = method_class(name)
    start = partial(
        device.start_tensorflow,
        execution.gpu_id,
        execution.jit_compile,
        threads=execution.threads,
        batch_size=settings.batch_size if method_type.shares_batches else None,
        precision=settings.precision,
    )
    with run.session(start, execution.wait):
        if run.finished:  # by another process, in the meantime
            return
        if selected:
            experiment = with_labels(experiment, selected)
        print_wrapped(experiment, *([selected] if selected else []), run.location)
        inputs = method_inputs(experiment, name, selected)

        def create_trainer(method: Method) -> Trainer:
            schedule = method.lr_schedule or settings.lr_schedule
            rate = replace(settings, lr_schedule=schedule).learning_rate_at
            return Trainer(
                method,
                experiment.is_clean,
                settings.augmentation,
                rate,
                jit_compile=execution.jit_compile,
                on_event=on_event,
            )

        method = build_method(method_type, inputs, settings, seed=seed, stage="main")
        train_rows = experiment.dataset.train_rows
        if selected:
            train_rows = np.setdiff1d(train_rows, selected.dropped)
        validation = stratified_holdout(
            train_rows,
            inputs.labels,
            settings.validation_split,
            generator(seed, "validation"),
        )

        def train_standard(samples: np.ndarray, held_out: np.ndarray) -> np.ndarray:
            checkpoint = run.checkpoint("standard")
            probabilities = standard_probabilities(
                samples,
                held_out,
                inputs=inputs,
                settings=settings,
                seed=seed,
                checkpoint=checkpoint,
                create_trainer=create_trainer,
            )
            return probabilities[experiment.dataset.train_rows]

        fit_rows = np.setdiff1d(train_rows, validation)
        method.exclude(np.setdiff1d(np.arange(len(inputs.labels)), fit_rows))
        method.prepare(
            PreparationContext(
                seed=seed,
                train_standard=train_standard,
                teacher_probabilities=partial(
                    mean_probabilities, network_paths(run.folder), inputs.images
                ),
            )
        )
        trainer = create_trainer(method)
        # Held-out samples can select any epoch, so evaluate each.
        interval = 1 if len(method.held_out) else settings.evaluate_every
        evaluation = every_n_epochs(
            interval,
            settings.epochs,
            combine_callbacks(
                Evaluation(method, trainer.images, experiment),
                HeldOutEvaluation(method, trainer.images, validation, "accuracy"),
            ),
        )
        history = fit_best_epoch(
            trainer,
            method.held_out,
            settings.epochs,
            seed,
            stage=name,
            checkpoint=run.checkpoint("main"),
            evaluation=evaluation,
            name=name,
        )
        write_results(plan, experiment, method, history)


def with_labels(experiment: Experiment, selected: Selected) -> Experiment:
    """Return the experiment with the labels of a selection, which a person may have corrected.

    Corrections also apply to the images set aside for testing.

    Parameters
    ----------
    experiment : Experiment
        The configuration with the labels of the data set.
    selected : Selected
        The selection, with a frame of n rows and the indices of dropped samples.

    Returns
    -------
    Experiment
    """
    labels, dataset = selected.frame.y_noisy.to_numpy(int), experiment.dataset
    if selected.decisions and dataset.test_rows is not None:
        given = None if dataset.given is None else labels
        rows = np.setdiff1d(dataset.test_rows, selected.dropped)
        dataset = replace(dataset, given=given).set_aside(rows)
    return replace(experiment, data=replace(experiment.data, dataset=dataset, y_noisy=labels))


def method_inputs(experiment: Experiment, name: str, selected: Selected | None) -> MethodInputs:
    """Return the inputs of a method.

    Parameters
    ----------
    experiment : Experiment
        Training data and facts about the noise.
    name : str
        Name of the method. It determines the options.
    selected : Selected or None
        The selection to train on, if the method uses one.

    Returns
    -------
    MethodInputs
        Inputs with all n training samples; the selection consists of masks, bool (n,).
    """
    data, settings = experiment.data, experiment.settings
    inputs = MethodInputs(
        images=data.dataset.x_train,
        labels=data.y_noisy,
        n_classes=data.dataset.n_classes,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        noise_ratio=data.noise_rate,
        T=data.T,
        assumed_pattern=experiment.assumed_pattern,
        options=options_of(name, experiment.arguments),
    )
    if selected is None:
        return inputs
    frame = selected.frame
    return inputs.with_selection(
        frame.select.to_numpy(), frame.candidate.to_numpy(), frame.eval_ratio[0]
    )


def write_results(
    plan: TrainingPlan, experiment: Experiment, method: Method, history: list[dict]
) -> None:
    """Write networks, matrices, labels, log, result and figures of a training, then its record.

    Parameters
    ----------
    plan : TrainingPlan
        Run and method of the training.
    experiment : Experiment
        The configuration, with the labels of the training.
    method : Method
        The method with its final weights.
    history : list of dict
        The log, one row per epoch.
    """
    run, name, dataset = plan.run, plan.method, experiment.dataset
    log = training_log(history)
    result = test_accuracies(log, method.n_networks)
    if not len(dataset.y_test):
        result["test_labels"] = NO_TEST_SET
    elif not dataset.clean_test:
        result["test_labels"] = PROVIDED
    backbone = dataset.backbone and build_backbone(dataset.backbone)
    run.begin_outputs()
    paths = [run.folder / f"{name}_{k + 1}.keras" for k in range(method.n_networks)]
    for network, path in zip(method.networks, paths, strict=True):
        save_inference_model(
            network,
            path,
            classes=dataset.classes,
            flip_tta=method.flip_tta,
            shift_tta=method.shift_tta,
            backbone=backbone,
        )
    for matrix in method.matrices:
        frame = pd.DataFrame(getattr(method, matrix))
        write_csv(run.folder / f"{name}_{matrix}.csv", frame, index=True)
    labels = write_labels(run.folder / f"{name}_labels.csv", experiment, method.corrected_labels())
    write_csv(run.folder / f"{name}_training.csv", log)
    write_csv(run.folder / f"{name}_result.csv", result.assign(recipe=experiment.recipe))
    draw.training_figures(run.folder, name)
    mean = result.astype(object).set_index("network").loc["mean"].dropna().to_dict()
    run.finish(paths, **mean, **scores_of(labels))
