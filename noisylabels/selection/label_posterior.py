"""The probability that an observed label is right, for a classifier that does not memorise labels.

A network that memorises noisy labels predicts each wrong label as often as it occurs in training.
Its agreement with held-out labels therefore shows the noise ratio (`theory.estimate_noise_ratio`).
A regularised classifier, such as ridge regression, agrees more often, so this estimate is too low.
Here the noise is measured on the most confident quarter of the held-out samples of each predicted
class. For a predicted class i and an observed label j,

    T_ij = P(j | i),    noise ratio = max(P(i != j), estimate by agreement).

The estimate by agreement matters for human label noise, which is rare among confident samples. The
off-diagonal elements of T are scaled to this noise ratio. For a sample with class probabilities p,
the label j is right with the probability

    T_jj p_j / sum_i T_ij p_i.

This needs no true labels.
"""

import numpy as np

from noisylabels.selection.algorithm import Scores, is_selected
from noisylabels.theory import estimate_noise_ratio

CONFIDENT_SHARE = 0.25  # share of the held-out samples of a predicted class that count as confident
PRIOR_SAMPLES = 20  # weight of the mean noise in each row of T, in samples
ACCEPTANCE_THRESHOLD = 0.75  # a sample is selected if its label is right with a higher probability
INVERSE_TEMPERATURES = 2.0 ** np.arange(-2, 7.1, 0.5)


def confident_samples(outputs: np.ndarray) -> np.ndarray:
    """Return the samples with the most confident predictions, a quarter of each predicted class.

    Confidence is the difference between the two largest outputs, (n, c).
    """
    predicted = outputs.argmax(axis=1)
    largest = np.partition(outputs, -2, axis=1)[:, -2:]
    margin = largest[:, 1] - largest[:, 0]
    found = []
    for k in np.unique(predicted):
        members = np.flatnonzero(predicted == k)
        count = int(np.ceil(CONFIDENT_SHARE * len(members)))
        found.append(members[np.argsort(-margin[members], kind="stable")[:count]])
    return np.sort(np.concatenate(found))


def noise_ratio(outputs: np.ndarray, y_noisy: np.ndarray) -> float:
    """Estimate the noise ratio from outputs (n, c) for held-out samples and their labels (n,)."""
    n_classes = outputs.shape[1]
    agrees = outputs.argmax(axis=1) == y_noisy
    by_agreement = estimate_noise_ratio(max(agrees.mean(), 1 / n_classes), n_classes)
    return max(float(np.mean(~agrees[confident_samples(outputs)])), by_agreement)


def transition_matrix(outputs: np.ndarray, y_noisy: np.ndarray) -> np.ndarray:
    """Estimate T, float (c, c), from outputs (n, c) for held-out samples and their labels (n,).

    For a class with few confident samples, the estimate shrinks towards symmetric noise of the mean
    ratio.
    """
    n_classes = outputs.shape[1]
    confident = confident_samples(outputs)
    predicted, observed = outputs[confident].argmax(axis=1), y_noisy[confident]
    ratio = noise_ratio(outputs, y_noisy)
    off_diagonal = ~np.eye(n_classes, dtype=bool)
    counts = np.where(off_diagonal, ratio / (n_classes - 1), 1 - ratio) * PRIOR_SAMPLES
    np.add.at(counts, (predicted, observed), 1)
    T = np.where(off_diagonal, counts / counts.sum(axis=1, keepdims=True), 0)
    noise_rates = T.sum(axis=1)
    if noise_rates.max() > 0:
        T *= min(ratio / noise_rates[predicted].mean(), 1 / noise_rates.max())
    return T + np.diag(1 - T.sum(axis=1))


def softmax(outputs: np.ndarray) -> np.ndarray:
    """Return exp(outputs), normalised to a sum of 1 over the classes, (n, c)."""
    exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def fit_inverse_temperature(outputs: np.ndarray, y_noisy: np.ndarray) -> float:
    """Return the factor a for which softmax(a outputs) T predicts the observed labels best.

    Parameters
    ----------
    outputs : np.ndarray
        Outputs for samples that the model was not trained on, (n, c).
    y_noisy : np.ndarray
        Their observed labels, int (n,).

    Returns
    -------
    float
        The maximum-likelihood factor among `INVERSE_TEMPERATURES` / (2 standard deviations of the
        outputs).
    """
    T = transition_matrix(outputs, y_noisy)
    factors = INVERSE_TEMPERATURES / (2 * max(float(outputs.std()), 1e-12))
    rows = np.arange(len(y_noisy))
    log_likelihoods = [
        np.log((softmax(outputs * a) @ T)[rows, y_noisy] + 1e-12).mean() for a in factors
    ]
    return float(factors[int(np.argmax(log_likelihoods))])


def label_posterior(probabilities: np.ndarray, y_noisy: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Return the probability that each observed label is right, (n,)."""
    rows = np.arange(len(y_noisy))
    right = np.diag(T)[y_noisy] * probabilities[rows, y_noisy]
    return right / np.maximum((probabilities @ T)[rows, y_noisy], 1e-12)


def score_labels(
    outputs: np.ndarray,
    y_noisy: np.ndarray,
    inverse_temperature: float,
    T: np.ndarray | None = None,
    top_k: int = 1,
) -> Scores:
    """Return the scores of held-out samples.

    A label is accepted if it is predicted, or if it is right with a probability above
    `ACCEPTANCE_THRESHOLD`. This probability uses the noise of the held-out samples, because the
    candidates of later iterations are noisier.

    Parameters
    ----------
    outputs : np.ndarray
        Outputs of a model for samples that it was not trained on, (n, c).
    y_noisy : np.ndarray
        Their observed labels, int (n,).
    inverse_temperature : float
        Factor of the outputs, see `fit_inverse_temperature`.
    T : np.ndarray, optional
        Noise of the whole data set, (c, c), for `label_score` and `loss`. By default that of the
        held-out samples.
    top_k : int
        Number of most likely classes that count as predicted.
    """
    probabilities = softmax(inverse_temperature * outputs)
    T_held_out = transition_matrix(outputs, y_noisy)
    is_probable = label_posterior(probabilities, y_noisy, T_held_out) > ACCEPTANCE_THRESHOLD
    right = label_posterior(probabilities, y_noisy, T_held_out if T is None else T)
    return Scores(
        accepted=is_selected(outputs, y_noisy, top_k) | is_probable,
        loss=-np.log(right + 1e-8),
        predicted=outputs.argmax(axis=1),
        label_score=right,
        probabilities=probabilities,
    )
