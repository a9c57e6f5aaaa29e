"""The optimizer Muon for convolution kernels."""

import keras
import tensorflow as tf

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrix: tf.Tensor, steps: int = 3) -> tf.Tensor:
    """Return a matrix with singular values moved towards 1 by Newton-Schulz steps.

    Parameters
    ----------
    matrix : tf.Tensor
        Float32 (m, n).
    steps : int
        Number of steps.

    Returns
    -------
    tf.Tensor
        Float32 (m, n), U S' Vᵀ for the singular value decomposition U S Vᵀ. The largest singular
        values become close to 1.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix / (tf.norm(matrix) + 1e-7)
    for _ in range(steps):
        gram = tf.matmul(x, x, transpose_a=tall, transpose_b=not tall)
        polynomial = b * gram + c * tf.matmul(gram, gram)
        x = a * x + (tf.matmul(x, polynomial) if tall else tf.matmul(polynomial, x))
    return x


class Muon(keras.optimizers.Optimizer):
    """Muon for convolution kernels, SGD with Nesterov momentum for all other weights.

    A kernel (h, w, in, out) is rescaled to the norm sqrt(out) before each update. Its update is the
    orthogonalised momentum of the kernel as a matrix (h w in, out). Vectors and matrices have
    weight decay, and peak rates of their own. All rates follow the same schedule, except that of
    the whitening layer's bias. It reaches 0 when the learning rate is 5/8 of its peak.

    Parameters
    ----------
    learning_rate : float
        Rate of the kernels at the peak of the schedule.
    weight_decay : float
        L2 decay of vectors and matrices. It is added to their gradients, before the momentum.
    batch : int
        Samples per update.
    accumulate : int
        Gradients averaged per update.
    vector_rate, matrix_rate : float
        Peak rates of vectors and matrices. Gradients of the mean loss are multiplied by `batch`.
    momentum, other_momentum : float
        Momentum of kernels, and of all other weights.

    Source: Jordan, airbench94 with Muon, 2024. `keras.optimizers.Muon` would train kernels of
    convolutions with AdamW.
    """

    def __init__(
        self,
        learning_rate: float = 0.24,
        weight_decay: float = 1 / 60,
        batch: int = 2000,
        accumulate: int = 1,
        vector_rate: float = 0.053,
        matrix_rate: float = 0.67,
        momentum: float = 0.6,
        other_momentum: float = 0.85,
        name: str = "muon",
    ) -> None:
        super().__init__(learning_rate, name=name)
        self.peak = learning_rate
        self.decay = weight_decay
        self.batch = batch
        self.accumulate = accumulate
        self.vector_rate = vector_rate
        self.matrix_rate = matrix_rate
        self.momentum = momentum
        self.other_momentum = other_momentum

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the momenta, and the sums of gradients if several calls make an update."""
        if self.built:
            return
        super().build(variables)
        self.momenta = self.add_optimizer_variables(variables, "momentum")
        if self.accumulate > 1:
            self.sums = self.add_optimizer_variables(variables, "sum")

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Add a gradient to the sum, and update the variable if the sum is complete."""
        if self.accumulate == 1:
            self._update(gradient, variable, learning_rate)
            return
        i = self._get_variable_index(variable)
        total = self.sums[i].value + gradient
        complete = (self.iterations.value + 1) % self.accumulate == 0

        def update() -> tf.Tensor:
            self._update(total / self.accumulate, variable, learning_rate)
            return tf.zeros_like(total)

        self.assign(self.sums[i], tf.cond(complete, update, lambda: total))

    def _update(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a variable with a mean gradient."""
        i = self._get_variable_index(variable)
        buffer, path = self.momenta[i], self._trainable_variables[i].path
        if len(variable.shape) == 4:
            self._update_kernel(gradient, variable, buffer, learning_rate)
            return
        lr_fraction = learning_rate / self.peak
        if path.startswith("whitening"):
            lr_fraction = tf.maximum(0.0, (lr_fraction - 5 / 8) / (3 / 8))
        rate = self.batch * (self.vector_rate if len(variable.shape) < 2 else self.matrix_rate)
        gradient += self.decay * self.peak / rate * variable
        direction = self._nesterov(gradient, buffer, self.other_momentum)
        self.assign_sub(variable, lr_fraction * rate * direction)

    def _update_kernel(
        self,
        gradient: tf.Tensor,
        kernel: tf.Variable,
        buffer: keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        """Update a convolution kernel."""
        filters = kernel.shape[-1]
        direction = self._nesterov(gradient, buffer, self.momentum)
        update = tf.reshape(orthogonalised(tf.reshape(direction, [-1, filters])), kernel.shape)
        scale = filters**0.5 / (tf.norm(kernel) + 1e-7)
        self.assign(kernel, kernel * scale - learning_rate * update)

    def _nesterov(self, gradient: tf.Tensor, buffer: keras.Variable, momentum: float) -> tf.Tensor:
        """Add a gradient to its momentum buffer, and return the direction of the update."""
        self.assign(buffer, momentum * buffer.value + gradient)
        return gradient + momentum * buffer.value
