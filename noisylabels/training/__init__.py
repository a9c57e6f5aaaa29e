"""Training of networks. Importing this package starts TensorFlow without its log messages."""

from noisylabels.training.device import tf as tf
