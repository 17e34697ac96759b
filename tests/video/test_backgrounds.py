import numpy as np
import pytest

from benchmarks import made_videos as videos
from maskdepth_tf.errors import DataError
from maskdepth_tf.video import backgrounds


def clip(path, shown):
    videos.make_clip(path, shown, times="20*N", sound=None)
    return path


def put(picture, left):
    picture = picture.copy()
    picture[12:40, left : left + 12] = (230, 20, 30)
    return picture


def test_median_where_somebody_is_always_there(tmp_path):
    shown = [put(videos.room(), 4 + 17 * (n % 3)) for n in range(33)]
    found = backgrounds.find(clip(tmp_path / "a.mp4", shown))
    assert np.abs(found.astype(int) - videos.room()).max() <= 3


def test_a_frame_without_anybody_is_taken_as_it_is(tmp_path):
    noise = np.random.default_rng(0).integers(-4, 5, (33, *videos.room().shape))
    shown = [put(videos.room(), 4 + 17 * (n % 3)) for n in range(33)]
    shown[20] = videos.room()
    shown = [np.uint8(s + n) for s, n in zip(shown, noise, strict=True)]
    found = backgrounds.find(clip(tmp_path / "a.mp4", shown))
    # Its own noise, which a median has not.
    assert np.abs(found.astype(int) - shown[20]).mean() < 1


@pytest.mark.parametrize(
    ("lefts", "reason"),
    [
        ([20, 21] * 5 + [24, 26] * 5, "of the picture is never free for long enough"),
        ([20] * 20, "and nothing moves here"),
    ],
)
def test_somebody_who_never_leaves_is_told(tmp_path, lefts, reason):
    rng = np.random.default_rng(1)
    coat = rng.integers(0, 256, (28, 12, 3), np.uint8)
    shown = []
    for left in lefts:
        picture = videos.room()
        picture[12:40, left : left + 12] = coat
        shown.append(picture)
    with pytest.raises(DataError, match=reason) as caught:
        backgrounds.find(clip(tmp_path / "a.mp4", shown))
    assert "--bg FILE" in str(caught.value)
