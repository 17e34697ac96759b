import re
import struct
import warnings
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from maskdepth_tf import streams
from maskdepth_tf.errors import DataError
from maskdepth_tf.images import encoding, preprocessing
from tests.support.pictures import (
    CORPUS,
    WITH_GREY,
    difference,
    encode,
    golden,
    grey,
    natural_rgb,
    png,
    smooth_rgb,
    write,
)

SIGNATURE = [tf.TensorSpec([], tf.string)]
DECODERS = {
    "rgb": preprocessing.decode_rgb,
    "rgba": preprocessing.decode_rgba,
    "mask": preprocessing.decode_mask,
    "depth": preprocessing.decode_depth,
}
IN_GRAPH = {
    name: tf.function(decode, input_signature=SIGNATURE)
    for name, decode in DECODERS.items()
}


class TestFormats:
    @pytest.mark.parametrize("name", CORPUS)
    @pytest.mark.filterwarnings("ignore:.*animated")
    def test_pixels_are_those_of_pillow(self, tmp_path, name):
        rgba, on_white = golden(CORPUS[name])
        path = write(tmp_path / "wrong_suffix.jpg", CORPUS[name])
        tolerance = 2 if name == "jpeg_cmyk" else 0
        assert difference(preprocessing.read_rgb(path), on_white) <= tolerance
        assert difference(preprocessing.read_rgba(path), rgba) <= tolerance

    def test_inks_of_a_cmyk_jpeg_are_multiplied(self, tmp_path):
        path = write(tmp_path / "a.jpg", CORPUS["jpeg_cmyk"])
        inks = 255 - np.array(Image.open(path)).astype(int)
        expected = inks[..., :3] * inks[..., 3:] / 255
        assert difference(preprocessing.read_rgb(path), expected) < 1

    @pytest.mark.parametrize("name", WITH_GREY)
    @pytest.mark.parametrize("decoder", DECODERS)
    def test_graph_and_eager_agree(self, name, decoder):
        data = CORPUS[name]
        eager = DECODERS[decoder](tf.constant(data)).numpy()
        np.testing.assert_array_equal(IN_GRAPH[decoder](data).numpy(), eager)

    @pytest.mark.parametrize("name", WITH_GREY)
    def test_masks_are_grey_on_black(self, name):
        data = CORPUS[name]
        _, on_black = golden(data, (0, 0, 0))
        # libjpeg, libpng and TensorFlow weigh the colours a little differently.
        assert difference(IN_GRAPH["mask"](data).numpy(), grey(on_black)) <= 1

    @pytest.mark.parametrize("name", WITH_GREY)
    def test_depths_have_holes_where_a_png_is_transparent(self, name):
        data = CORPUS[name]
        rgba, _ = golden(data)
        depth = IN_GRAPH["depth"](data).numpy()
        assert depth.dtype == np.float32
        is_hole = (rgba[..., 3:] < 128) & data.startswith(b"\x89PNG")
        np.testing.assert_array_equal(depth <= streams.HOLE, is_hole)
        filled = np.where(is_hole, -1 - depth, depth)
        assert difference(np.round(filled * 255), grey(rgba[..., :3])) <= 1

    @pytest.mark.parametrize("encoding", ["PNG", "GIF"])
    def test_an_animation_warns_and_gives_its_first_frame(self, tmp_path, encoding):
        first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8))
        data = encode(first, encoding, save_all=True, append_images=[second])
        path = write(tmp_path / "moving", data)
        with pytest.warns(UserWarning, match="moving: animated; only the first frame"):
            pixels = preprocessing.read_rgb(path)
        assert (pixels == [255, 0, 0]).all()

    def test_transparent_parts_of_a_gif_are_black(self, tmp_path):
        image = Image.new("P", (8, 8), 1)
        image.putpalette([255, 255, 255, 9, 9, 9])
        path = write(tmp_path / "a.gif", encode(image, "GIF", transparency=1))
        assert (preprocessing.read_rgb(path) == 0).all()

    def test_16_bits_of_colour_keep_the_upper_byte(self, tmp_path):
        values = np.arange(0, 65536, 257 * 3 + 1, dtype=">u2")
        row = np.repeat(values[:, None], 3, axis=1).tobytes()
        path = write(tmp_path / "a.png", png(len(values), 1, 16, 2, [row]))
        np.testing.assert_array_equal(
            preprocessing.read_rgb(path)[0, :, 0], values >> 8
        )

    @pytest.mark.parametrize("bits", [1, 2, 4])
    @pytest.mark.parametrize("colour_type", [0, 3])
    def test_few_bits_without_alpha_are_opaque(self, tmp_path, bits, colour_type):
        palette = bytes(range(3 * 2**bits))
        chunk = struct.pack(">I", len(palette)) + b"PLTE" + palette
        chunk += struct.pack(">I", zlib.crc32(b"PLTE" + palette))
        extra = chunk if colour_type == 3 else b""
        data = png(8, 1, bits, colour_type, [b"\x1b" * bits], extra)
        path = write(tmp_path / "a.png", data)
        np.testing.assert_array_equal(preprocessing.read_rgba(path), golden(data)[0])
        assert (preprocessing.read_rgba(path)[..., 3] == 255).all()

    @pytest.mark.parametrize("frames", [1, 3])
    def test_an_animated_webp_never_reaches_the_decoder(self, tmp_path, frames):
        turned = [Image.fromarray(smooth_rgb()).rotate(90 * i) for i in range(1, 4)]
        data = encode(turned[0], "WEBP", save_all=True, append_images=turned[1:])
        if frames == 1:
            # The flag alone, in front of a still picture.
            still = encode(turned[0], "WEBP")[12:]
            data = b"RIFF" + struct.pack("<I", 22 + len(still)) + b"WEBP" + data[12:30]
            data += still
        for decode in IN_GRAPH.values():
            with pytest.raises(tf.errors.InvalidArgumentError):
                decode(data)
        with pytest.raises(DataError, match="expected a (still )?picture"):
            preprocessing.read_rgb(write(tmp_path / "a.webp", data))

    @pytest.mark.parametrize("mode", ["P", "L", "1"])
    def test_a_bmp_with_a_palette_never_reaches_the_decoder(self, mode):
        data = encode(Image.fromarray(smooth_rgb()).convert(mode), "BMP")
        for decode in IN_GRAPH.values():
            with pytest.raises(tf.errors.InvalidArgumentError):
                decode(data)

    def test_natural_pictures_are_those_of_pillow(self, tmp_path):
        for seed in range(8):
            height, width = 96 + 32 * seed, 224 - 9 * seed
            photo = Image.fromarray(natural_rgb(seed, height, width))
            cutout = photo.copy()
            cutout.putalpha(photo.convert("L"))
            for data in (
                encode(photo, "JPEG", quality=30 + 9 * seed),
                encode(cutout, "PNG"),
            ):
                rgba, on_white = golden(data)
                path = write(tmp_path / "picture", data)
                assert difference(preprocessing.read_rgb(path), on_white) <= 1
                np.testing.assert_array_equal(preprocessing.read_rgba(path), rgba)


