"""MentorNet with a predefined curriculum (Jiang et al., ICML 2018): each sample's loss is weighted by how easy it is.

Of each batch of size B, with losses l and their p-percentile:

    ema <- d ema + (1 - d) percentile_p(l),    d = 0.5, ema = 0 at first;    diff = l - ema
    self_paced:  v = 1 in the first 18 % of the training, then 1[diff <= 0]
    pd:          v = 1 to 18 % of the training, then 1[diff <= 0], from 90 % on clip(1 - diff / gamma, 0, 1), gamma = 1;
                 half of the samples are dropped (v = 0) at random in the first 17 %, one in twenty afterwards
    loss = sum v l / B.

v is constant for the gradient, and the sum is divided by B, not by sum v. p = 0.7 for self_paced, whatever the noise.
pd has p = 0.75, or 0.5 by an option: its authors' at a noise ratio of 0.8. Told nothing of the noise.

Not stated in 2019: which MentorNet. The default here is self_paced, that of the Co-teaching paper, whose table this
paper follows. Its first 18 % are the default of the authors' library, which by its comparison ends at 17; their command
for self_paced sets it to 0, the option burn_in here. Without, it starves: classes whose losses are large at first are
discarded, and so never learned. The losses are those of the training-mode pass that also gives the gradient, as in the
authors' code. Their MentorNets learned to imitate these formulas; here are the formulas. Their L2 penalty shrinks with
v, ours stays. The data-driven MentorNet learns its curriculum from clean labels, which no other method of the table
has: left out.
"""
import tensorflow as tf

from noisylabels.methods.base import Method, accuracy, cross_entropy, masked_mean

DECAY = .5
ALL, SELF_PACED, LINEAR = range(3)              # the forms of v


def percentile(losses, p):
    """The p-percentile (p in [0, 1]) of losses (B,): the nearest of them, without interpolation."""
    place = tf.round(p * (tf.cast(tf.size(losses), tf.float32) - 1))
    return tf.sort(losses)[tf.cast(place, tf.int32)]


def moving_average(ema, value, decay=DECAY):
    """d ema + (1 - d) value."""
    return decay * ema + (1 - decay) * value


def weights(diff, form, gamma=1):
    """v (B,) by the form ALL, SELF_PACED or LINEAR. diff: loss minus its moving percentile, (B,)."""
    easy = tf.cast(diff <= 0, diff.dtype)
    return tf.stack([tf.ones_like(diff), easy, tf.clip_by_value(1 - diff / gamma, 0, 1)])[form]


def surviving(size, dropout, seed):
    """Example dropout: int(size (1 - dropout)) random ones among zeros, float32 (size,)."""
    order = tf.argsort(tf.random.stateless_uniform([size], seed))
    count = tf.cast(tf.cast(size, tf.float32) * (1 - dropout), tf.int32)
    return tf.cast(order < count, tf.float32)


def curriculum(name, epoch, epochs, burn_in=18):
    """The form of v and the example dropout of an epoch, by whole per cents of the training, as its authors.

    burn_in: in so many per cent self_paced keeps all samples.
    """
    percent = 100 * epoch // epochs
    if name == "self_paced":
        return ALL if percent < burn_in else SELF_PACED, 0.
    form = ALL if percent <= 18 else SELF_PACED if percent < 90 else LINEAR
    return form, .5 if percent < 17 else .05


class MentorNet(Method):
    """One network, weighted by a predefined curriculum; options: curriculum, self_paced or pd; burn_in; percentile."""

    logged = ("loss", "accuracy", "kept", "kept_precision")

    def __init__(self, given, networks, optimizers, **options):
        super().__init__(given, networks, optimizers, **options)
        self.curriculum, self.burn_in = given.options["curriculum"], int(given.options["burn_in"])
        self.p = .7 if self.curriculum == "self_paced" else float(given.options["percentile"])
        self.ema = tf.Variable(0., trainable=False)
        self.extra_state = [self.ema]

    def schedule(self, epoch):
        form, dropout = curriculum(self.curriculum, epoch, self.given.epochs, self.burn_in)
        return {"form": form, "dropout": dropout}

    def train_step(self, batch):
        seed = tf.random.experimental.stateless_fold_in(batch.seed, 1)       # another stream than the augmentation's
        v = surviving(tf.size(batch.y), batch.schedule["dropout"], seed)

        def loss(logits):
            nonlocal v
            losses = cross_entropy(logits, batch.y)
            ema = self.ema.assign(moving_average(self.ema, percentile(losses, self.p)))
            v = tf.stop_gradient(v * weights(losses - ema, batch.schedule["form"]))
            return tf.reduce_mean(v * losses)

        value, logits = self.descend(0, batch.x, loss)
        return {"loss": value, "accuracy": accuracy(logits, batch.y),
                "kept": tf.reduce_mean(v), "kept_precision": masked_mean(batch.clean, v)}
