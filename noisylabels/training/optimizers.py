"""The optimizers of the recipes: Adam and Muon."""

import keras
import tensorflow as tf

from noisylabels.recipes import Settings
from noisylabels.training.muon import Muon


class Adam(keras.optimizers.Adam):
    """Update each variable with one operation instead of a dozen; the results are Keras's."""

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        """Update a variable and its moments."""
        i = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[i].value.handle,
            v=self._velocities[i].value.handle,
            grad=gradient,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
        )


def create(settings: Settings) -> keras.optimizers.Optimizer:
    """Return a new optimizer with the settings of a recipe.

    Raises
    ------
    KeyError
        If the optimizer's name is unknown.
    """
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "muon":
        samples = settings.batch_size * settings.accumulate
        return Muon(rate, decay, samples, settings.accumulate)
    if settings.optimizer == "adam":  # with the epsilon of the 2019 code
        return Adam(rate, epsilon=1e-8, weight_decay=decay or None)
    raise KeyError(settings.optimizer)