class TestDepth:
    def test_16_bits_are_kept(self, tmp_path):
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        encoding.write_image(tmp_path / "ramp.png", ramp)
        depth = preprocessing.read_depth(tmp_path / "ramp.png")
        error = np.abs(depth[..., 0] - ramp / np.float64(65535)).max()
        assert error < 0.01 / 65535
        assert depth.min() == 0
        assert depth.max() == 1
        np.testing.assert_array_equal(np.round(depth[..., 0] * 65535), ramp)

    def test_8_bits_are_value_over_255(self, tmp_path):
        ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
        encoding.write_image(tmp_path / "ramp.png", ramp)
        depth = preprocessing.read_depth(tmp_path / "ramp.png")[..., 0]
        np.testing.assert_allclose(depth, ramp / 255, atol=1e-7)
        assert depth[-1, -1] == 1

    def test_jpeg_is_value_over_255(self, tmp_path):
        path = tmp_path / "grey.jpg"
        encoding.write_image(path, np.full((16, 16), 51, np.uint8))
        np.testing.assert_allclose(preprocessing.read_depth(path), 0.2, atol=1e-7)
        encoding.write_image(path, np.full((16, 16), 255, np.uint8))
        assert (preprocessing.read_depth(path) == 1).all()

    def test_holes_keep_what_stands_for_them(self, tmp_path):
        values = np.array([[[0, 255], [51, 128]], [[51, 127], [255, 0]]], np.uint8)
        Image.fromarray(values).save(tmp_path / "a.png")
        depth = preprocessing.read_depth(tmp_path / "a.png")[..., 0]
        np.testing.assert_allclose(depth, [[0, 0.2], [-1.2, -2]], atol=1e-6)


class TestRead:
    READERS = (
        preprocessing.read_rgb,
        preprocessing.read_rgba,
        preprocessing.read_mask,
        preprocessing.read_depth,
    )

    def test_gives_the_bytes_behind_the_gate(self, tmp_path):
        data = CORPUS["jpeg"]
        assert preprocessing.read(write(tmp_path / "a.jpg", data)) == data
        write(tmp_path / "a.jpg", b"text")
        for read in (preprocessing.read, *self.READERS):
            with pytest.raises(DataError, match=r"a\.jpg: expected a picture"):
                read(tmp_path / "a.jpg")

    @pytest.mark.parametrize("name", ["jpeg", "rgb", "webp", "gif", "bmp"])
    @pytest.mark.parametrize("percent", [30, 60, 90, 95, 99])
    def test_truncated_files_are_named(self, tmp_path, name, percent):
        data = CORPUS[name]
        path = write(tmp_path / f"{name}.x", data[: len(data) * percent // 100])
        for read in self.READERS:
            with pytest.raises(
                DataError, match=rf"{name}\.x: (expected|cannot be dec)"
            ):
                read(path)

    def test_an_error_is_one_line(self, tmp_path):
        data = CORPUS["jpeg"]
        path = write(tmp_path / "cut.jpg", data[:-9])
        with pytest.raises(DataError, match=r"cut\.jpg: cannot be decoded") as caught:
            preprocessing.read_rgb(path)
        assert "\n" not in str(caught.value)
        assert "{{" not in str(caught.value)
        assert "[Op" not in str(caught.value)

    def test_grey_of_a_cmyk_jpeg_is_refused(self, tmp_path):
        path = write(tmp_path / "a.jpg", CORPUS["jpeg_cmyk"])
        with pytest.raises(DataError, match=r"a\.jpg: cannot be decoded"):
            preprocessing.read_mask(path)

    def test_500_damaged_files_raise_nothing_else(self, tmp_path):
        random = np.random.default_rng(1)
        names = sorted(CORPUS)
        refused, decoded = [], 0
        for i in range(500):
            data = bytearray(CORPUS[names[i % len(names)]])
            for _ in range(random.integers(1, 6)):
                data[random.integers(len(data))] = random.integers(256)
            path = write(
                tmp_path / "damaged", bytes(data[: random.integers(20, 2 * len(data))])
            )
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    pixels = self.READERS[i % 4](path)
                decoded += 1
                assert pixels.shape[2] == (3, 4, 1, 1)[i % 4]
            except DataError as error:
                refused.append(str(error))
        assert all(re.fullmatch(rf"{path}: .+", line) for line in refused)
        assert len(refused) > 100
        assert decoded > 50
