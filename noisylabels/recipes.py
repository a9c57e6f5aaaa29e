"""The training settings of each recipe. Command-line flags override some of them.

`paper` has the settings of Chen et al. 2019. `fast` trains CIFAR on a laptop. `digits` is for the
data set digits. `features` trains heads on embeddings. Each recipe has settings for three
tasks: `INCV` (one training of the selection), `main` (INCV_main.py) and `verify`
(Verify_Theory.py).
"""

from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from noisylabels.lr_schedules import ADAM_INCV, ADAM_MAIN, ADAM_VERIFY, LRSchedule, Triangular

# "mixed" computes in bfloat16 where `training.device.computes_bfloat16()`, else in float32.
PRECISIONS = ("float32", "mixed", "bfloat16")

# Functions of training/augmentation.py.
AUGMENTATIONS = (
    "none",
    "flip",
    "shift",
    "translate",
    "shift_flip",
    "translate_flip",
    "alternate",
    "translate_alternate",
)

# Optimizers of training/optimizers.py, and their default learning rates.
OPTIMIZERS = {"adam": 1e-3, "muon": 0.24}

# Iterations and accepted classes of a selection, in all recipes.
SELECTION_DEFAULTS = {"INCV_iter": 4, "top_k": 1}

MIN_UPDATES_PER_EPOCH = 8  # unless the user chooses the batch size


@dataclass(frozen=True)
class Settings:
    """How a network is trained."""

    architecture: str  # a key of models.ARCHITECTURES or HEADS, or models.RIDGE
    epochs: int
    lr_schedule: LRSchedule
    optimizer: str = "adam"  # a key of OPTIMIZERS
    learning_rate: float = OPTIMIZERS["adam"]
    weight_decay: float = 0.0  # decoupled for adam, L2 for muon
    batch_size: int = 128
    accumulate: int = 1  # batches whose mean gradient makes one update; only for muon
    label_smoothing: float = 0.0  # share of the target that is spread over all classes
    augmentation: str = "shift_flip"  # one of AUGMENTATIONS
    precision: str = "float32"  # one of PRECISIONS
    flip_tta: bool = False  # average the logits of an image and its horizontal flip
    shift_tta: bool = False  # also average over shifted images, see methods.base.Method
    validation_split: float = 0.0  # share of the samples held out to choose an epoch
    evaluate_every: int = 1  # epochs between two evaluations; the last one is always evaluated
    compared_epochs: int = 0  # INCV chooses the best of this many last epochs; 0: of all

    def learning_rate_at(self, time: float, epochs: int) -> float:
        """Return the learning rate after `time` epochs of a training of `epochs` epochs."""
        return self.learning_rate * self.lr_schedule(time, epochs)

    @property
    def values(self) -> dict[str, Any]:
        """Return the settings by record key, without the schedule, which the recipe implies."""
        values = asdict(self)
        del values["lr_schedule"]
        return {_record_key(name): value for name, value in values.items()}

    def __str__(self) -> str:
        if self.architecture == "ridge":
            return "ridge regression"
        epochs = f"{self.epochs} epochs"
        if self.evaluate_every > 1:
            epochs += f" (evaluated every {self.evaluate_every})"
        batch = f"batch {self.batch_size}"
        if self.accumulate > 1:
            batch = f"batch {self.accumulate} × {self.batch_size}"
        parts = [
            self.architecture,
            epochs,
            batch,
            self.optimizer,
            f"learning rate {self.learning_rate:.3g}",
        ]
        if self.weight_decay:
            parts.append(f"weight decay {self.weight_decay:.3g}")
        if self.label_smoothing:
            parts.append(f"label smoothing {self.label_smoothing:g}")
        parts += [f"augmentation {self.augmentation}", f"{self.precision} precision"]
        if self.flip_tta:
            parts.append("horizontal flip at test time")
        if self.shift_tta:
            parts.append("shifts at test time")
        if self.validation_split:
            parts.append(f"{self.validation_split:g} held out")
        return ", ".join(parts)


def _record_key(name: str) -> str:
    """Return the key of a setting in records, where `flip_tta` is called "mirror"."""
    return {"flip_tta": "mirror"}.get(name, name)


def _type_in_record(kind: type) -> type | tuple[type, ...]:
    """Return the types of a setting's value in a record. JSON may store 1.0 as 1."""
    return (float, int) if kind is float else kind


# Older records lack settings that were added later. These runs used the default values.
RECORD_DEFAULTS = {
    _record_key(field.name): field.default
    for field in fields(Settings)
    if field.default is not MISSING
}
RECORD_TYPES = {
    _record_key(field.name): _type_in_record(field.type)
    for field in fields(Settings)
    if field.name != "lr_schedule"
}

# The published decay per update is 2e-6 times its 2,000 samples. It is divided by the learning
# rate here, because each update multiplies `weight_decay` by the learning rate.
FAST = Settings(
    architecture="IdentityCNN24",
    epochs=8,
    lr_schedule=Triangular(start=1, peak=0, end=0),
    optimizer="muon",
    learning_rate=OPTIMIZERS["muon"],
    weight_decay=2e-6 * 2000 / OPTIMIZERS["muon"],
    batch_size=250,
    accumulate=8,
    label_smoothing=0.2,
    augmentation="translate_alternate",
    precision="mixed",
    flip_tta=True,
    shift_tta=True,
)

HEAD = Settings(
    architecture="mlp",
    epochs=20,
    lr_schedule=Triangular(start=0.2, peak=0.1, end=0),
    weight_decay=0.01,
    batch_size=256,
    augmentation="none",
)

