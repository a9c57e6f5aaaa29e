"""The recipes: what each sets, in one table. A flag of its name overrides an entry; schedule and mirror mean have none.

`paper` is the setting of 2019, `fast` one for CIFAR on a laptop, `digits` one for the embedded data set. Each has three
tasks: INCV (a training of the selection), main (INCV_main) and verify (Verify_Theory).
"""
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import NamedTuple

PRECISIONS = ("float32", "mixed")       # mixed: in bfloat16 where device.computes_bfloat16(), else in float32
AUGMENTATIONS = ("none", "flip", "shift", "translate", "shift_flip", "translate_flip")     # in training/augmentation.py

# Functions of training/optimizers.py, and their learning rates: of nesterov the trial's 4 / (1024 (1 + 1/(1 - .85))),
# of losses summed over a batch of 128, times 128 for their mean.
OPTIMIZERS = {"adam": 1e-3, "nesterov": 128 * 4 / (1024 * (1 + 1 / .15))}


class Steps:
    """Piecewise constant: cuts are (epoch, factor) of a training of `of` epochs, scaled to the training at hand."""

    def __init__(self, of, *cuts):
        self.of, self.cuts = of, cuts

    def __call__(self, time, epochs):
        return ([1.] + [value for epoch, value in self.cuts if time >= epoch * epochs / self.of])[-1]


class Triangle(NamedTuple):
    """Linear from `start` to 1 over the first share `peak` of the training, then linear down to `end`."""

    start: float
    peak: float
    end: float

    def __call__(self, time, epochs):
        done = time / epochs
        if done < self.peak:
            return self.start + (1 - self.start) * done / self.peak
        return 1 - (1 - self.end) * (done - self.peak) / (1 - self.peak)


@dataclass(frozen=True)
class Settings:
    """How one network is trained. factor(time in epochs, epochs) multiplies the learning rate."""

    architecture: str
    epochs: int
    factor: object
    optimizer: str = "adam"             # one of OPTIMIZERS
    learning_rate: float = OPTIMIZERS["adam"]
    weight_decay: float = 0.            # of all trained weights, each step by this times the learning rate
    batch_size: int = 128
    augmentation: str = "shift_flip"    # one of AUGMENTATIONS
    precision: str = "float32"          # one of PRECISIONS
    mirror: bool = False                # predict the mean over an image and its mirror image
    validation_split: float = 0.        # share of the samples held out, to choose an epoch by their observed labels
    evaluate_every: int = 1             # epochs, for the log; each of the last ten

    def rate(self, time, epochs):
        """The learning rate at a time in epochs, of a training of so many epochs."""
        return self.learning_rate * self.factor(time, epochs)

    @property
    def values(self):
        """All of it as plain values, for a record; the recipe's name stands for the function."""
        values = asdict(self)
        del values["factor"]
        return values

    def __str__(self):
        decay = f", weight decay {self.weight_decay:g}" if self.weight_decay else ""
        mirror = ", predicts with the mirror image" if self.mirror else ""
        split = f", {self.validation_split:g} held out" if self.validation_split else ""
        every = f" (evaluated every {self.evaluate_every})" if self.evaluate_every > 1 else ""
        return (f"{self.architecture}, {self.epochs} epochs{every}, batch {self.batch_size}, {self.optimizer} at "
                f"{self.learning_rate:.3g}{decay}, augmentation {self.augmentation}, {self.precision} precision{mirror}"
                f"{split}")


# What a record of a time before a setting was there means by its absence.
DEFAULTS = {field.name: field.default for field in fields(Settings) if field.default is not MISSING}
KINDS = {field.name: (float, int) if field.type is float else field.type for field in fields(Settings)}  # in a record

# Epoch indices of 2019 count from 0: "> 20" there is a cut at 21 here.
ADAM_INCV = Steps(50, (21, .5), (31, .25), (41, .1))
ADAM_MAIN = Steps(200, (80, .1), (120, .01), (160, .001), (180, .0005))
ADAM_VERIFY = Steps(200, (81, .1), (121, .01), (161, .001), (181, .0005))

FAST = dict(architecture="FastCNN", factor=Triangle(.2, .23, 0), optimizer="nesterov", precision="mixed",
            learning_rate=OPTIMIZERS["nesterov"], weight_decay=.03, augmentation="translate_flip", mirror=True)
DIGITS = dict(augmentation="none", batch_size=32)

RECIPES = {
    "paper": {"INCV": Settings("ResNet32", 50, ADAM_INCV),
              "main": Settings("ResNet32", 200, ADAM_MAIN),
              "verify": Settings("ResNet110", 200, ADAM_VERIFY)},
    "fast": {"INCV": Settings(epochs=14, **FAST),
             # Less weight decay than in the selection gives a higher accuracy at all four settings.
             "main": Settings(epochs=30, evaluate_every=4,
                              **FAST | dict(architecture="FastCNN48", weight_decay=.01)),
             # It has to fit its noise: images in two versions alone, no decay, and no mean of two predictions.
             "verify": Settings(epochs=30, **FAST | dict(augmentation="flip", weight_decay=0., mirror=False))},
    # The weights rule may choose any epoch of a selection, so even the first should be a good one: a larger rate.
    "digits": {"INCV": Settings("SmallCNN", 25, ADAM_INCV, learning_rate=3e-3, **DIGITS),
               "main": Settings("SmallCNN", 40, ADAM_MAIN, **DIGITS),
               "verify": Settings("MLP", 100, ADAM_VERIFY, augmentation="none")},
}


STEPS = 8                       # that an epoch should have, at the least, where nobody chose the batch


def resolve(recipe, task, may_be_mirrored=True, may_be_shifted=None, samples=None, **overrides):
    """The Settings of a task in a recipe, with the overrides that are not None in place of the recipe's.

    may_be_mirrored: where the mirror image of an image need not be of its class (digits), the recipe's is left out.
    may_be_shifted: so are shifts where an image is too small for them; None: as may_be_mirrored. samples: how many of
    own images a training has; of so few that an epoch would have less than STEPS steps, batches are a half, a quarter,
    ... as large, and so is the learning rate, with nesterov. Another optimizer than the recipe's has its own rate. A
    network that is not trained on mirror images does not predict with them.
    """
    settings = RECIPES[recipe][task]
    shifted = may_be_mirrored if may_be_shifted is None else may_be_shifted
    allowed = {"flip": may_be_mirrored, "shift": shifted, "translate": shifted}
    changes = [part for part in settings.augmentation.split("_") if allowed.get(part)]
    settings = replace(settings, augmentation="_".join(changes) or "none", mirror=settings.mirror and may_be_mirrored)
    optimizer = overrides.get("optimizer") or settings.optimizer
    if optimizer != settings.optimizer:
        settings = replace(settings, learning_rate=OPTIMIZERS[optimizer])
    while samples and not overrides.get("batch_size") and 2 < settings.batch_size > samples / STEPS:
        rate = settings.learning_rate / 2 if optimizer == "nesterov" else settings.learning_rate
        settings = replace(settings, batch_size=settings.batch_size // 2, learning_rate=rate)
    settings = replace(settings, **{name: value for name, value in overrides.items() if value is not None})
    return replace(settings, mirror=settings.mirror and "flip" in settings.augmentation)
