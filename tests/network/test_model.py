"""The network's shape; its numbers are in test_parity."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from maskdepth_tf.network import model


def tiny(**kwargs):
    arguments = {"image_size": 16, "widths": (4, 8), "patch_size": 2} | kwargs
    return model.resnet_unet(**arguments)


def pictures(count=2, side=16, seed=0):
    rng = np.random.default_rng(seed)
    shape = (count, side, side, 3)
    return {
        name: rng.integers(0, 256, shape).astype("float32") for name in ("bg", "fg_bg")
    }


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(0)
    return tiny()


def test_contract(net):
    assert {k: v.shape for k, v in net.input.items()} == {
        "bg": (None, 16, 16, 3),
        "fg_bg": (None, 16, 16, 3),
    }
    outputs = net(pictures())
    assert set(outputs) == {"mask", "depth"}
    for image in outputs.values():
        assert image.shape == (2, 16, 16, 1)
        assert image.dtype == tf.float32
    assert 0 <= float(tf.reduce_min(outputs["depth"]))
    assert float(tf.reduce_max(outputs["depth"])) <= 1


def test_bytes_and_floats_are_one(net):
    images = pictures()
    whole = {name: image.astype("uint8") for name, image in images.items()}
    for name, image in net(whole).items():
        np.testing.assert_array_equal(image, net(images)[name])


def test_pixels_are_normalised_inside():
    net = tiny(pixel_mean=(10, 20, 30), pixel_std=(2, 4, 5))
    image = tf.constant([10.0, 24.0, 20.0], shape=(1, 1, 1, 3))
    found = net.get_layer("bg_pixels")(image)
    np.testing.assert_allclose(np.ravel(found), [0, 1, -2], atol=1e-5)


@pytest.mark.parametrize(
    ("widths", "patch_size", "image_size"),
    [((4,), 1, 8), ((4, 4, 4), 1, 8), ((4, 6), 4, 24), ((3, 4), 2, 20)],
)
def test_shapes(widths, patch_size, image_size):
    net = tiny(widths=widths, patch_size=patch_size, image_size=image_size)
    for image in net(pictures(1, image_size)).values():
        assert image.shape == (1, image_size, image_size, 1)
    shapes = [
        net.get_layer(f"encoder{level}_add").output.shape[1:]
        for level in range(len(widths))
    ]
    side = image_size // patch_size
    assert shapes == [(side // 2**i, side // 2**i, w) for i, w in enumerate(widths)]


def test_parameters_by_hand():
    # Stem 6*9*4, block 4 -> 4: shortcut 16, two norms 16, two convolutions 288.
    stem, block = 6 * 9 * 4, 4 * 4 + 2 * 2 * 4 + 2 * 9 * 4 * 4
    # A head: norm 8, 3x3 from 4 to 1 and 3x3 from 1 to 1.
    head = 2 * 4 + 9 * 4 + 9
    net = tiny(widths=(4,), patch_size=1)
    trainable = sum(int(np.prod(v.shape)) for v in net.trainable_variables)
    assert trainable == stem + block + 2 * head


def test_unpatch_by_hand():
    x = keras.Input((2, 2, 4))
    unpatch = keras.Model(x, model.unpatch(x, 2, "u"))
    values = np.arange(16, dtype="float32").reshape(1, 2, 2, 4)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(unpatch(values)[0, :, :, 0], expected)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_depth_activation(activation):
    keras.utils.set_random_seed(0)
    net = tiny(depth_activation=activation)
    net.get_layer("depth_head_conv2").kernel.assign_add(tf.fill([3, 3, 1, 1], 9.0))
    depth = net(pictures())["depth"]
    is_bounded = bool(tf.reduce_all((depth >= 0) & (depth <= 1)))
    assert is_bounded == (activation == "sigmoid")


def test_half_precision_has_single_precision_ends():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        net = tiny()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert net.get_layer("bg_pixels").compute_dtype == "float32"
    assert net.get_layer("encoder0_conv1").compute_dtype == "bfloat16"
    assert {image.dtype for image in net(pictures()).values()} == {tf.float32}


def test_every_variable_learns(net):
    images = pictures()
    with tf.GradientTape() as tape:
        outputs = net(images, training=True)
        loss = sum(tf.reduce_sum(image**2) for image in outputs.values())
    gradients = tape.gradient(loss, net.trainable_variables)
    for variable, gradient in zip(net.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.all(np.isfinite(gradient)), variable.path
        assert np.any(gradient != 0), variable.path


def test_presets():
    fast, reference = model.PRESETS["fast"], model.PRESETS["reference"]
    assert (reference.widths, reference.patch_size) == ((64, 128, 128, 256, 256), 1)
    assert not reference.difference
    net = model.resnet_unet(64, fast.widths, fast.patch_size, fast.difference)
    assert net.output["mask"].shape == (None, 64, 64, 1)
    assert sum(v.shape.num_elements() for v in net.trainable_variables) == 706_642


def test_difference_is_shown():
    net = tiny(difference=True, pixel_mean=(0, 0, 0), pixel_std=(1, 2, 4))
    shown = keras.Model(net.input, net.get_layer("stem_concat").output)
    black = np.zeros((1, 16, 16, 3))
    outputs = shown({"fg_bg": black, "bg": black + [3, 4, 8]})
    np.testing.assert_allclose(outputs[0, 0, 0], [0, 0, 0, 3, 2, 2, 3, 2, 2])


@pytest.mark.parametrize("image_size", [2, 18, 17])
def test_size_that_cannot_be_halved(image_size):
    message = (
        "`image_size` of 2 levels on patches of 2 must be 8 to 4096 and divisible "
        f"by 4. Received: {image_size}"
    )
    with pytest.raises(ValueError, match=message):
        tiny(image_size=image_size)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fused_norm_is_keras_norm(policy):
    settings = {"momentum": 0.9, "epsilon": 1e-5, "dtype": policy}
    fused = model.FusedBatchNormalization(**settings)
    plain = keras.layers.BatchNormalization(**settings)
    x = tf.constant(np.random.default_rng(0).normal(3, 2, (4, 5, 5, 6)), "float32")
    tolerance = {"rtol": 1e-2, "atol": 1e-2} if "16" in policy else {"atol": 1e-5}
    found, expected = fused(x, training=True), plain(x, training=True)
    assert found.dtype == expected.dtype
    found, expected = tf.cast(found, "float32"), tf.cast(expected, "float32")
    np.testing.assert_allclose(found, expected, **tolerance)
    np.testing.assert_allclose(fused.moving_mean, plain.moving_mean, rtol=1e-3)
    # Of 100 values: N / (N - 1) of Keras' variance, in a tenth of the moving one.
    batch = (plain.moving_variance - 0.9) * 10
    np.testing.assert_allclose(
        fused.moving_variance, 0.9 + 0.1 * batch * 100 / 99, rtol=1e-3
    )


def test_frozen_norm_keeps_its_statistics():
    layer = model.FusedBatchNormalization()
    layer.trainable = False
    layer(tf.random.stateless_normal([4, 3, 3, 2], [0, 0]) + 5, training=True)
    np.testing.assert_array_equal(layer.moving_mean, [0, 0])


@pytest.mark.parametrize("preset", ["fast", "fine", "reference"])
def test_resized_is_the_network_built_for_that_size(preset):
    shape = vars(model.PRESETS[preset]) | {"widths": (4, 8)}
    one, other = (model.resnet_unet(size, **shape) for size in (32, 48))
    for weight in one.weights:
        weight.assign(np.random.default_rng(0).uniform(0.1, 1.0, weight.shape))
    other.set_weights(one.get_weights())
    found = model.resized(one, 48)
    bg, fg_bg = np.random.default_rng(1).uniform(0, 255, (2, 1, 48, 48, 3))
    pictures = {"bg": tf.constant(bg), "fg_bg": tf.constant(fg_bg)}
    expected = other(pictures, training=False)
    assert expected["mask"].shape == (1, 48, 48, 1)
    for name, values in found(pictures, training=False).items():
        np.testing.assert_array_equal(values, expected[name])
    with pytest.raises(ValueError, match="image_size.*47"):
        model.resized(one, 47)
