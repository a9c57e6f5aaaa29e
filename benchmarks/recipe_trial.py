"""Train once as in the first iteration of INCV, and score the selection.

    python benchmarks/recipe_trial.py --data_dir D --width 16
    python benchmarks/recipe_trial.py --data_dir D --set label_smoothing=0 epochs=14

Use it to measure what a change of a recipe brings. A network learns from the first half of
CIFAR-10 with noisy labels, and scores samples of the other half after the last epoch. Split and
seeds are those of INCV.py.

The last line of the output is JSON: label precision LP, label recall LR and their F-score, and the
minutes of CPU time. The standard error of F over 10,000 held-out samples is about 0.004.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from models import ARCHITECTURES
from noisylabels.metrics import label_scores
from noisylabels.recipes import RECIPES, Settings, resolve
from noisylabels.seeding import generator
from utils import corrupt_labels, load_dataset


def changed(
    settings: Settings, changes: list[str], width: int | None, activation: str | None
) -> Settings:
    """Return settings with changes such as "epochs=4", and with another width or activation."""
    values = {}
    for change in changes:
        name, value = change.split("=", 1)
        kind = type(getattr(settings, name))
        values[name] = value == "True" if kind is bool else kind(value)
    settings = replace(settings, **values)
    module, function, arguments = ARCHITECTURES[settings.architecture]
    if width is not None:
        arguments = {**arguments, "widths": (width, 4 * width, 4 * width)}
    if activation is not None:
        arguments = {**arguments, "activation": activation}
    name = " ".join(map(str, [settings.architecture, *arguments.values()]))
    ARCHITECTURES[name] = (module, function, arguments)
    return replace(settings, architecture=name)


def main(args: argparse.Namespace) -> None:
    """Train, and print the scores."""
    # TensorFlow starts with the arguments.
    from noisylabels.training.device import start_tensorflow

    recipe = resolve(args.recipe, "INCV", n_samples=args.samples)
    settings = changed(recipe, args.set, args.width, args.activation)
    start_tensorflow("-1", threads=args.threads, precision=settings.precision)
    from noisylabels.methods import method_class
    from noisylabels.methods.inputs import MethodInputs
    from noisylabels.training.trainer import Trainer, build_method

    dataset = load_dataset("cifar10", args.data_dir)
    y_noisy = corrupt_labels(
        dataset.y_train, args.noise_pattern, ratio=args.noise_ratio, n_classes=10, seed=args.seed
    )
    is_clean = y_noisy == dataset.y_train
    halves = np.array_split(generator(args.seed, "split", 1).permutation(len(y_noisy)), 2)
    samples, held_out = halves[0][: args.samples], np.sort(halves[1][: args.held_out])
    inputs = MethodInputs(
        dataset.x_train,
        y_noisy,
        n_classes=10,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
    )
    method = build_method(
        method_class("standard"), inputs, settings=settings, seed=args.seed, stage="INCV"
    )
    trainer = Trainer(method, is_clean, settings.augmentation, settings.learning_rate_at)
    method.restart(samples)
    print(settings, flush=True)

    def after_epoch(epoch: int, memory: dict[str, np.ndarray]) -> dict[str, float]:
        print(f"epoch {epoch + 1}: {time.process_time() / 60:.1f} min of CPU time", flush=True)
        return {}

    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = args.checkpoint or Path(temporary, "checkpoint.npz")
        trainer.fit(
            settings.epochs,
            args.seed,
            stage="INCV 1a",
            checkpoint=checkpoint,
            after_epoch=after_epoch,
        )
    minutes = time.process_time() / 60
    predicted = method.probabilities(trainer.images, held_out).argmax(axis=1)
    scores = label_scores(predicted == y_noisy[held_out], is_clean[held_out])
    scores["F"] = 2 / (1 / scores["LP"] + 1 / scores["LR"])
    scores["accuracy"] = np.mean(predicted == dataset.y_train[held_out])
    scores = {name: round(float(value), 4) for name, value in scores.items()}
    print(json.dumps({**scores, "minutes": round(minutes, 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--recipe", choices=RECIPES, default="fast")
    parser.add_argument("--noise_pattern", default="sym")
    parser.add_argument("--noise_ratio", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=25_000, help="number of training samples")
    parser.add_argument("--held_out", type=int, default=25_000, help="number of scored samples")
    parser.add_argument(
        "--width", type=int, help="width of the first group; the other groups are 4 times as wide"
    )
    parser.add_argument("--activation", help="activation of IdentityCNN, such as relu")
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING=VALUE")
    parser.add_argument("--checkpoint", type=Path, help="file to resume from")
    main(parser.parse_args())
