"""The training of networks, which knows nothing of noise. To import it is to import TensorFlow, quietly."""
from noisylabels.training.device import tf as tf
