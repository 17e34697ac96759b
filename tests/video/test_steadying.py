import cv2
import numpy as np
import pytest

from maskdepth_tf.video.steadying import KEPT, Steadier

SIDE = 64
STILL = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)


def room():
    rng = np.random.default_rng(0)
    grain = rng.uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32)
    return cv2.GaussianBlur(grain, (0, 0), 2)


def steady(frames, masks, depths, warps=None):
    steadier = Steadier()
    warps = [STILL] * len(frames) if warps is None else warps
    return [
        steadier.steady(frame, mask[..., None], depth[..., None], warp)
        for frame, mask, depth, warp in zip(frames, masks, depths, warps, strict=True)
    ]


def test_what_does_not_change_does_not_flicker():
    rng = np.random.default_rng(1)
    half = np.zeros((SIDE, SIDE), np.float32)
    half[:, :32] = 0.5
    masks = [half + rng.uniform(-0.2, 0.2, half.shape).astype("f4") for _ in range(30)]
    flat = [half] * 30
    found = np.stack([s.mask[..., 0] for s in steady([room()] * 30, masks, flat)])
    before, after = (np.diff(values, axis=0).std() for values in (masks, found[5:]))
    # A mean with a share of 0.7 of what was leaves (1 - 0.7) sqrt(2 / 1.7) / sqrt(2).
    assert after < 0.35 * before
    assert np.abs(found[20:].mean(0) - half).max() < 0.12


def test_what_changes_is_answered_at_once():
    here, there = room(), room()
    there[16:48, 16:48] = (250, 0, 0)
    empty, full = (np.zeros((SIDE, SIDE), np.float32) for _ in range(2))
    full[16:48, 16:48] = 1
    frames = [here] * 4 + [there] * 2 + [here] * 2
    masks = [empty] * 4 + [full] * 2 + [empty] * 2
    found = steady(frames, masks, [empty] * 8)
    inner = slice(22, 42)
    for number, mask in enumerate(masks):
        np.testing.assert_allclose(
            found[number].mask[inner, inner, 0], mask[inner, inner], atol=0.02
        )
    # The alpha of what stays is kept, that of what changes is not.
    assert found[4].kept[:8].min() == pytest.approx(KEPT)
    assert found[4].kept[inner, inner].max() < 0.01


def test_what_moves_takes_its_answer_along():
    wide = cv2.copyMakeBorder(room(), 0, 0, 0, 40, cv2.BORDER_REFLECT)
    frames = [np.ascontiguousarray(wide[:, n : n + SIDE]) for n in range(10)]
    line = np.zeros((SIDE, SIDE + 40), np.float32)
    line[:, 50:] = 1
    masks = [line[:, n : n + SIDE] for n in range(10)]
    found = steady(frames, masks, masks)
    for mask, answer in zip(masks, found, strict=True):
        assert np.abs(answer.mask[8:-8, 8:-8, 0] - mask[8:-8, 8:-8]).mean() < 0.01


def test_background_keeps_its_depth_and_the_scale_stays():
    rng = np.random.default_rng(2)
    fall = np.repeat(np.linspace(0.4, 0.9, SIDE, dtype="f4")[:, None], SIDE, 1)
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[20:44, 20:44] = 1
    depths = []
    for number in range(12):
        depth = np.where(mask > 0, 0.2, fall)
        # Somebody nearer changes what 0 and 1 stand for.
        scale, shift = (1.0, 0.0) if number < 4 else (0.8, 0.1)
        noise = rng.normal(0, 0.01, depth.shape)
        depths.append((scale * depth + shift + noise).astype(np.float32))
    found = np.stack(
        [s.depth[..., 0] for s in steady([room()] * 12, [mask] * 12, depths)]
    )
    away = cv2.dilate(mask, np.ones((9, 9))) == 0
    assert found[:, away].std(axis=0).max() < 1e-6
    inner = found[:, 28:36, 28:36].mean((1, 2))
    assert np.abs(inner - 0.2).max() < 0.02


def test_background_of_a_camera_that_moves_is_seen_anew():
    fall = np.repeat(np.linspace(0.4, 0.9, SIDE, dtype="f4")[:, None], SIDE, 1)
    empty = np.zeros_like(fall)
    moved = STILL + np.array([0, 0, 0.1, 0, 0, 0, 0, 0], np.float32)
    later = np.ascontiguousarray(fall.T)
    warps = [STILL, STILL, moved]
    found = steady(
        [room()] * 2 + [255 - room()], [empty] * 3, [fall] * 2 + [later], warps
    )
    assert np.abs(found[1].depth[..., 0] - fall).max() < 1e-6
    assert np.abs(found[2].depth[..., 0] - fall).mean() > 0.05


def test_masks_are_the_same_without_depths():
    rng = np.random.default_rng(3)
    frames = [room() + rng.normal(0, 4, (1, 1, 3)).astype("f4") for _ in range(4)]
    masks = rng.random((4, SIDE, SIDE), "f4")
    both = steady(frames, masks, 1 - masks)
    steadier = Steadier()
    for number, expected in enumerate(both):
        found = steadier.steady(frames[number], masks[number][..., None], None, STILL)
        assert found.depth is None
        np.testing.assert_array_equal(found.mask, expected.mask)
        np.testing.assert_array_equal(found.kept, expected.kept)
    assert np.any(both[-1].mask[..., 0] != masks[-1])


def test_one_that_gets_the_state_goes_on_as_the_first():
    rng = np.random.default_rng(3)
    frames = [room() + rng.normal(0, 2, room().shape).astype("f4") for _ in range(6)]
    masks, depths = rng.uniform(0, 1, (2, 6, SIDE, SIDE, 1)).astype(np.float32)
    one = Steadier()
    for number in range(3):
        one.steady(frames[number], masks[number], depths[number], STILL)
    other = Steadier()
    other.state = {name: value.copy() for name, value in one.state.items()}
    for number in range(3, 6):
        given = (frames[number], masks[number], depths[number], STILL)
        for ours, theirs in zip(one.steady(*given), other.steady(*given), strict=True):
            np.testing.assert_array_equal(ours, theirs)