RECIPES: dict[str, dict[str, Settings]] = {
    "paper": {
        "INCV": Settings("ResNet32", 50, ADAM_INCV),
        "main": Settings("ResNet32", 200, ADAM_MAIN),
        "verify": Settings("ResNet110", 200, ADAM_VERIFY),
    },
    "fast": {
        # Test-time shifts raise the F-score by 0.005, but triple the prediction time.
        "INCV": replace(FAST, shift_tta=False, compared_epochs=3),
        "main": replace(FAST, epochs=16, evaluate_every=4),
        # The theory assumes that the network fits its noisy labels, so regularise little.
        "verify": replace(
            FAST, epochs=30, augmentation="alternate", flip_tta=False, shift_tta=False
        ),
    },
    "digits": {
        # INCV may select with the weights of any epoch, so even the first ones should be good.
        "INCV": Settings(
            "SmallCNN", 25, ADAM_INCV, learning_rate=3e-3, batch_size=32, augmentation="none"
        ),
        "main": Settings("SmallCNN", 40, ADAM_MAIN, batch_size=32, augmentation="none"),
        "verify": Settings("MLP", 100, ADAM_VERIFY, augmentation="none"),
    },
    "features": {
        # Ridge regression has a closed form, so no other setting has an effect.
        "INCV": replace(HEAD, architecture="ridge", epochs=1, batch_size=1),
        "main": HEAD,
        # The theory assumes that the network fits its noisy labels, so train long.
        "verify": replace(HEAD, epochs=60, weight_decay=0.0),
    },
}


def resolve(
    recipe: str,
    task: str,
    allows_flips: bool = True,
    allows_shifts: bool | None = None,
    n_samples: int | None = None,
    **overrides: Any,
) -> Settings:
    """Return the settings of a task, adapted to the data set and to the user's overrides.

    An optimizer other than the recipe's uses its default learning rate and one batch per update.
    Muon's rates suit the networks of its recipe; others are trained with Adam by default.
    If a recipe accumulates gradients, another batch size does not change the samples per update.
    Test-time flips and shifts are switched off for networks that are not trained with them.

    Parameters
    ----------
    recipe : str
        A key of `RECIPES`.
    task : {"INCV", "main", "verify"}
        The task to train for.
    allows_flips : bool
        Whether a flipped image has the same class. If not, the recipe's flips are left out of
        augmentation and prediction.
    allows_shifts : bool, optional
        Whether the images are large enough to be shifted. By default the same as `allows_flips`.
    n_samples : int, optional
        Number of training samples, for custom data sets and recipes that accumulate gradients.
        The batches per update, and then the batch size, are halved until an epoch has
        `MIN_UPDATES_PER_EPOCH` updates.
    **overrides
        Settings by field name. None keeps the recipe's value.

    Returns
    -------
    Settings

    Raises
    ------
    KeyError
        If the recipe, the task or an optimizer is unknown.
    """
    settings = RECIPES[recipe][task]
    if settings.architecture == "ridge" and overrides.get("architecture") not in (None, "ridge"):
        settings = RECIPES[recipe]["main"]
    overrides = {name: value for name, value in overrides.items() if value is not None}
    if allows_shifts is None:
        allows_shifts = allows_flips
    allowed = {
        "flip": allows_flips,
        "alternate": allows_flips,
        "shift": allows_shifts,
        "translate": allows_shifts,
    }
    augmentations = [part for part in settings.augmentation.split("_") if allowed.get(part)]
    settings = replace(
        settings,
        augmentation="_".join(augmentations) or "none",
        flip_tta=settings.flip_tta and allows_flips,
    )
    default = settings.optimizer
    architecture = overrides.get("architecture", settings.architecture)
    if default == "muon" and not architecture.startswith("IdentityCNN"):
        default = "adam"
    optimizer = overrides.get("optimizer", default)
    if optimizer != settings.optimizer:
        settings = replace(
            settings, optimizer=optimizer, learning_rate=OPTIMIZERS[optimizer], accumulate=1
        )
    if "batch_size" in overrides and settings.accumulate > 1:
        samples_per_update = settings.batch_size * settings.accumulate
        accumulate = max(1, samples_per_update // overrides["batch_size"])
        settings = replace(settings, accumulate=accumulate)
    elif n_samples and "batch_size" not in overrides:
        settings = _with_enough_updates(settings, n_samples)
    settings = replace(settings, **overrides)
    return replace(
        settings,
        flip_tta=settings.flip_tta and flips(settings.augmentation),
        shift_tta=settings.shift_tta and shifts(settings.augmentation),
    )


def flips(augmentation: str) -> bool:
    """Return whether an augmentation flips images."""
    return augmentation.endswith(("flip", "alternate"))


def shifts(augmentation: str) -> bool:
    """Return whether an augmentation shifts images."""
    return augmentation.startswith(("shift", "translate"))


def _with_enough_updates(settings: Settings, n_samples: int) -> Settings:
    """Shrink the updates until an epoch has enough of them, or the batch size is 2."""
    largest = max(2, n_samples / MIN_UPDATES_PER_EPOCH)
    while settings.accumulate > 1 and settings.batch_size * settings.accumulate > largest:
        settings = replace(settings, accumulate=settings.accumulate // 2)
    while settings.batch_size > largest:
        settings = replace(settings, batch_size=max(2, settings.batch_size // 2))
    return settings
