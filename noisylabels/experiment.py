"""What a run is: the one object that is made from the arguments, and handed on in their place."""
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from noisylabels.data.dataset import Dataset, digest_of
from noisylabels.recipes import Settings
from noisylabels.theory import GIVEN, Noise, confusion_matrix, transition_matrix


@dataclass(frozen=True, eq=False)
class Experiment:
    """A data set, what is known of its noise, how networks are trained on it, and where that is written."""

    dataset: Dataset
    y_noisy: np.ndarray                     # observed labels, int (n,)
    noise: Noise                            # what was done to them
    assumed_pattern: str | None             # what the algorithm is told of that
    recipe: str
    settings: Settings                      # the recipe's, with the flags that were given in their place
    seed: int
    folder: Path                            # of its recipe, or of the name that it was given
    arguments: dict = field(default_factory=dict)       # what else the result depends on, by flag
    overwrite: bool = False
    gpu_id: str | None = None
    gpu_ids: tuple = (None,)                # of processes that train side by side
    threads: int | None = None              # of a training; all cores for None
    jit_compile: bool = False
    wait: bool = False                      # for another process that is at this run

    @property
    def clean(self):
        """Whether each observed label is the true one, bool (n,); None where true labels are not known."""
        return None if self.dataset.y_train is None else self.dataset.y_train == self.y_noisy

    @property
    def wrong(self):
        """The share of labels that are wrong: as set, of given labels as it is among them; None where not known."""
        if self.noise.pattern != GIVEN:
            return self.noise.wrong
        return None if self.clean is None else float((~self.clean).mean())

    @property
    def T(self):
        """The noise matrix, (c, c): as set, of given labels as it is among them; None where that is not known."""
        if self.noise.pattern != GIVEN:
            return transition_matrix(*self.noise, self.dataset.n_classes)
        if self.clean is not None:
            T = confusion_matrix(self.y_noisy, self.dataset.y_train, self.dataset.n_classes)
            return T + np.diag(T.sum(axis=1) == 0)          # a class that does not occur keeps its labels

    @property
    def identity(self):
        """What the result depends on, as plain values, for the run's record."""
        dataset, labels = self.dataset, {}
        if self.noise.pattern == GIVEN:
            labels |= {"noise_ratio": self.wrong, "labels": digest_of([], self.y_noisy)}
        if dataset.is_custom:
            labels |= {"image": "×".join(map(str, dataset.input_shape)),
                       "may_be_mirrored": dataset.may_be_mirrored, "may_be_shifted": dataset.may_be_shifted}
        return {"dataset": dataset.name, "data": dataset.fingerprint, "noise_pattern": self.noise.pattern,
                "seed": self.seed, "recipe": self.recipe, **self.settings.values, "noise_ratio": self.noise.ratio,
                **labels, **self.arguments}

    def __str__(self):
        """The three lines that a script begins with."""
        dataset, clean = self.dataset, self.clean
        shape = "×".join(map(str, dataset.input_shape))
        wrong = ("; how many labels are wrong is not known" if clean is None else
                 f", {(~clean).sum():,} labels wrong ({1 - clean.mean():.3f})")
        return (f"{dataset.name}: {len(self.y_noisy):,} images of {shape} to train on and {len(dataset.y_test):,} to "
                f"test on, {dataset.n_classes} classes\n"
                f"noise {self.noise}{wrong}, seed {self.seed}\n"
                f"recipe {self.recipe}: {self.settings}")
