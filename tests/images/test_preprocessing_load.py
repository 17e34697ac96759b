"""Resizing, and what training loads."""

import io
import logging

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from maskdepth_tf import streams
from maskdepth_tf.images import decoders, encoding, preprocessing
from tests.support.pictures import (
    CORPUS,
    difference,
    encode,
    natural_rgb,
    smooth_rgb,
    tiff,
)


def triangle_resized(image, size):
    """Antialiased bilinear by definition: weighted means under a triangle."""
    for axis in (0, 1):
        length = image.shape[axis]
        scale = length / size
        centres = (np.arange(size) + 0.5) * scale
        distances = np.arange(length) + 0.5 - centres[:, None]
        weights = np.maximum(0, 1 - np.abs(distances) / max(scale, 1))
        weights /= weights.sum(axis=1, keepdims=True)
        image = np.moveaxis(np.tensordot(weights, image, (1, axis)), 0, axis)
    return image


class TestResize:
    @pytest.mark.parametrize("shape", [(224, 224), (160, 160), (97, 301), (20, 10)])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_is_antialiased_bilinear(self, shape, channels):
        random = np.random.default_rng(0)
        image = random.integers(0, 256, (*shape, channels), dtype=np.uint8)
        resized = preprocessing.resize(image, 64).numpy()
        assert resized.shape == (64, 64, channels)
        assert resized.dtype == np.float32
        assert difference(resized, triangle_resized(image, 64)) < 0.001 * 255

    def test_by_hand(self):
        # From 4 to 2: the triangle reaches 2 pixels to each side of 1 and of 3, so
        # the weights of a row are (3, 3, 1, 0) / 7 and (0, 1, 3, 3) / 7.
        image = np.zeros((4, 4, 1), np.uint8)
        image[0, 0] = 49
        resized = preprocessing.resize(image, 2)[..., 0]
        np.testing.assert_allclose(resized, [[9, 0], [0, 0]], rtol=1e-6)

    def test_the_same_size_changes_nothing(self):
        image = smooth_rgb(64, 64)
        np.testing.assert_array_equal(preprocessing.resize(image, 64), image)


