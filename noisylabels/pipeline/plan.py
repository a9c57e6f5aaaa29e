"""Plan the runs of a command line: settings, folders, and the results that already exist."""

import warnings
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from noisylabels.errors import UserError
from noisylabels.experiment import Experiment, NoisyData
from noisylabels.methods import METHODS, SELECTION_METHODS
from noisylabels.names import listed
from noisylabels.pipeline.resolve import (
    make_experiment,
    selection_experiment,
    training_experiment,
)
from noisylabels.report.read import read_classes
from noisylabels.runs.record import read_record
from noisylabels.runs.run import Run
from noisylabels.selection.decisions import Decisions, read_decisions
from noisylabels.selection.issues import CLASSES, ISSUES
from noisylabels.selection.processes import expected_work
from noisylabels.selection.selection_csv import (
    RECORD,
    Selected,
    csv_path,
    find_selection,
    load_selection,
    selection_run,
)

THEORY_FILES = ("Verify_Theory.csv", "Verify_Theory_M.csv", "Verify_Theory_history.csv")


@dataclass(frozen=True, eq=False)
class SelectionPlan:
    """A selection of clean samples, finished or not."""

    experiment: Experiment
    run: Run

    @property
    def work(self) -> dict[str, float]:
        """Return the work left, {training: expected samples times epochs}."""
        return {} if self.run.finished else expected_work(self.experiment)


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """A training by one method, with the selection and the teacher networks that it needs."""

    experiment: Experiment
    method: str
    selection: SelectionPlan | None = None  # a selection that has to be made first
    selected: Selected | None = None  # a selection that exists
    decisions: Decisions | None = None  # a person's decisions on the selection
    teacher: "TrainingPlan | None" = None  # a training whose networks the method needs
    run: Run | None = None  # None until the selection and the teacher exist

    @property
    def finished(self) -> bool:
        """Return whether the result exists."""
        return self.run is not None and self.run.finished

    @property
    def pending(self) -> "list[TrainingPlan]":
        """Return the trainings that are left, the teacher first."""
        return [plan for plan in (self.teacher, self) if plan and not plan.finished]

    @property
    def replaced(self) -> set[str]:
        """Return the names of the runs whose files this plan writes."""
        return {f"{plan.method}_training" for plan in self.pending} | (
            {"INCV"} if self.selection else set()
        )

    @property
    def needs_selection_figures(self) -> bool:
        """Return whether figures and review page of the selection still have to be written."""
        if self.selected is None:
            return self.selection is not None
        csv = self.selected.path
        is_default_csv = bool(self.selected.made) and csv == csv_path(self.experiment)
        has_issues = (csv.parent / ISSUES).exists()
        return is_default_csv and has_issues and not (csv.parent / "review.html").exists()

    @property
    def work(self) -> dict[str, float]:
        """Return the work left, {training: expected samples times epochs}."""
        work = self.selection.work if self.selection else {}
        for plan in self.pending or [self]:
            sample_epochs = plan.experiment.settings.epochs * len(
                plan.experiment.dataset.train_rows
            )
            if plan.experiment.arguments.get("f_correction_T") == "estimated":
                work["standard network"] = sample_epochs
            work[plan.method] = sample_epochs * METHODS[plan.method].cost
        return work

    def with_selection(self) -> "TrainingPlan":
        """Return the plan with its selection, which has just been made."""
        experiment, run = self.selection.experiment, self.selection.run
        record = read_record(run.record_path)
        selected = load_selection(experiment, csv_path(experiment), record, self.decisions)
        teacher = self.teacher and replace(self.teacher, selection=None, selected=selected)
        return replace(self, selection=None, selected=selected, teacher=teacher)

    def with_run(self) -> "TrainingPlan":
        """Return the plan with its run. Its selection and its teacher must exist."""
        return replace(self, run=training_run(self.experiment, self.method, self.selected))


@dataclass(frozen=True, eq=False)
class TheoryPlan:
    """A comparison of a trained network with the theory, at one noise ratio."""

    experiment: Experiment
    run: Run


def plan_theory(args: Namespace, data: NoisyData) -> TheoryPlan:
    """Plan the verification of the theory on noisy data."""
    n_samples, description = len(data.dataset.train_rows) // 2, "half of the training set"
    experiment = make_experiment(args, "verify", data, (n_samples, description), epochs=args.epochs)
    run = Run(
        experiment.folder,
        "Verify_Theory",
        arguments=experiment.identity,
        overwrite=experiment.overwrite,
        outputs=THEORY_FILES,
    )
    return TheoryPlan(experiment, run)


