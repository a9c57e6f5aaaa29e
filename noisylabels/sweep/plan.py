"""Plan a sweep: the selections that are missing, then all trainings, each a call of a script."""

from argparse import Namespace
from collections.abc import Iterable
from itertools import product

from noisylabels.data.dataset import Dataset
from noisylabels.flag_rules import Call, unused_because
from noisylabels.methods import METHODS
from noisylabels.noise import Noise
from noisylabels.pipeline.load import add_noise, check_noise_allowed
from noisylabels.pipeline.plan import TrainingPlan, plan_training
from noisylabels.pipeline.resolve import OVERRIDES
from noisylabels.selection.selection_csv import RECORD
from noisylabels.sweep.tasks import Task

TRAINING_FLAGS = (
    "decisions",
    "epochs",
    "evaluate_every",
    "wait",
    "validation_split",
    "test_split",
)  # INCV.py has none of them


def plan_sweep(
    args: Namespace, dataset: Dataset, settings: Iterable[Noise], run_flags: Iterable[str]
) -> list[Task]:
    """Return the tasks of a sweep in an order in which they can run.

    Parameters
    ----------
    args : Namespace
        Parsed arguments of sweep.py.
    dataset : Dataset
        The data set.
    settings : iterable of Noise
        Noise settings.
    run_flags : iterable of str
        Names of flags for the runs.

    Raises
    ------
    UserError
        A run is not possible.
    """
    selections: dict[str, Task] = {}
    trainings: dict[str, Task] = {}
    methods = sorted(args.methods, key=[*METHODS].index)  # a teacher comes before its student
    for noise, seed, method in product(settings, args.seeds, methods):
        title = f"{noise} seed {seed}"
        data = add_noise(dataset, check_noise_allowed(args, dataset, noise), seed)
        plan = plan_training(args, data, method)
        # A student without a task for its teacher trains the teacher itself, on a new selection.
        is_alone = plan.teacher is not None and f"{plan.teacher.method} {title}" not in trainings
        axes = axis_flags(noise, seed)
        if plan.selection and not (is_alone and args.overwrite_selection):
            selections.setdefault(
                title, selection_task(args, plan, title=title, axes=axes, run_flags=run_flags)
            )
        selection = selections.get(title) if plan.selection else None
        flags = [*axes, "--method", method, *command_flags(args, run_flags, method)]
        if selection and not is_alone:  # the task of the selection repeats it
            flags = [flag.replace("--overwrite_selection", "--overwrite") for flag in flags]
        needs = selection
        if plan.teacher:
            needs = trainings.get(f"{plan.teacher.method} {title}", selection)
        work = plan.work
        if plan.selection:
            work = {name: value for name, value in work.items() if name not in plan.selection.work}
        trainings[f"{method} {title}"] = Task(
            f"{method} {title}",
            "INCV_main",
            flags,
            plan.experiment.folder / f"{method}_training.json",
            done=plan.finished,
            work=sum(work.values()),
            needs=needs,
        )
    return [*selections.values(), *trainings.values()]


def selection_task(
    args: Namespace, plan: TrainingPlan, title: str, axes: list[str], run_flags: Iterable[str]
) -> Task:
    """Return the task that makes the selection of a training."""
    flags = []
    ignored = {*TRAINING_FLAGS, "overwrite"}
    if plan.experiment.dataset.is_embedded:
        ignored.update(OVERRIDES)
    for name in run_flags:
        if name not in ignored:
            flags.append("overwrite" if name == "overwrite_selection" else name)
    shown = Namespace(**{**vars(args), "overwrite": args.overwrite_selection})
    return Task(
        f"selection {title}",
        "INCV",
        axes + command_flags(shown, flags, None),
        plan.selection.experiment.folder / RECORD,
        work=sum(plan.selection.work.values()),
    )


def axis_flags(noise: Noise, seed: int) -> list[str]:
    """Return the flags of a noise setting and a seed."""
    ratio = [] if noise.ratio is None else ["--noise_ratio", str(noise.ratio)]
    return ["--noise_pattern", noise.pattern, *ratio, "--seed", str(seed)]


def command_flags(args: Namespace, names: Iterable[str], method: str | None) -> list[str]:
    """Return the flags of these names with their values, where they have an effect."""
    flags = []
    for name in names:
        value = getattr(args, name)
        if unused_because(name, Call(args, method)) is None:
            flags.append(f"--{name}")
            flags += [] if value is True else [str(value)]
    return flags
