"""Depth maps of rooms, in which figures are put, by a made-up teacher."""

import json

import numpy as np
import pytest
from PIL import Image

from maskdepth_tf import errors
from maskdepth_tf.images import preprocessing
from maskdepth_tf.input import labels
from tests.support.red_teacher import content_of, make


def rooms_of(data):
    """Gives the rows two rooms: a ramp of red, and one of no red at all."""
    ramp = np.zeros((16, 16, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 16).round()
    Image.fromarray(ramp).save(data / "ramp.png")
    Image.fromarray(np.zeros_like(ramp)).save(data / "flat.png")
    rows = labels.read(data / "labels.txt")
    rooms = ("ramp.png", "flat.png")
    rows = [row._replace(bg=rooms[number % 2]) for number, row in enumerate(rows)]
    labels.write(data / "labels.txt", rows)


def test_maps_of_rooms_with_figures_put_in(data, network):
    rooms_of(data)
    assert make(data, of_rooms=True, bits=16) == 20
    rows = labels.read(data / "labels.txt")
    assert [labels.is_unknown(row) for row in rows] == [False, True] * 10
    assert rows[1].depth == "depth/1@unknown.png"
    assert np.ptp(preprocessing.read_depth(data / rows[1].depth)) == 0
    # The figure is in the left quarter, where the room is nearest, and before it.
    depth_map = preprocessing.read_depth(data / rows[0].depth)[..., 0]
    assert depth_map[4:12, :4].max() == 0
    assert depth_map[0, 0] == pytest.approx(0.03, abs=0.02)
    assert depth_map[:, -1].min() == pytest.approx(1, abs=0.01)
    assert json.loads((data / "manifest.json").read_text())["depth"]["of_rooms"]
    # What is there stays, under its name; --force makes all anew, all known.
    assert make(data, of_rooms=True, bits=16) == 0
    with pytest.raises(errors.StateError, match="begun with another of_rooms"):
        make(data, bits=16)
    assert make(data, bits=16, force=True) == 20
    rows = labels.read(data / "labels.txt")
    assert not any(map(labels.is_unknown, rows))
    assert not (data / "depth/1@unknown.png").exists()


def test_maps_of_rooms_go_on_where_they_stopped(data, network):
    rooms_of(data)
    make(data, of_rooms=True)
    first = content_of(data)
    rows = labels.read(data / "labels.txt")
    manifest = json.loads((data / "manifest.json").read_text())
    manifest["depth"]["complete"] = False
    (data / "manifest.json").write_text(json.dumps(manifest))
    for row in rows[:6]:
        (data / row.depth).unlink()
    assert make(data, of_rooms=True) == 6
    assert content_of(data) == first
