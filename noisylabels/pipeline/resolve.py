"""Resolve the recipe, flags and folder of a run, and check them against the data."""

from argparse import Namespace
from dataclasses import replace
from typing import Any

import numpy as np

from models import HEADS, RIDGE
from noisylabels.data.dataset import TEST_SPLIT, Dataset
from noisylabels.data.features import RECIPE as FEATURES
from noisylabels.errors import UserError
from noisylabels.experiment import Execution, Experiment, NoisyData
from noisylabels.methods import OPTIONS, PATTERN_AWARE_METHODS
from noisylabels.noise import PROVIDED, default_assumed_pattern
from noisylabels.recipes import RECIPES, SELECTION_DEFAULTS, flips, resolve
from noisylabels.runs.folders import run_folder
from noisylabels.selection.decisions import Decisions
from noisylabels.system.sharing import share_machine

OVERRIDES = (  # flags that change the network or its training
    "architecture",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "batch_size",
    "augmentation",
    "precision",
)


def make_experiment(
    args: Namespace,
    task: str,
    data: NoisyData,
    samples: tuple[int, str],
    epochs: int | None,
    overwrite: bool | None = None,
    **arguments: Any,
) -> Experiment:
    """Resolve recipe, flags and folder of a run.

    Parameters
    ----------
    args : Namespace
        Parsed arguments.
    task : {"INCV", "main", "verify"}
        Task of the recipe.
    data : NoisyData
        Images and observed labels.
    samples : (int, str)
        Number of training samples, and their name in error messages.
    epochs : int or None
        Value of --INCV_epochs for a selection, else of --epochs. None keeps the recipe's.
    overwrite : bool, optional
        Repeat a finished run. By default `args.overwrite`.
    **arguments
        Further values that the result depends on. An `assumed_pattern` of None is replaced by the
        default for the noise pattern.

    Raises
    ------
    UserError
        The flags contradict each other, the labels leave nothing to learn, or a batch has more
        samples than the training set.
    """
    dataset = data.dataset
    n_samples, samples_name = samples
    check_labels(args, data)
    overrides = overrides_of(args, task, dataset)
    if args.no_mirror and flips(overrides["augmentation"] or ""):
        raise UserError(f"argument --no_mirror: --augmentation {args.augmentation} flips images")
    recipe = args.recipe or dataset.default_recipe
    check_inputs(overrides, task, dataset, recipe)
    # In these cases the size of batches and updates depends on the number of samples.
    if dataset.is_custom or dataset.is_embedded or RECIPES[recipe][task].accumulate > 1:
        arguments["samples"] = n_samples
    if task != "INCV" and dataset.test_rows is not None:
        arguments["test_split"] = TEST_SPLIT if args.test_split is None else args.test_split
    assumed = arguments.get("assumed_pattern") or default_assumed_pattern(data.noise.pattern)
    if "assumed_pattern" in arguments:
        arguments["assumed_pattern"] = assumed
    settings = resolve(
        recipe,
        task,
        allows_flips=dataset.may_be_mirrored,
        allows_shifts=dataset.may_be_shifted,
        n_samples=arguments.get("samples"),
        epochs=epochs,
        validation_split=args.validation_split if task == "main" else None,
        evaluate_every=args.evaluate_every if task != "INCV" else None,
        **overrides,
    )
    if settings.batch_size > n_samples:
        raise UserError(
            f"argument --batch_size: {settings.batch_size} is more than the {n_samples} samples of "
            f"{samples_name}; give a smaller number"
        )
    name = args.name
    if name is None and recipe != (dataset.image_recipe or dataset.default_recipe):
        name = recipe
    return Experiment(
        data=data,
        assumed_pattern=assumed,
        recipe=recipe,
        settings=settings,
        folder=run_folder(args.results_dir, dataset.name, data.noise, data.seed, name=name),
        arguments=arguments,
        execution=Execution(
            gpu_id=args.gpu_id,
            gpu_ids=(args.gpu_id,),
            threads=args.threads,
            jit_compile=args.jit_compile,
            wait=getattr(args, "wait", False),
        ),
        overwrite=args.overwrite if overwrite is None else overwrite,
    )


def overrides_of(args: Namespace, task: str, dataset: Dataset) -> dict[str, Any]:
    """Return the values of the flags that change the network or its training, None by default.

    On embeddings, those of INCV_main.py and sweep.py apply to the training, not to the selection.
    """
    if task == "INCV" and dataset.is_embedded and hasattr(args, "method"):
        return dict.fromkeys(OVERRIDES)
    return {name: getattr(args, name) for name in OVERRIDES}


def training_experiment(
    args: Namespace, data: NoisyData, method: str, overwrite: bool, decisions: Decisions | None
) -> Experiment:
    """Resolve the settings of a training with a method."""
    experiment = make_experiment(
        args,
        "main",
        data,
        samples=(len(data.dataset.train_rows), "the training set"),
        epochs=args.epochs,
        overwrite=overwrite,
        method=method,
        assumed_pattern=args.assumed_pattern if method in PATTERN_AWARE_METHODS else None,
        selection=None,
        **({"decisions": decisions.digest} if decisions else {}),
        **{flag: getattr(args, flag) for flag in OPTIONS if flag.startswith(f"{method}_")},
    )
    check_options(experiment)
    return experiment


