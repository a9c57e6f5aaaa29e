"""The result of a training: test accuracies of its networks, at several choices of the epoch."""

import numpy as np
import pandas as pd

from noisylabels.training.training_log import TEST_ACCURACY, TEST_AGREEMENT

NO_TEST_SET = "none"  # value of the column test_labels


def curves_of(history: pd.DataFrame, name: str, n_networks: int) -> pd.DataFrame | None:
    """Return a measurement of each network and their mean, one row per epoch, if it was logged.

    The columns are "1", ..., the networks, and "mean".
    """
    if f"{name}_1" not in history:
        return None
    curves = pd.DataFrame({str(k + 1): history[f"{name}_{k + 1}"] for k in range(n_networks)})
    curves = curves.astype(float)
    return curves.assign(mean=curves.mean(axis=1))


def test_accuracies(history: pd.DataFrame, n_networks: int) -> pd.DataFrame:
    """Return the test accuracy of each network and their mean.

    It is the agreement with the test labels where these are noisy.

    Parameters
    ----------
    history : pd.DataFrame
        The training log, one row per epoch.
    n_networks : int
        Number of networks.

    Returns
    -------
    pd.DataFrame
        One row per network, and one for the mean. The columns are those of <method>_result.csv,
        see docs/outputs.md, without `recipe` and `test_labels`.
    """
    curves = curves_of(history, TEST_ACCURACY, n_networks)
    if curves is None:
        curves = curves_of(history, TEST_AGREEMENT, n_networks)
    losses = curves_of(history, "heldout_loss", n_networks)
    heldout = curves_of(history, "heldout_accuracy", n_networks)
    rows = []
    for name, curve in curves.items():
        final, validated = curve.iloc[-1], np.nan
        if losses is not None:
            final = curve[losses["mean"].idxmin()]
        if heldout is not None:
            validated = curve[heldout[name].idxmax()]
        rows.append(
            {
                "network": name,
                "final": final,
                "last": curve.iloc[-1],
                "last10": curve.iloc[-10:].mean(),
                "last10_epochs": curve.iloc[-10:].count(),
                "best": curve.max(),
                "validated": validated,
                "steps": history.steps.sum(),
            }
        )
    return pd.DataFrame(rows)
