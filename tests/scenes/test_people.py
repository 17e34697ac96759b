"""People and other figures, over many seeds."""

import numpy as np
import pytest

from maskdepth_tf.draws import generator
from maskdepth_tf.scenes import people, shapes


@pytest.mark.parametrize("make", [people.person, people.seated, people.company])
def test_people_stand_on_the_floor(make):
    for seed in range(6):
        model = make(generator(seed))
        low, high = shapes.bounds(model)
        assert low[2] == pytest.approx(0, abs=0.02)
        assert 0.8 < high[2] < 2.4
        assert (high - low < 4.5).all()
        for part in model:
            assert np.isfinite(part.vertices).all()
            assert np.isfinite(part.uv).all()
            np.testing.assert_allclose(shapes.length(part.normals), 1, atol=1e-6)


def test_people_have_people_s_proportions():
    bounds = [shapes.bounds(people.person(generator(seed))) for seed in range(30)]
    heights = [high[2] - low[2] for low, high in bounds]
    assert 1.6 < np.median(heights) < 1.85


def test_a_bent_knee_lifts_the_foot():
    draws = generator(0)
    look = people.dress(draws)._replace(skirt=0.0)
    zero = np.zeros(2)
    straight = people.Pose(zero, zero, zero, zero, zero)
    lows = [
        shapes.bounds(people.body(generator(1), look, pose))[0][2]
        for pose in (straight, straight._replace(knees=np.array([90.0, 90.0])))
    ]
    # Shins of 0.235 lie level; what is lowest then is a knee or a shoe behind it.
    assert lows[0] == pytest.approx(0.0, abs=0.03)
    assert lows[1] > lows[0] + 0.15


def test_figures_vary_and_follow_their_seed():
    bounds = [shapes.bounds(people.figure(generator(k))) for k in range(8)]
    assert len({tuple(high) for _, high in bounds}) == 8
    again = shapes.bounds(people.figure(generator(0)))
    np.testing.assert_array_equal(bounds[0], again)


def test_some_figures_are_noisy_and_their_skin_is_not():
    models = [people.figure(generator(1, k)) for k in range(40)]
    noisy = [m for m in models if any(p.material.noise for p in m)]
    assert 3 <= len(noisy) <= 16
    for model in noisy:
        skins = [p.material for p in model if p.material.texture in ("skin", "face")]
        assert not any(skin.noise for skin in skins)