class TestLoad:
    @pytest.mark.parametrize("stream", streams.STREAMS)
    def test_tf_data_gives_what_eager_gives(self, stream):
        data = [CORPUS[name] for name in ("jpeg", "rgb", "jpeg_grey", "rgba", "gif")]
        dataset = tf.data.Dataset.from_tensor_slices(data).map(
            lambda data: preprocessing.load(data, stream, 32)
        )
        assert dataset.element_spec.shape == (32, 32, stream.channels)
        assert dataset.element_spec.dtype == stream.dtype
        for one, loaded in zip(data, dataset, strict=True):
            eager = preprocessing.load(tf.constant(one), stream, 32)
            np.testing.assert_array_equal(loaded, eager)

    def test_masks_are_made_binary_after_resizing(self, tmp_path):
        mask = np.zeros((4, 4), np.uint8)
        # Means of 127 and 128 in the upper corners, of the weights by hand above.
        mask[:, :2], mask[:, 2:] = 127, 128
        mask[2:] = 255
        encoding.write_image(tmp_path / "mask.png", mask)
        loaded = preprocessing.load(
            preprocessing.read(tmp_path / "mask.png"), streams.MASK, 4
        )
        np.testing.assert_array_equal(
            loaded[..., 0], [[0, 0, 1, 1], [0, 0, 1, 1], [1] * 4, [1] * 4]
        )

    def test_a_noisy_mask_of_a_jpeg_is_binary(self, tmp_path):
        mask = np.zeros((224, 224), np.uint8)
        mask[60:150, 80:140] = 255
        encoding.write_image(tmp_path / "mask.jpg", mask, quality=30)
        loaded = preprocessing.load(
            preprocessing.read(tmp_path / "mask.jpg"), streams.MASK, 64
        )
        assert set(np.unique(loaded)) == {0, 1}
        assert loaded.numpy().mean() == pytest.approx((mask > 0).mean(), abs=0.005)

    def test_depth_keeps_its_scale(self, tmp_path):
        encoding.write_image(tmp_path / "a.png", np.full((9, 9), 12345, np.uint16))
        encoding.write_image(tmp_path / "b.png", np.full((9, 9), 255, np.uint8))
        encoding.write_image(tmp_path / "c.jpg", np.full((9, 9), 51, np.uint8))
        depths = [
            preprocessing.load(
                preprocessing.read(tmp_path / name), streams.DEPTH, 4
            ).numpy()
            for name in ("a.png", "b.png", "c.jpg")
        ]
        assert [set(depth.flat) for depth in depths] == [{12345}, {65535}, {13107}]

    @pytest.mark.parametrize(("bits", "step"), [(8, 257), (16, 1)])
    def test_depth_is_the_resized_decoded_depth(self, bits, step):
        ramp = np.linspace(0, 2**bits - 1, 60 * 80).reshape(60, 80)
        data = encode(Image.fromarray(ramp.astype(f"uint{bits}")), "PNG")
        loaded = preprocessing.load(tf.constant(data), streams.DEPTH, 16).numpy()
        expected = (
            65535 * preprocessing.resize(preprocessing.decode_depth(data), 16).numpy()
        )
        assert np.abs(loaded - expected).max() <= step / 2 + 0.01
        assert (loaded % step == 0).all()

    def test_a_pixel_is_known_where_half_of_it_is(self):
        # Quarters of four pixels, one each: 4, 3, 2 and 1 of them are known.
        depth = np.array([[100, 200], [300, 400]])
        for num_known, expected in ((4, 250), (3, 200), (2, 150), (1, -101)):
            is_hole = np.arange(4).reshape(2, 2) >= num_known
            held = np.where(is_hole, -1 - depth, depth).astype(np.int32)
            data = tf.constant(encoding.encode_png(held))
            found = preprocessing.load(data, streams.HOLED_DEPTH, 1).numpy()
            assert (found.dtype, found.tolist()) == (np.int32, [[[expected]]])
        # Of nothing known it is what stands there: (100 + 200 + 300 + 400) / 4.
        data = encoding.encode_png((-1 - depth).astype(np.int32))
        found = preprocessing.load(tf.constant(data), streams.HOLED_DEPTH, 1)
        assert found.numpy().tolist() == [[[-251]]]

    @pytest.mark.parametrize("name", ["jpeg", "rgb", "rgba", "webp"])
    def test_depth_without_holes_is_the_same_beside_maps_with_them(self, name):
        data = CORPUS[name]
        if name == "rgba":  # opaque
            picture = Image.fromarray(smooth_rgb()).convert("RGBA")
            data = encode(picture, "PNG")
        expected = preprocessing.load(tf.constant(data), streams.DEPTH, 16).numpy()
        found = preprocessing.load(tf.constant(data), streams.HOLED_DEPTH, 16).numpy()
        np.testing.assert_array_equal(found, expected.astype(np.int32))

    def test_pictures_of_any_size_and_shape_become_one(self):
        wide = encode(Image.new("RGB", (90, 30), (7, 8, 9)), "JPEG", quality=100)
        tall = encode(Image.new("RGB", (31, 77), (7, 8, 9)), "PNG")
        loaded = [
            preprocessing.load(data, streams.BG, 16).numpy() for data in (wide, tall)
        ]
        assert difference(*loaded) <= 1
        for data, aspect in ((wide, 3), (tall, 31 / 77)):
            pixels, found = preprocessing.load_input(tf.constant(data), 16)
            assert float(found) == pytest.approx(aspect)
            expected = preprocessing.load(tf.constant(data), streams.FG_BG, 16)
            np.testing.assert_array_equal(pixels, expected)

    @pytest.mark.parametrize(
        ("side", "ratio"),
        [(40, 1), (47, 1), (48, 2), (90, 2), (98, 2), (96, 4), (196, 4), (192, 8)],
    )
    @pytest.mark.parametrize("progressive", [False, True])
    def test_large_jpegs_are_decoded_at_a_part_of_their_size(
        self, side, ratio, progressive
    ):
        picture = Image.fromarray(smooth_rgb(side, side + 8))
        data = encode(picture, "JPEG", quality=90, progressive=progressive)
        smaller = Image.open(io.BytesIO(data))
        smaller.draft("RGB", ((side + 8) // ratio, side // ratio))
        assert smaller.size == ((side + 8) // ratio, side // ratio)
        expected = np.round(preprocessing.resize(np.array(smaller), 16))
        loaded = preprocessing.load(tf.constant(data), streams.BG, 16).numpy()
        np.testing.assert_array_equal(loaded, expected)
        whole = preprocessing.resize(
            preprocessing.decode_rgb(tf.constant(data)), 16
        ).numpy()
        assert np.abs(loaded - whole).mean() <= 3

    def test_a_large_jpeg_that_lies_on_its_side_is_put_upright(self):
        picture = Image.fromarray(smooth_rgb(200, 300))
        lying = encode(picture, "JPEG", exif=b"Exif\0\0" + tiff(6))
        loaded = preprocessing.load(tf.constant(lying), streams.BG, 16).numpy()
        straight = preprocessing.load(encode(picture, "JPEG"), streams.BG, 16).numpy()
        np.testing.assert_array_equal(loaded, np.rot90(straight, -1))

    def test_natural_pictures_become_rounded_means(self):
        for seed in range(4):
            photo = Image.fromarray(natural_rgb(seed, 150, 180))
            data = tf.constant(encode(photo, "JPEG", quality=95))
            expected = triangle_resized(preprocessing.decode_rgb(data).numpy(), 64)
            loaded = preprocessing.load(data, streams.BG, 64).numpy()
            assert difference(loaded, expected) <= 0.5 + 0.001 * 255

    def test_an_exported_graph_needs_no_python(self, tmp_path):
        def load_all(one):
            return {s.name: preprocessing.load(one, s, 32) for s in streams.STREAMS}

        class Loader(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
            def load(self, data):
                specs = {
                    s.name: tf.TensorSpec((32, 32, s.channels), s.dtype)
                    for s in streams.STREAMS
                }
                return tf.map_fn(load_all, data, fn_output_signature=specs)

        loader = Loader()
        concrete = loader.load.get_concrete_function()
        graph = concrete.graph.as_graph_def()
        operations = {node.op for node in graph.node}
        for function in graph.library.function:
            operations |= {node.op for node in function.node_def}
        assert not [name for name in operations if "PyFunc" in name]

        tf.saved_model.save(loader, tmp_path)
        loaded = tf.saved_model.load(tmp_path).signatures["serving_default"]
        examples = [CORPUS[name] for name in ("jpeg", "rgb", "rgba", "webp")]
        rgb = Image.fromarray(smooth_rgb())
        examples.append(encode(rgb, "JPEG", exif=b"Exif\0\0" + tiff(6)))
        outputs = loaded(data=tf.constant(examples))
        for stream in streams.STREAMS:
            eager = [preprocessing.load(tf.constant(p), stream, 32) for p in examples]
            np.testing.assert_array_equal(outputs[stream.name], np.stack(eager))


class TestBatchLoader:
    def are_small(self, encoded, size=16):
        return decoders.are_small_jpegs(tf.constant(encoded), size)

    def check(self, encoded, stream, size=16):
        loaded = preprocessing.batch_loader(stream, size)(tf.constant(encoded))
        assert loaded.dtype == stream.dtype
        expected = [
            preprocessing.load(tf.constant(data), stream, size) for data in encoded
        ]
        np.testing.assert_array_equal(loaded, np.stack(expected))

    def test_maps_with_holes_and_without(self):
        self.check([CORPUS["jpeg"]] * 2, streams.HOLED_DEPTH)
        self.check([CORPUS[n] for n in ("jpeg", "rgba")], streams.HOLED_DEPTH)

    @pytest.mark.parametrize("extra", [-1, 0, 1, preprocessing.PART + 3])
    def test_more_than_are_resized_together(self, extra):
        alike, others = (
            [CORPUS["jpeg"]] * preprocessing.PART,
            [CORPUS["rgb"], CORPUS["webp"]],
        )
        encoded = (alike + others * preprocessing.PART)[: preprocessing.PART + extra]
        self.check(encoded, streams.FG_BG)

    @pytest.mark.parametrize("stream", streams.STREAMS)
    @pytest.mark.parametrize("sides", [(12, 9), (97, 31), (56, 64), (192, 208)])
    def test_jpegs_of_one_size_become_what_each_becomes(self, stream, sides):
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (3, *sides, 3), dtype=np.uint8)
        rgb, other, grey = map(Image.fromarray, pixels)
        encoded = [
            encode(rgb, "JPEG"),
            encode(other, "JPEG", quality=30, progressive=True, subsampling=0),
            encode(grey.convert("L"), "JPEG"),
        ]
        assert self.are_small(encoded)
        self.check(encoded, stream)
        self.check(encoded[:1], stream)

    @pytest.mark.parametrize("stream", streams.STREAMS)
    def test_others_become_what_each_becomes(self, stream):
        # TensorFlow makes no grey of CMYK.
        encoded = [CORPUS[name] for name in sorted(CORPUS.keys() - {"jpeg_cmyk"})]
        assert not self.are_small(encoded)
        self.check(encoded, stream)

    def test_jpegs_that_are_not_decoded_together(self):
        image = Image.fromarray(smooth_rgb(24, 32))
        turned = Image.Exif()
        turned[0x0112] = 6
        plain = encode(image, "JPEG")
        for other in (
            encode(image.crop((0, 0, 24, 32)), "JPEG"),  # of another size
            encode(image, "JPEG", exif=turned),
            encode(image, "PNG"),
        ):
            assert not self.are_small([plain, other])
            self.check([plain, other], streams.FG_BG)

    @pytest.mark.parametrize(("width", "is_small"), [(256, True), (257, False)])
    def test_what_is_small(self, width, is_small):
        data = encode(Image.new("L", (width, 256)), "JPEG")
        assert self.are_small([data], 128) == is_small
        large = encode(Image.new("L", (512, 512)), "JPEG")
        assert self.are_small([large], 128)  # at half its size

    def test_no_warning_of_many_graphs_that_are_traced_once_each(self, monkeypatch):
        told = []
        handler = logging.Handler()
        monkeypatch.setattr(handler, "emit", told.append)
        monkeypatch.setattr(logging.getLogger("tensorflow"), "handlers", [handler])
        data = tf.constant([encode(Image.new("L", (8, 8)), "PNG")])
        for size in range(33, 39):
            preprocessing.batch_loader(streams.MASK, size)(data)
        assert [record.getMessage() for record in told] == []

    def test_both_inputs_share_a_graph(self):
        bg, fg_bg = (preprocessing.batch_loader(s, 7) for s in streams.INPUTS)
        assert bg is fg_bg
        assert bg is not preprocessing.batch_loader(streams.MASK, 7)
