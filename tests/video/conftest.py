from pathlib import Path

import pytest
from PIL import Image

from benchmarks import made_videos as videos
from benchmarks.made_videos import SIDE
from maskdepth_tf.inference import loading
from maskdepth_tf.video import segments
from tests.support.clips import COUNT, LENGTH


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A clip with sound and uneven times, whose answers take no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_network", lambda path: (videos.network, SIDE))
    monkeypatch.setattr(segments, "LENGTH", LENGTH)
    Image.fromarray(videos.room()).save("room.png")
    videos.make_clip("in.mp4", videos.frames(COUNT))
    return Path("in.mp4")
