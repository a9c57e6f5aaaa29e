"""Standard training: cross entropy on the noisy labels as if they were true. Every comparison starts here."""
from noisylabels.methods.base import Method


class Standard(Method):
    """One network, loss -log p[y_noisy], averaged over the batch. Told nothing of the noise."""

    shares_batches = True