def plan_selection(args: Namespace, data: NoisyData) -> SelectionPlan:
    """Plan a selection; raise UserError if its folder has one with other settings."""
    experiment = selection_experiment(args, data, args.overwrite)
    return SelectionPlan(experiment, selection_run(experiment))


def plan_training(
    args: Namespace, data: NoisyData, method: str, overwrite: bool | None = None
) -> TrainingPlan:
    """Plan a training by a method, with its selection and its teacher.

    Parameters
    ----------
    args : Namespace
        Parsed arguments of INCV_main.py.
    data : NoisyData
        Images and observed labels.
    method : str
        One of METHODS. It replaces `args.method`.
    overwrite : bool, optional
        Repeat a finished training. By default `args.overwrite`.

    Raises
    ------
    UserError
        The arguments contradict each other, or they do not fit the data or the existing files.
    """
    decisions = selection = selected = teacher = run = None
    if args.decisions:
        decisions = read_decisions(args.decisions, data.dataset, data.y_noisy)
    overwrite = args.overwrite if overwrite is None else overwrite
    if method in SELECTION_METHODS:
        overwrite = overwrite or (args.overwrite_selection and not args.selection)
    experiment = training_experiment(
        args, data, method=method, overwrite=overwrite, decisions=decisions
    )
    if method in SELECTION_METHODS:
        wanted = selection_experiment(args, data, args.overwrite_selection)
        selected = find_selection(wanted, args.selection, decisions)
        if selected is None:
            selection = SelectionPlan(wanted, selection_run(wanted))
    if METHODS[method].teacher:
        teacher = plan_training(args, data, METHODS[method].teacher, args.overwrite_selection)
        check_teacher(method, teacher)
    if selection is None and (teacher is None or teacher.finished):
        run = training_run(experiment, method, selected)
    return TrainingPlan(
        experiment,
        method,
        selection=selection,
        selected=selected,
        decisions=decisions,
        teacher=teacher,
        run=run,
    )


def training_run(experiment: Experiment, method: str, selected: Selected | None) -> Run:
    """Return a training's run; raise UserError if its folder has one with other arguments."""
    identity = experiment.identity | {"selection": selected and selected.identity}
    if teacher := METHODS[method].teacher:
        identity["teacher"] = networks_digest(experiment.folder, teacher)
    return Run(
        experiment.folder,
        f"{method}_training",
        arguments=identity,
        overwrite=experiment.overwrite,
        outputs=[f"{method}_{name}.csv" for name in ("training", "result", *METHODS[method].files)],
        other_patterns=[f"{method}_?.keras"],
        remedy=f"another --name or --results_dir, or --method {method} --overwrite",
    )


def network_paths(folder: Path, method: str = "incv") -> list[Path]:
    """Return the paths of both networks that a method with two networks saves."""
    return [folder / f"{method}_{k}.keras" for k in (1, 2)]


def networks_digest(folder: Path, method: str) -> str | None:
    """Return digests of the networks that a method saved; None if they are unknown."""
    record = read_record(folder / f"{method}_training.json") or {}
    files = record.get("files", {})
    return " ".join(files[name] for name in files if name.endswith(".keras")) or None


def check_teacher(method: str, teacher: TrainingPlan) -> None:
    """Raise UserError if networks of a finished teacher are missing or have changed."""
    if not teacher.finished:
        return
    paths = network_paths(teacher.experiment.folder, teacher.method)
    for path, problem in teacher.run.problems(paths):
        raise UserError(
            f"argument --method: {method} learns from the networks of {teacher.method}, but {path} "
            f"is {problem}; run --method {teacher.method} --overwrite first"
        )


def check_class_names(experiment: Experiment, replaced: Iterable[str]) -> None:
    """Raise UserError if remaining runs of the folder have other classes than the data set.

    All runs of a folder share classes.json. `replaced`: names of the runs that are overwritten.
    """
    path, dataset = experiment.folder / CLASSES, experiment.dataset
    if not path.exists() or read_classes(path) in (None, list(dataset.classes)):
        return
    records = [experiment.folder / f"{name}_training.json" for name in METHODS]
    records.append(experiment.folder / RECORD)
    others = [record.name for record in records if record.stem not in replaced and record.exists()]
    if others:
        raise UserError(
            f"{path} has other classes than {dataset.name} has now, and is still used by "
            f"{listed(others)}: use another --name or --results_dir, or move that folder away"
        )


def warn_of_bad_networks(plan: TrainingPlan) -> None:
    """Warn if networks of a finished training are missing or have changed."""
    names = [name for name in plan.run.seen.get("files", {}) if name.endswith(".keras")]
    for path, problem in plan.run.problems([plan.run.folder / name for name in names]):
        warnings.warn(f"{path} is {problem}; --overwrite trains it again", stacklevel=2)
