"""The ResNet-UNet: one encoder, one decoder for each task.

Feature maps are lists with the finest level first, so index `i` always means
"downsampled i times"; each level halves both sides. Level 0 is the picture's own
size divided by `patch_size`. Blocks are pre-activated (norm, ReLU, convolution)
and no convolution has a bias.

Inputs are pixels, 0 to 255; the first layer normalises them, so that no caller
can feed the network otherwise in training than in use.

Shapes: B batch, S picture side in pixels, H and W sides of a map, channels last.
"""

from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import layers

from maskdepth_tf import streams

PIXEL_MEAN = (167.868, 156.854, 146.385)
"""Mean of `fg_bg` over the reference's 400,000 pictures, of 255 (its own figures:
0.65830478, 0.61511271, 0.5740604)."""

PIXEL_STD = (62.242, 64.834, 68.519)
"""Deviation of the same (0.24408717, 0.2542491, 0.26870159)."""


DETAIL_WIDTH = 8
"""Channels at the picture's own size, where level 0 stands for patches."""


@dataclass(frozen=True)
class Preset:
    """A named shape of the network.

    Attributes:
        widths: Channels of each level, finest first.
        patch_size: Pixels on a side that one position of level 0 stands for.
        difference: Whether the network also sees `|fg_bg - bg|`.
    """

    widths: tuple[int, ...]
    patch_size: int
    difference: bool


# Convolutions on CPUs work on 16 channels at a time: 40 cost as much as 48.
PRESETS = {
    "reference": Preset((64, 128, 128, 256, 256), patch_size=1, difference=False),
    "fast": Preset((32, 32, 64, 64), patch_size=2, difference=True),
    # For 128 pixels and more: patches twice as large keep the inner maps small; a
    # narrower innermost one pays for their weights.
    "fine": Preset((32, 32, 64, 48), patch_size=4, difference=True),
}


@keras.saving.register_keras_serializable("maskdepth_tf")
class FusedBatchNormalization(layers.BatchNormalization):
    """Keras' layer, with one operation in training where Keras has about ten.

    A step of `fast` on a CPU takes a sixth less time. The moving variance is that of
    a sample, divided by N - 1, as PyTorch's; Keras divides by N. Channels are last.
    Replicas that share a batch (`tf.distribute`) have the statistics of all of it.
    """

    def call(self, inputs, training=None, mask=None):
        """[B, H, W, C] -> [B, H, W, C]; statistics are float32 whatever the policy."""
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        inputs = tf.cast(inputs, tf.float32)
        context = tf.distribute.get_replica_context()
        if context and context.num_replicas_in_sync > 1:
            outputs, mean, variance = self._normalize_together(inputs, context)
        else:
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
            )
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return tf.cast(outputs, self.compute_dtype)

    def _normalize_together(self, inputs, context):
        """As the fused operation, of a batch that is spread over replicas."""
        # Sums of squares lose digits where the mean is large: the moving mean, which
        # all replicas have, is near it.
        shift = tf.stop_gradient(tf.convert_to_tensor(self.moving_mean))
        shifted = inputs - shift
        sums = tf.stack([tf.reduce_sum(x, [0, 1, 2]) for x in (shifted, shifted**2)])
        sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
        count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        count *= context.num_replicas_in_sync
        mean, squares = tf.unstack(sums / count)
        variance = tf.maximum(squares - mean**2, 0.0)
        outputs = tf.nn.batch_normalization(
            shifted, mean, variance, self.beta, self.gamma, self.epsilon
        )
        return outputs, mean + shift, variance * count / (count - 1.0)


def norm_relu(x, name):
    """[B, H, W, C] -> [B, H, W, C]."""
    # The reference's batch-norm settings; Keras' own are 0.99 and 1e-3.
    x = FusedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def conv3x3(x, filters, name):
    """[B, H, W, C] -> [B, H, W, filters]."""
    return layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)


