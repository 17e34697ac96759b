"""Rendered rooms."""

from maskdepth_tf.draws import generator
from maskdepth_tf.scenes import render, rooms, shapes
from maskdepth_tf.scenes.raycast import Scene


def make_views(count):
    """The first rooms of a seed, each with what its camera sees at 24 pixels."""
    pairs = []
    for number in range(count):
        draws = generator(3, 1, number)
        room = rooms.make_room(draws)
        scene = Scene(shapes.compact(room.model))
        pairs.append(
            (room, render.render_room(scene, room.camera, room.lights, 24, draws))
        )
    return pairs
