"""Our cutout against TensorFlow Addons', which it replaces.

Addons needs Keras 2 in the whole process, so it runs in one of its own; see
docs/decisions/0001-tensorflow-addons.md.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

COMPARE = """
import json, sys, warnings

import numpy as np
import tensorflow as tf
from tf_keras.src import engine
from tf_keras.src.engine import keras_tensor

# Addons looks for Keras 2 where Keras 3 lies now.
sys.modules["keras.src.engine"] = engine
sys.modules["keras.src.engine.keras_tensor"] = keras_tensor
warnings.simplefilter("ignore")
import tensorflow_addons as tfa

from maskdepth_tf.input import augmentation

HEIGHT, WIDTH, VALUE = 12, 15, 153
random = np.random.default_rng(0)
everywhere = np.stack(np.mgrid[:HEIGHT, :WIDTH], -1).reshape(-1, 2).astype(np.int32)
several = random.permutation(everywhere)[:60].reshape(20, 3, 2)
results = []
for dtype in ("uint8", "float32"):
    picture = tf.constant(random.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(dtype))
    for size in (2, 4, 8, 16):
        for centers in (everywhere[:, None], several):
            theirs = tf.repeat(picture[None], len(centers), axis=0)
            for hole in range(centers.shape[1]):
                theirs = tfa.image.cutout(
                    theirs, (size, size), centers[:, hole], constant_values=VALUE
                )
            ours = tf.stack(
                [augmentation.cutout_boxes(picture, c, size, VALUE) for c in centers]
            )
            difference = np.abs(ours.numpy().astype(float) - theirs.numpy())
            results.append(
                {
                    "dtype": dtype,
                    "size": size,
                    "holes": centers.shape[1],
                    "pictures": len(centers),
                    "greatest_difference": difference.max(),
                    "filled": float(np.mean(theirs.numpy() == VALUE)),
                }
            )
print(json.dumps(results))
"""


@pytest.mark.skipif(
    sys.version_info >= (3, 12),
    reason="TensorFlow Addons has no release for Python 3.12 and newer",
)
def test_cutout_equals_tensorflow_addons():
    run = subprocess.run(
        [sys.executable, "-c", COMPARE],
        cwd=ROOT,
        env=os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    results = json.loads(run.stdout.splitlines()[-1])
    print(*results, sep="\n")
    assert sum(result["pictures"] for result in results) == 8 * (180 + 20)
    assert max(result["greatest_difference"] for result in results) == 0
    # The least are single squares of 2 by 2: 4 of 180 pixels, fewer at the border.
    assert min(result["filled"] for result in results) > 0.015
