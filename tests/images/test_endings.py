import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from maskdepth_tf.errors import DataError
from maskdepth_tf.images import endings, preprocessing
from tests.support.pictures import encode, natural_rgb, write

KINDS = {
    "plain": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
}


@pytest.fixture(params=KINDS)
def jpeg(request):
    picture = Image.fromarray(natural_rgb(3, 40, 56))
    return encode(picture, "JPEG", quality=90, **KINDS[request.param])


@pytest.mark.parametrize("missing", [1, 2])
def test_all_pixels_are_there(tmp_path, jpeg, missing):
    assert not endings.lacks_end(jpeg)
    assert endings.lacks_end(jpeg[:-missing])
    whole = preprocessing.read_rgb(write(tmp_path / "a.jpg", jpeg))
    path = write(tmp_path / "b.jpg", jpeg[:-missing])
    with pytest.warns(UserWarning, match=r"b\.jpg: a JPEG without its end marker"):
        np.testing.assert_array_equal(preprocessing.read_rgb(path), whole)
    with pytest.warns(UserWarning, match="end marker"):
        np.testing.assert_array_equal(preprocessing.read_rgba(path)[..., :3], whole)


def test_what_lacks_more_is_refused(tmp_path, jpeg):
    markers = [n for n in range(620, len(jpeg) - 2) if jpeg[n : n + 1] == b"\xff"]
    for length in [*range(len(jpeg) - 12, len(jpeg) - 2), *markers[:20]]:
        path = write(tmp_path / "cut.jpg", jpeg[:length])
        with pytest.raises(DataError, match=r"cut\.jpg: cannot be decoded"):
            preprocessing.read_rgb(path)


def test_what_stands_behind_the_end_is_nothing(jpeg):
    assert not endings.lacks_end(jpeg + bytes(9))
    assert not endings.lacks_end(b"text")
    ends = endings.is_ended(tf.constant([jpeg, jpeg[:-1], b""]))
    assert ends.numpy().tolist() == [True, False, False]
