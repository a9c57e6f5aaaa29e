"""Label noise: patterns, noise transition matrices, and the patterns that algorithms assume."""

from typing import NamedTuple

import numpy as np

from noisylabels.errors import UserError

ASSUMABLE_PATTERNS = ("sym", "asym")
PATTERNS = (*ASSUMABLE_PATTERNS, "asym5")
PROVIDED = "given"  # the pattern of labels that are used as provided
# asym5: truck to automobile, bird to airplane, deer to horse, cat to dog and dog to cat
ASYM5_FLIPS = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}


class Noise(NamedTuple):
    """A noise pattern and a noise ratio; for labels as provided, PROVIDED and None.

    The noise ratio is the probability that a label is flipped. asym5 flips only labels of five
    classes.
    """

    pattern: str
    ratio: float | None = None

    @property
    def noise_rate(self) -> float | None:
        """Expected share of mislabelled samples if all classes have equal size."""
        if self.pattern == "asym5":
            return self.ratio * len(ASYM5_FLIPS) / 10
        return self.ratio

    def __str__(self) -> str:
        return self.pattern if self.ratio is None else f"{self.pattern} {self.ratio}"


def check_noise(pattern: str, ratio: float, n_classes: int) -> None:
    """Raise UserError for an unknown pattern, a ratio outside [0, 1], or too few classes."""
    if pattern not in PATTERNS:
        raise UserError(f"unknown noise pattern {pattern!r}: choose {' or '.join(PATTERNS)}")
    if not 0 <= ratio <= 1:  # nan fails this too
        raise UserError(f"the noise ratio must lie between 0 and 1, not {ratio}")
    if n_classes < 2:
        raise UserError(f"label noise needs at least two classes, not {n_classes}")
    if pattern == "asym5" and n_classes != 10:
        raise UserError(
            f"asym5 flips five of the ten classes of CIFAR-10; this data set has {n_classes}: "
            "choose sym or asym"
        )


def default_assumed_pattern(pattern: str) -> str:
    """Return the pattern that an algorithm assumes by default: sym or asym.

    For asym5 and for labels as provided, it is asym, the cautious choice. No sample is then removed
    by its loss, and more of the selected samples are discarded.
    """
    return pattern if pattern in ASSUMABLE_PATTERNS else "asym"


def flipped_classes(pattern: str, n_classes: int) -> np.ndarray:
    """Return the class into which asym or asym5 flips each class, int (c,)."""
    if pattern == "asym":
        return (np.arange(n_classes) + 1) % n_classes
    return np.array([ASYM5_FLIPS.get(k, k) for k in range(n_classes)])


def transition_matrix(pattern: str, ratio: float, n_classes: int) -> np.ndarray:
    """Return the noise transition matrix T[i, j] = P(y_noisy = j | y = i).

    Parameters
    ----------
    pattern : {"sym", "asym", "asym5"}
        "sym" flips a label to one of the c - 1 other classes, uniformly. "asym" flips it to class
        (y + 1) mod c. "asym5" flips five classes of CIFAR-10 to a similar one, see ASYM5_FLIPS.
    ratio : float
        Probability of a flip, in [0, 1].
    n_classes : int
        Number of classes c.

    Returns
    -------
    np.ndarray
        float64 (c, c); rows sum to 1.

    Raises
    ------
    UserError
        See `check_noise`.
    """
    check_noise(pattern, ratio, n_classes)
    kept = np.eye(n_classes)
    if pattern == "sym":
        flipped = (1 - kept) / (n_classes - 1)
    else:
        flipped = kept[flipped_classes(pattern, n_classes)]
    return (1 - ratio) * kept + ratio * flipped
