"""What the tests of all kinds of teachers share."""

import pickle

import numpy as np

from maskdepth_tf.dataset.teachers import loading


def pictures(side):
    """Two noisy pictures, uint8 [2, side, side, 3]."""
    return np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)


def load(path, **more):
    """The teacher in a file or folder."""
    return loading.load_teacher(str(path), **more)


def survives_pickling(network, batch):
    """Whether another process would get the same depth."""
    again = pickle.loads(pickle.dumps(network))
    return np.array_equal(again.predict(batch), network.predict(batch))
