"""The paper's second algorithm: Co-teaching, modified to train on what INCV selected.

Two networks f1, f2. An epoch goes once through S; after a warm-up each batch B_S of it is joined by candidates B_C.
Each network ranks the batch by its own loss, and the n(e) samples of smallest loss train the *other* network.
Told: S, C and the estimated noise ratio, all from INCV, and the assumed pattern (sym or asym).
"""
import numpy as np

from noisylabels.methods.base import Method
from noisylabels.methods.co_teaching import cross_step, ramp_epochs
from noisylabels.theory import selected_noise_ratio


def warm_up_epochs(eps, pattern, epochs=200):
    """e0, the last epoch index trained on S alone: 80 of 200 for asym or eps > .6, else 40; scaled to `epochs`."""
    return (80 if pattern != "sym" or eps > .6 else 40) * epochs / 200


def candidate_batch_size(n_selected, n_candidates, batch_size=128):
    """|B_C| = min(floor(|C| b / |S|), b/2) for b = |B_S|, the 64 of 2019 at 128; 0 where C is empty."""
    return min(n_candidates * batch_size // n_selected, batch_size // 2)


def keep_count(epoch, batch_size, eps_s, ramp=10):
    """n(e) = round(|B_S| (1 - eps_S min(1, e/ramp))), at least 1."""
    return max(1, round(batch_size * (1 - eps_s * min(1, epoch / ramp))))


class ModifiedCoTeaching(Method):
    """The modified Co-teaching of INCV_main."""

    n_networks = 2
    logged = ("loss", "accuracy", "kept_precision_1", "kept_precision_2")

    def __init__(self, given, networks, optimizers, **options):
        super().__init__(given, networks, optimizers, **options)
        self.samples = np.flatnonzero(given.select)
        self.candidates = np.flatnonzero(given.candidate)
        pattern = given.assumed_pattern if given.assumed_pattern == "sym" else "asym"
        self.eps_s = selected_noise_ratio(given.eval_ratio, pattern, given.n_classes)
        self.warm_up = warm_up_epochs(given.eval_ratio, given.assumed_pattern, given.epochs)
        self.ramp = ramp_epochs(given.epochs)

    def hold_out(self, samples):
        super().hold_out(samples)
        self.candidates = np.setdiff1d(self.candidates, samples)

    def batches(self, epoch, rng):
        """B_S in each row, and after the warm-up B_C behind it."""
        rows = super().batches(epoch, rng)
        width = candidate_batch_size(len(self.samples), len(self.candidates), self.given.batch_size)
        if epoch <= self.warm_up or width == 0:
            return rows
        # Candidates in random order, begun anew as often as it takes: |C|/|S| of 2019 makes one round an epoch.
        rounds = -(-len(rows) * width // len(self.candidates))
        order = np.concatenate([rng.permutation(self.candidates) for _ in range(rounds)])
        return np.hstack([rows, order[:len(rows) * width].reshape(-1, width).astype(np.int32)])

    def schedule(self, epoch):
        return {"keep": keep_count(epoch, self.given.batch_size, self.eps_s, self.ramp)}

    def train_step(self, batch):
        return cross_step(self, batch, batch.schedule["keep"])
