"""Carry out a plan: first a missing selection, then the trainings that are left."""

from dataclasses import replace

from noisylabels.pipeline.plan import SelectionPlan, TrainingPlan
from noisylabels.report import draw
from noisylabels.report.console import print_selection
from noisylabels.selection.processes import select
from noisylabels.selection.selection_csv import Selected, csv_path, find_selection
from noisylabels.system.progress import Progress


def carry_out(plan: TrainingPlan, quiet: bool) -> None:
    """Run a missing selection, then the trainings that are left."""
    with Progress(plan.work, quiet) as progress:
        if plan.selection:
            plan = plan.with_selection(make_selection(plan.selection, plan, progress))
        elif plan.selected:
            complete_selection_files(plan)
        progress.begin()
        from noisylabels.pipeline.train import train  # with TensorFlow, after all checks

        for training in plan.pending:
            train(training.ready(), progress.show)


def make_selection(selection: SelectionPlan, plan: TrainingPlan, progress: Progress) -> Selected:
    """Run INCV, print its result and read it."""
    experiment = selection.experiment
    select(experiment, selection.run, progress)
    draw.selection_files(experiment.folder, experiment.dataset)
    print_selection(experiment.folder, experiment.dataset)
    return find_selection(replace(experiment, overwrite=False), decisions=plan.decisions)


def complete_selection_files(plan: TrainingPlan) -> None:
    """Draw the figures of a selection whose process was killed before it drew them."""
    csv = plan.selected.path
    is_ours = plan.selected.made and csv == csv_path(plan.experiment)
    if is_ours and not (csv.parent / "review.html").exists():
        draw.selection_files(csv.parent, plan.experiment.dataset)