def residual_block(x, filters, name):
    """Two pre-activated convolutions beside a 1x1 shortcut.

    [B, H, W, C] -> [B, H, W, filters]
    """
    shortcut = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_shortcut")(x)
    x = conv3x3(norm_relu(x, f"{name}_pre1"), filters, f"{name}_conv1")
    x = conv3x3(norm_relu(x, f"{name}_pre2"), filters, f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([x, shortcut])


def stem(x, filters, patch_size):
    """[B, S, S, C] -> [B, S/patch_size, S/patch_size, filters]."""
    # A position sees its own patch and those around it: for patches of one pixel
    # this is the reference's 3x3 convolution.
    x = layers.ZeroPadding2D(patch_size, name="stem_pad")(x)
    conv = layers.Conv2D(
        filters, 3 * patch_size, patch_size, use_bias=False, name="stem_conv"
    )
    return conv(x)


def downsample(x, filters, name):
    """[B, H, W, C] -> [B, H/2, W/2, filters]."""
    # Explicit padding: "same" with stride 2 would pad only the far sides, half
    # a pixel away from where the reference samples.
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layers.Conv2D(filters, 3, strides=2, use_bias=False, name=f"{name}_conv")(x)


def encoder(x, widths):
    """[B, H, W, C] -> one [B, H/2^i, W/2^i, widths[i]] map per level i."""
    features = []
    for level, width in enumerate(widths):
        if level > 0:
            x = downsample(x, width, name=f"encoder{level}_down")
        x = residual_block(x, width, name=f"encoder{level}")
        features.append(x)
    return features


def unpatch(x, patch_size, name):
    """[B, H, W, patch_size^2 * C] -> [B, H*patch_size, W*patch_size, C]."""
    side, filters = x.shape[1], x.shape[-1] // patch_size**2
    shape = (side, side, patch_size, patch_size, filters)
    x = layers.Reshape(shape, name=f"{name}_split")(x)
    x = layers.Permute((1, 3, 2, 4, 5), name=f"{name}_order")(x)
    side *= patch_size
    return layers.Reshape((side, side, filters), name=f"{name}_join")(x)


def detail(x, pixels, patch_size, name):
    """Takes patches apart and looks at their pixels once more.

    Level 0 knows of an edge inside a patch only what its channels carry; the pixels
    themselves put it where it is, at little cost.

    [B, S/patch_size, S/patch_size, C] and [B, S, S, C'] -> [B, S, S, DETAIL_WIDTH]
    """
    x = norm_relu(x, f"{name}_pre")
    x = conv3x3(x, patch_size**2 * DETAIL_WIDTH, f"{name}_conv1")
    x = unpatch(x, patch_size, name)
    x = layers.Concatenate(name=f"{name}_skip")([pixels, x])
    return conv3x3(x, DETAIL_WIDTH, f"{name}_conv2")


def decoder(features, pixels, patch_size, task):
    """Encoder maps, finest first, and pixels -> [B, S, S, 1], unbounded."""
    *skips, x = features
    for level, skip in reversed(list(enumerate(skips))):
        # The width of the map that comes up, as the reference: 256, 128, 128, 64.
        width = skip.shape[-1]
        x = layers.Conv2DTranspose(
            width, 2, strides=2, use_bias=False, name=f"{task}{level}_up"
        )(x)
        x = layers.Concatenate(name=f"{task}{level}_skip")([skip, x])
        x = residual_block(x, width, name=f"{task}{level}")
    if patch_size > 1:
        x = detail(x, pixels, patch_size, f"{task}_detail")
    x = conv3x3(norm_relu(x, f"{task}_head"), 1, f"{task}_head_conv1")
    return conv3x3(x, 1, f"{task}_head_conv2")


def normalized(name, image_size, mean, std):
    """An input of pixels and the same normalised: two [B, S, S, 3]."""
    image = keras.Input((image_size, image_size, 3), name=name)
    # float32 whatever the policy: bfloat16 blurs neighbouring grey levels.
    scale = [1.0 / s for s in std]
    offset = [-m / s for m, s in zip(mean, std, strict=True)]
    normalize = layers.Rescaling(scale, offset, dtype="float32", name=f"{name}_pixels")
    return image, normalize(image)


def resnet_unet(
    image_size: int = 64,
    widths: tuple[int, ...] = PRESETS["reference"].widths,
    patch_size: int = 1,
    difference: bool = False,
    pixel_mean: tuple[float, ...] = PIXEL_MEAN,
    pixel_std: tuple[float, ...] = PIXEL_STD,
    depth_activation: str = "sigmoid",
    name: str = "resnet_unet",
) -> keras.Model:
    """Builds the two-headed ResNet-UNet.

    With the defaults it has 11,234,066 trainable parameters, the reference's number.

    Args:
        image_size: Side of the square pictures, in pixels, as `streams.size_fault`
            allows for the total stride, `patch_size * 2 ** (len(widths) - 1)`.
        widths: Channels of each level, finest first.
        patch_size: Pixels on a side that one position of level 0 stands for; 1 as
            in the reference. 2 quarters the compute.
        difference: Whether the network also sees `|fg_bg - bg|`, which a
            convolution alone cannot compute.
        pixel_mean: Subtracted from the pixels, by channel, of 255.
        pixel_std: Divides them then, by channel, of 255.
        depth_activation: "sigmoid", or "linear" as in the reference.
        name: Name of the model.

    Returns:
        A `keras.Model` from a dict to a dict:
            fg_bg: [B, S, S, 3] the foreground on the background, 0 to 255.
            bg: [B, S, S, 3] the background alone, 0 to 255.
            mask: [B, S, S, 1] logits of "foreground".
            depth: [B, S, S, 1] relative depth, 0 near, 1 far.

    Raises:
        ValueError: If `image_size` is out of range or cannot be halved often enough.
    """
    stride = patch_size * 2 ** (len(widths) - 1)
    if fault := streams.size_fault(image_size, stride):
        name = f"`image_size` of {len(widths)} levels on patches of {patch_size}"
        raise ValueError(f"{name} {fault}")
    bg, bg_pixels = normalized("bg", image_size, pixel_mean, pixel_std)
    fg_bg, fg_bg_pixels = normalized("fg_bg", image_size, pixel_mean, pixel_std)
    pictures = [fg_bg_pixels, bg_pixels]
    if difference:
        pictures.append(keras.ops.abs(layers.Subtract(name="stem_change")(pictures)))
    pixels = layers.Concatenate(name="stem_concat")(pictures)
    features = encoder(stem(pixels, widths[0], patch_size), widths)

    # float32 outputs: the losses must not see half precision.
    mask = layers.Activation("linear", dtype="float32", name="mask")
    depth = layers.Activation(depth_activation, dtype="float32", name="depth")
    return keras.Model(
        inputs={"bg": bg, "fg_bg": fg_bg},
        outputs={
            "mask": mask(decoder(features, pixels, patch_size, "mask")),
            "depth": depth(decoder(features, pixels, patch_size, "depth")),
        },
        name=name,
    )


def stride_of(network: keras.Model) -> int:
    """Pixels on a side that a position of the innermost map stands for."""
    innermost = min(layer.output.shape[1] for layer in network.layers)
    return network.inputs[0].shape[1] // innermost


def resized(network: keras.Model, image_size: int) -> keras.Model:
    """The same network, with the same weights, for pictures of another size.

    Args:
        network: As `resnet_unet` builds it.
        image_size: Side of the square pictures, in pixels.

    Raises:
        ValueError: If `image_size` is out of range or cannot be halved often enough.
    """
    config, size = network.get_config(), network.inputs[0].shape[1]
    if fault := streams.size_fault(image_size, stride_of(network)):
        raise ValueError(f"`image_size` of this network {fault}")
    for layer in config["layers"]:
        own = layer["config"]
        if layer["class_name"] == "InputLayer":
            own["batch_shape"] = (None, image_size, image_size, 3)
        if layer["class_name"] == "Reshape":
            height, width, *rest = own["target_shape"]
            sides = (side * image_size // size for side in (height, width))
            own["target_shape"] = (*sides, *rest)
    other = keras.Model.from_config(config)
    other.set_weights(network.get_weights())
    return other
