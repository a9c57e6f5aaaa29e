"""Random shifts and flips of image batches, in TensorFlow, on the device where the images are."""
import tensorflow as tf


def scale(images):
    """Images of 0 to 255 -> float32 in [0, 1]: all the normalisation that there is."""
    return tf.cast(images, tf.float32) / 255


def moved(images, offset, axis, fill):
    """Each image of (n, h, w, ch) moved along axis 1 or 2 by its own offset (n,) in pixels, bilinearly.

    fill: "nearest" repeats the border pixel, "reflect" mirrors the image at it.
    """
    size = images.shape[axis]
    whole = tf.floor(offset)
    fraction = tf.reshape(offset - whole, [-1, 1, 1, 1])
    source = tf.range(size)[None, :] + tf.cast(whole, tf.int32)[:, None]

    def taken(places):
        if fill == "reflect":
            places = (size - 1) - tf.abs((size - 1) - tf.abs(places))
        return tf.gather(images, tf.clip_by_value(places, 0, size - 1), axis=axis, batch_dims=1)

    return taken(source) * (1 - fraction) + taken(source + 1) * fraction


def mirrored(images, which):
    """The images of (n, h, w, ch) mirrored left to right where `which` (n,) is true."""
    return tf.where(which[:, None, None, None], tf.reverse(images, [2]), images)


def none(images, seed):
    """Images as they are."""
    return images


def draws(images, seed):
    """Three numbers in [0, 1) for each image, (3, n): for both shifts, and whether it is flipped. seed: (2,) int."""
    return tf.random.stateless_uniform([3, tf.shape(images)[0]], seed)


def shift(images, seed):
    """2019's: move by a continuous amount in +-4 pixels along each axis, nearest fill."""
    for axis, drawn in zip((1, 2), tf.unstack(draws(images, seed))):
        images = moved(images, drawn * 8 - 4, axis, "nearest")
    return images


def translate(images, seed):
    """The fast recipe's: move by whole pixels in +-2 along each axis, reflected at the border."""
    for axis, drawn in zip((1, 2), tf.unstack(draws(images, seed))):
        images = moved(images, tf.floor(drawn * 5) - 2, axis, "reflect")
    return images


def shift_flip(images, seed):
    """`shift`, and then one image in two is flipped."""
    return mirrored(shift(images, seed), draws(images, seed)[2] < .5)


def translate_flip(images, seed):
    """`translate`, and then one image in two is flipped."""
    return mirrored(translate(images, seed), draws(images, seed)[2] < .5)


def flip(images, seed):
    """Flip one image in two."""
    return mirrored(images, tf.random.stateless_uniform([tf.shape(images)[0]], seed) < .5)