def selection_experiment(args: Namespace, data: NoisyData, overwrite: bool) -> Experiment:
    """Resolve the settings of a selection."""
    options = {name: getattr(args, name) or value for name, value in SELECTION_DEFAULTS.items()}
    top_k, n_classes = options["top_k"], data.dataset.n_classes
    if top_k >= n_classes:
        raise UserError(f"argument --top_k: {top_k} must be below the {n_classes} classes")
    experiment = make_experiment(
        args,
        "INCV",
        data,
        samples=(len(data.y_noisy) // 2, "half of the training set"),
        epochs=args.INCV_epochs,
        overwrite=overwrite,
        **options,
        assumed_pattern=args.assumed_pattern,
    )
    overrides = overrides_of(args, "INCV", data.dataset)
    parallel = args.parallel_halves
    if experiment.settings.architecture == RIDGE:
        check_ridge({"INCV_epochs": args.INCV_epochs, **overrides})
        parallel = "off"
    gpu_ids, threads = share_machine(parallel, args.gpu_id, args.threads)
    flags = {
        "recipe": args.recipe,
        "epochs": args.INCV_epochs,
        "INCV_iter": args.INCV_iter,
        "top_k": args.top_k,
        **overrides,
    }
    return replace(
        experiment,
        requested=("assumed_pattern", *(name for name in flags if flags[name] is not None)),
        execution=replace(experiment.execution, gpu_ids=gpu_ids, threads=threads),
    )


def check_inputs(overrides: dict[str, Any], task: str, dataset: Dataset, recipe: str) -> None:
    """Raise UserError if recipe, network or augmentation do not fit the inputs."""
    heads, network = (RIDGE, *HEADS), overrides["architecture"]
    if not dataset.is_embedded:
        if recipe == FEATURES:
            raise UserError(
                "argument --recipe: features is for embeddings: give --features, --backbone or "
                "an .npz of them"
            )
        if network in heads:
            raise UserError(
                f"argument --architecture: {network} is a head on embeddings: give --features or "
                "--backbone, or a network for images"
            )
        return
    if recipe != FEATURES:
        raise UserError(
            f"argument --recipe: {recipe} is for images, but {dataset.name} has embeddings: leave "
            "it out"
        )
    if network not in (None, *heads):
        raise UserError(
            f"argument --architecture: {network} is for images, but {dataset.name} has embeddings: "
            f"give one of {', '.join(heads)}"
        )
    if network == RIDGE and task != "INCV":
        raise UserError(
            "argument --architecture: ridge is for INCV.py only, because methods train by "
            "gradient steps: give linear or mlp"
        )
    augmentation = overrides["augmentation"]
    if augmentation not in (None, "none"):
        raise UserError(
            f"argument --augmentation: {augmentation} changes images, not embeddings: leave it out"
        )


def check_ridge(flags: dict[str, Any]) -> None:
    """Raise UserError if a flag is set that has no effect on ridge regression."""
    for flag, value in flags.items():
        if flag != "architecture" and value not in (None, "none"):
            raise UserError(
                f"argument --{flag}: it has no effect on ridge regression; leave it out, or give "
                "INCV.py --architecture linear or mlp"
            )


def check_labels(args: Namespace, data: NoisyData) -> None:
    """Raise UserError if the labels leave nothing to learn."""
    dataset = data.dataset
    y = data.y_noisy if data.noise.pattern == PROVIDED else dataset.y_train
    present = np.unique(y)
    if len(y) < dataset.n_classes:
        problem = f"has {len(y)} training samples, fewer than its {dataset.n_classes} classes"
    elif len(present) < 2:
        problem = f"has training labels of one class only, {dataset.classes[present[0]]}"
    else:
        return
    if getattr(args, "noisy_labels", None):
        raise UserError(
            f"argument --noisy_labels: {args.noisy_labels} {problem}; give other labels"
        )
    if dataset.is_custom:
        raise UserError(
            f"argument --dataset: {args.dataset} {problem}; give more images, or other labels"
        )
    raise UserError(
        f"argument --dataset: {args.dataset} in {args.data_dir} {problem}; delete it there to "
        "download it again, or give another --data_dir"
    )


def check_options(experiment: Experiment) -> None:
    """Raise UserError if an option has no effect, or needs what is not there."""
    options = {"co_teaching_noise_ratio": 0, **experiment.arguments}
    if options.get("method") == "d2l" and experiment.settings.architecture == "linear":
        raise UserError(
            "argument --architecture: d2l measures learned features, and linear learns none: give "
            "mlp"
        )
    curriculum = options.get("mentornet_curriculum")
    unused = {"self_paced": "mentornet_percentile", "pd": "mentornet_burn_in"}.get(curriculum)
    if unused and options[unused] != OPTIONS[unused].default:
        raise UserError(
            f"argument --{unused}: it has no effect with --mentornet_curriculum {curriculum}; "
            "leave it out"
        )
    if options.get("co_teaching_variant") == "2018" and experiment.settings.optimizer != "adam":
        raise UserError(
            "argument --co_teaching_variant: 2018 changes Adam's beta1; give "
            "--optimizer adam --weight_decay 0"
        )
    if experiment.data.noise_rate is None and options["co_teaching_noise_ratio"] is None:
        raise UserError(
            "argument --method: co_teaching needs the noise ratio, which is unknown for these "
            "labels: give --co_teaching_noise_ratio, for example the estimate of INCV.py"
        )
    if experiment.data.T is None and options.get("f_correction_T") == "true":
        raise UserError(
            "argument --f_correction_T: the true matrix of these labels is unknown: leave the flag "
            "out to estimate the matrix"
        )
