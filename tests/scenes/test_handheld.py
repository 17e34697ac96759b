"""Two pictures of one room that a hand takes."""

import numpy as np
import pytest

from maskdepth_tf.draws import generator
from maskdepth_tf.scenes import handheld, people, shapes, stage
from maskdepth_tf.scenes.film import Film
from maskdepth_tf.scenes.raycast import Camera

X, Y, Z = np.eye(3)
SIZE = 224


def ahead():
    return Camera.looking((1, 2, 1.5), 20, -5, 1, 70)


@pytest.mark.parametrize(
    ("axis", "degrees", "before", "after"),
    [
        (Z, 90, X, Y),
        (X, 90, Y, Z),
        (Y, -90, X, Z),
        (Z, 180, X, -X),
        (Z, 77, Z, Z),
        (Z, 30, X, (0.75**0.5, 0.5, 0)),
    ],
)
def test_rotations_by_hand(axis, degrees, before, after):
    turned = np.einsum("ij,j->i", handheld.rotation(axis, degrees), before)
    np.testing.assert_allclose(turned, after, atol=1e-12)


def test_a_hand_moves_centimetres_and_turns_a_degree():
    camera, ways, turns = ahead(), [], []
    for seed in range(200):
        again = handheld.moved(camera, generator(seed))
        products = np.einsum("ij,kj->ik", again.axes, again.axes)
        np.testing.assert_allclose(products, np.eye(3), atol=1e-12)
        assert again.slope == camera.slope
        ways.append(np.linalg.norm(again.position - camera.position))
        cosine = (np.sum(again.axes * camera.axes) - 1) / 2
        turns.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    assert 0.01 <= min(ways) < 0.012
    assert 0.038 < max(ways) <= 0.04
    assert min(turns) < 0.05
    assert 0.95 < max(turns) <= 1 + 1e-6


def test_what_is_near_moves_more(monkeypatch):
    monkeypatch.setattr(handheld, "TURN", (0.0, 0.0))
    camera = ahead()
    again = handheld.moved(camera, generator(1))
    way = camera.axes @ (again.position - camera.position)
    for depth in (1.0, 4.0):
        point = camera.position + depth * camera.axes[2]
        column, row, found = again.project(point[None], SIZE)[0]
        # The point was in the middle of the picture: 112, 112.
        scale = SIZE / 2 / camera.slope / (depth - way[2])
        assert found == pytest.approx(depth - way[2])
        assert column == pytest.approx(112 - scale * way[0])
        assert row == pytest.approx(112 + scale * way[1])


def test_exposure_and_balance_are_chosen_anew():
    film = Film(2.0, np.array([1.1, 1.0, 0.9]), 0.3, 1.0, 0.1, 0.05, 0.01)
    gains, warmth = [], []
    for seed in range(200):
        again = handheld.exposed(film, generator(seed))
        assert again.balance.mean() == pytest.approx(1)
        gains.append(again.exposure / 2)
        ratio = again.balance / film.balance
        warmth.append(np.log(ratio[0] / ratio[1]))
        assert (again.contrast, again.blur, again.noise) == (0.3, 0.05, 0.01)
    assert 0.75 <= min(gains) < 0.76
    assert 1.31 < max(gains) <= 1.33
    assert np.std(warmth) == pytest.approx(0.03, rel=0.2)


@pytest.fixture(scope="module")
def first():
    return stage.Stage(0, 2, 48)


def test_the_room_is_the_same_and_the_picture_another(first):
    before = first.background()
    again = first.taken_again(generator(1))
    np.testing.assert_array_equal(first.background(), before)
    np.testing.assert_array_equal(again._view.received, first._view.received)
    gap = np.abs(again.background().astype(int) - before)
    assert 1 < gap.mean() < 45
    same = first.taken_again(generator(1))
    np.testing.assert_array_equal(same.background(), again.background())
    other = first.taken_again(generator(2))
    assert (other.background() != again.background()).any()


def test_mask_and_depth_are_those_of_the_second_picture(first):
    again = first.taken_again(generator(3))
    figure = shapes.compact(people.person(generator(0)))
    example = again.example(figure, generator(4), is_real=True)
    metres = example.near_m + example.depth / 65535 * (example.far_m - example.near_m)
    outside = example.mask == 0
    np.testing.assert_allclose(metres[outside], again._view.depth[outside], atol=1e-3)
    assert (metres[example.mask == 255] < again._view.depth[example.mask == 255]).all()
    assert (np.abs(again._view.depth - first._view.depth) > 1e-3).any()


def test_figures_of_a_hand_stand_in_the_rooms_light(first):
    again = first.taken_again(generator(5))
    for k in range(12):
        figure = shapes.compact(people.figure(generator(6, k)))
        placed = stage.place(figure, again._room, again._view, generator(7, k), True)
        assert not placed.is_pasted
        assert placed.has_shadow


def test_a_pair_is_a_function_of_its_seed():
    made, same, other = stage.pair(4, 24), stage.pair(4, 24), stage.pair(5, 24)
    assert [part.shape for part in made] == [(24, 24, 3), (24, 24, 3), (24, 24)]
    assert {part.dtype for part in made} == {np.dtype("uint8")}
    for a, b, c in zip(made, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
    assert (made.mask >= 128).any()
    # Where the figure is both differ most.
    gap = np.abs(made.bg.astype(int) - made.fg_bg).mean(-1)
    assert gap[made.mask > 200].mean() > gap[made.mask == 0].mean()
