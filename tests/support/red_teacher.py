"""A made-up teacher, and a data set that it maps."""

import numpy as np
from PIL import Image

from maskdepth_tf.dataset import depth
from maskdepth_tf.input import labels


class RedTeacher:
    """Metres are 2 + red / 51: from 2 to 7."""

    input_size = 16
    is_one_core = True

    def __init__(self):
        self.seen = 0

    def predict(self, batch):
        """See `loading.Teacher`."""
        self.seen += len(batch)
        return np.float32(2) + batch[..., 0] / np.float32(51)


def make_set(tmp_path):
    """Twenty rows; row n is a ramp of red from 0 to 10 n, its figure is on the left."""
    root = tmp_path / "set"
    (root / "fg_bg").mkdir(parents=True)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:12, :4] = 255
    Image.fromarray(mask).save(root / "m.png")
    rows = []
    for number in range(20):
        picture = np.zeros((16, 16, 3), np.uint8)
        picture[..., 0] = np.linspace(0, 10 * number, 16).round()
        Image.fromarray(picture).save(root / "fg_bg" / f"{number}.png")
        fg_bg, map_path = f"fg_bg/{number}.png", f"depth/{number}.jpg"
        rows.append(labels.Row("bg.jpg", "fg.png", fg_bg, "m.png", map_path))
    labels.write(root / "labels.txt", rows)
    (root / "manifest.json").write_text('{"recipe": 1}')
    (tmp_path / "net.tflite").write_bytes(b"a network")
    return root


def make(data, **more):
    return depth.make_depth(data, str(data.parent / "net.tflite"), **more)


def content_of(root):
    """All files of a data set."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
