"""The log of a training: one row per epoch, and its columns in a fixed order."""

from typing import Any

import pandas as pd

# The share of test images whose label is predicted, for true labels and for noisy ones.
TEST_ACCURACY = "test_accuracy"
TEST_AGREEMENT = "test_agreement"

# Prefixes of the columns that all methods have, one per network.
MEASURED = (
    TEST_ACCURACY,
    TEST_AGREEMENT,
    "dead_classes_",
    "loss_",
    "accuracy_",
    "heldout_",
)


def training_log(history: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the history as a frame. A method's own columns come after those of all methods."""
    frame = pd.DataFrame(history)
    # Counts stay whole numbers, also where epochs without an evaluation leave blanks.
    counts = [name for name in frame if name.startswith("dead_classes_")]
    frame = frame.astype({name: "Int64" for name in counts})
    measured = [name for name in frame if name.startswith(MEASURED)]
    common = ["epoch", "learning_rate", "loss", "accuracy", "steps", *measured, "seconds"]
    common = [name for name in common if name in frame]
    own = [name for name in frame if name not in common]
    return frame[common + own]
