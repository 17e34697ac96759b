"""Pieces of furniture, over many seeds."""

import numpy as np
import pytest

from maskdepth_tf.draws import generator
from maskdepth_tf.scenes import furniture, shapes


@pytest.mark.parametrize("kind", [*furniture.KINDS, "plant", "workplace"])
def test_pieces_stand_on_the_floor(kind):
    for seed in range(6):
        model = furniture.piece(generator(seed), kind)
        low, high = shapes.bounds(model)
        assert low[2] == pytest.approx(0, abs=0.02)
        assert 0.4 < high[2] < 2.4
        assert (high - low < 3).all()
        assert (low[:2] < 0).all()
        assert (high[:2] > 0).all()
        for part in model:
            assert np.isfinite(part.uv).all()
            np.testing.assert_allclose(shapes.length(part.normals), 1, atol=1e-6)


@pytest.mark.parametrize("kind", furniture.KINDS)
def test_pieces_are_as_large_as_their_kind_says(kind):
    smallest, largest = furniture.KINDS[kind][0]
    for seed in range(6):
        low, high = shapes.bounds(furniture.build(generator(seed), kind))
        # Solids may reach a little over what they make up, as handles do.
        assert (high - low >= 0.8 * np.array(smallest)).all()
        assert (high - low <= 1.1 * np.array(largest)).all()


def test_mirrored_solids_lie_on_both_sides():
    low, high = shapes.bounds(furniture.build(generator(0), "board"))
    np.testing.assert_allclose(low[:2], -high[:2])


def test_halves_of_pieces_lack_what_is_optional():
    counts = {len(furniture.build(generator(k), "sofa")) for k in range(12)}
    assert len(counts) == 2


@pytest.mark.parametrize("kinds", [furniture.ALONG, furniture.FREE, furniture.FIGURES])
def test_a_piece_is_of_one_of_the_kinds(kinds):
    assert set(kinds.split(", ")) <= {*furniture.KINDS, "plant", "workplace"}
    pieces = [furniture.piece(generator(k), kinds) for k in range(9)]
    assert len({tuple(shapes.bounds(model)[1]) for model in pieces}) == 9
