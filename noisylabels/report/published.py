"""Published results of Chen et al. (ICML 2019) on CIFAR-10, from their table and figures.

A setting is a pair (pattern, ratio); all values are fractions.
"""

SETTINGS = (("sym", 0.2), ("sym", 0.5), ("sym", 0.8), ("asym", 0.4))
CONFUSION_SETTINGS = (
    ("asym", 0.4),
    ("sym", 0.8),
    ("sym", 0.9),
    ("sym", 1.0),
)  # of the figure of M over T


def _row(*percents: tuple[float, float]) -> dict[tuple[str, float], tuple[float, float]]:
    """Return fractions by setting, from means and standard deviations in per cent."""
    return {
        setting: (mean / 100, std / 100)
        for setting, (mean, std) in zip(SETTINGS, percents, strict=True)
    }


# Test accuracy, (mean, std) of five runs. The paper does not state the epoch or the network.
TEST_ACCURACY = {
    "f_correction": _row((85.08, 0.43), (76.02, 0.19), (34.76, 4.53), (83.55, 2.15)),
    "decoupling": _row((86.72, 0.32), (79.31, 0.62), (36.90, 4.61), (75.27, 0.83)),
    "co_teaching": _row((89.05, 0.32), (82.12, 0.59), (16.21, 3.02), (84.55, 2.81)),
    "mentornet": _row((88.36, 0.46), (77.10, 0.44), (28.89, 2.29), (77.33, 0.79)),
    "d2l": _row((86.12, 0.43), (67.39, 13.62), (10.02, 0.04), (85.57, 1.21)),
    "incv": _row((89.71, 0.18), (84.78, 0.33), (52.27, 3.50), (86.04, 0.54)),
}

# Label precision and recall of the selected set after INCV's iterations 1 to 4.
SELECTION = {
    ("sym", 0.2): {"LP": (0.99, 0.99, 0.99, 0.99), "LR": (0.802, 0.899, 0.925, 0.937)},
    ("sym", 0.5): {"LP": (0.954, 0.944, 0.936, 0.930), "LR": (0.699, 0.836, 0.879, 0.900)},
    ("sym", 0.8): {"LP": (0.548, 0.536, 0.518, 0.500), "LR": (0.356, 0.536, 0.620, 0.666)},
    ("asym", 0.4): {"LP": (0.887, 0.866, 0.850, 0.839), "LR": (0.720, 0.866, 0.910, 0.932)},
}

# Measured TA, LP and LR of ResNet-110 at the noise ratios 0, 0.1 ... 1; read off the figure,
# +-0.005.
THEORY_POINTS = {
    "sym": {
        "TA": (0.902, 0.752, 0.610, 0.482, 0.359, 0.262, 0.183, 0.137, 0.107, 0.101, 0.105),
        "LP": (1, 1, 0.99, 0.975, 0.948, 0.883, 0.766, 0.597, 0.356, 0.106, 0),
        "LR": (0.902, 0.836, 0.761, 0.668, 0.570, 0.464, 0.349, 0.275, 0.191, 0.104, 0),
    },
    "asym": {
        "TA": (0.903, 0.765, 0.634, 0.521, 0.459, 0.433, 0.463, 0.523, 0.635, 0.765, 0.910),
        "LP": (1, 0.99, 0.958, 0.872, 0.718, 0.498, 0.270, 0.126, 0.039, 0.007, 0),
        "LR": (0.903, 0.843, 0.757, 0.649, 0.547, 0.431, 0.316, 0.221, 0.123, 0.055, 0),
    },
}


def is_cifar10(identity: dict) -> bool:
    """Return whether the record of a run says that it used CIFAR-10 itself.

    Records of custom images contain the size of an image, those of CIFAR-10 do not.
    """
    return identity.get("dataset") == "cifar10" and "image" not in identity


def theory_point(pattern: str, ratio: float, score: str) -> float:
    """Return TA, LP or LR as measured in 2019, nan where the figure has no point."""
    points = THEORY_POINTS.get(pattern, {}).get(score, ())
    tenth = round(10 * ratio)
    return points[tenth] if points and abs(ratio - tenth / 10) < 1e-9 else float("nan")
