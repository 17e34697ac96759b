import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.dataset.checking import consensus, measures
from maskdepth_tf.dataset.checking.findings import Depth, Surroundings

SIZE, CELLS = measures.SIZE, measures.CELLS
EVERYWHERE = np.ones((CELLS, CELLS), bool)


def square(top, left, side=16):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def test_cells_are_means():
    picture = np.arange(SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
    found = measures.cells(picture, CELLS)
    assert found.shape == (CELLS, CELLS)
    # Rows 0 to 3, columns 0 to 3: 64 * 1.5 + 1.5.
    assert found[0, 0] == 97.5
    assert measures.cells(picture[..., None], CELLS).shape == (CELLS, CELLS, 1)


def test_cells_outside_leave_room_for_what_a_jpeg_bleeds():
    outside = measures.outside_cells(square(17, 22))
    # Rows 17 to 32 grow by 2 to 15, cell 3; columns 22 to 37 to 20 and 39, 5 and 9.
    expected = np.ones((CELLS, CELLS), bool)
    expected[3:9, 5:10] = False
    assert np.array_equal(outside, expected)


@pytest.mark.parametrize(
    ("change", "share", "side", "agrees"),
    [
        (0, 1, 224, True),
        (-8, 1, 224, True),
        (-9, 1, 224, False),
        (-9, 1, 32, True),  # pictures of half the side may differ by twice as much
        (-17, 1, 32, False),
        (-100, 0.4, 224, True),  # a shadow
        (100, 0.4, 224, False),
        (6, 1, 224, True),
        (7, 1, 224, False),
        (255, 7 / 256, 224, False),
    ],
)
def test_which_rooms_agree(change, share, side, agrees):
    bg = np.full((CELLS, CELLS, 3), 120, np.float32)
    fg_bg = bg.copy()
    fg_bg.reshape(-1, 3)[: round(share * CELLS**2)] += change
    assert measures.agree(bg, fg_bg, EVERYWHERE, side) is agrees


def test_too_few_cells_accuse_nobody():
    few = np.zeros((CELLS, CELLS), bool)
    few[0, :7] = True
    bg = np.zeros((CELLS, CELLS, 3), np.float32)
    assert measures.agree(bg, bg + 200, few, 224)
    few[0, 7] = True
    assert not measures.agree(bg, bg + 200, few, 224)


@given(st.integers(0, 48), st.integers(0, 48), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_turning_a_mask_turns_what_is_measured(top, left, seed):
    mask = square(top, left)
    rng = np.random.default_rng(seed)
    bg, fg_bg = rng.integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    depth = rng.random((SIZE, SIZE))
    gain = measures.gain_by_transposing(bg, fg_bg, mask)
    assert measures.gain_by_transposing(bg, fg_bg, mask.T) == -gain
    edge = measures.depth_edge(depth, mask)
    assert measures.depth_edge(depth, mask.T) == pytest.approx(-edge)
    contrast = measures.depth_contrast(depth, mask)
    assert measures.depth_contrast(1 - depth, mask) == pytest.approx(-contrast)


def test_a_figure_in_front():
    mask = square(8, 40)
    depth = np.where(mask > 0, 0.25, 0.75)
    assert measures.depth_contrast(depth, mask) == 0.5
    assert measures.depth_edge(depth, mask) > 5
    assert measures.depth_contrast(depth, np.zeros_like(mask)) == 0
    assert measures.depth_contrast(depth, np.full_like(mask, 255)) == 0
    assert measures.depth_edge(depth, np.zeros_like(mask)) == 0
    bg = np.zeros((SIZE, SIZE, 3), np.uint8)
    fg_bg = np.repeat(mask[..., None], 3, axis=2)
    assert measures.gain_by_transposing(bg, fg_bg, mask) == -1
    assert measures.gain_by_transposing(bg, np.minimum(fg_bg, 31), mask) == -1
    assert measures.gain_by_transposing(bg, np.minimum(fg_bg, 30), mask) == 0


def test_what_bleeds_from_a_figure_is_not_its_surroundings():
    mask = square(8, 40)
    depth = np.where(mask > 0, 0.25, np.where(square(6, 38, 20) > 0, 0.3, 0.75))
    assert measures.depth_contrast(depth, mask) == 0.5


def test_the_edge_is_on_both_sides_of_the_outline():
    mask = square(8, 40)
    for inside in (square(9, 41, 14), square(7, 39, 18)):
        assert measures.depth_edge(np.where(inside > 0, 0.2, 0.8), mask) > 4


class TestRooms:
    """Two rooms that differ by 2 in every second cell, and a far one."""

    base = np.full((CELLS, CELLS, 3), 100, np.float32)
    twin = base + 2 * (np.indices((CELLS, CELLS)).sum(axis=0) % 2)[..., None]
    rooms = consensus.Rooms({"a": base, "b": twin, "c": base + 90, "d": None})

    def faults(self, name, shown, side=224):
        view = Surroundings(np.float32(shown), EVERYWHERE, side)
        return [fault.text for fault in self.rooms.faults(name, view)]

    def test_the_nearer_room_is_found_below_the_noise(self):
        noise = np.random.default_rng(0).normal(0, 1.5, self.base.shape)
        assert self.faults("a", self.base + noise) == []
        assert self.faults("b", self.twin + noise) == []
        assert self.faults("a", self.twin + noise) == ["b fits better than a"]
        assert self.faults("b", self.base + noise) == ["a fits better than b"]
        assert self.faults("c", self.base + noise) == ["a fits better than c"]

    def test_a_shadow_accuses_nobody(self):
        shadow = np.zeros_like(self.base)
        shadow[:8] = -30
        assert self.faults("a", self.base + shadow) == []
        assert self.faults("b", self.twin + shadow) == []

    def test_another_room_is_found_below_a_shadow(self):
        shadow = np.zeros_like(self.base)
        shadow[:8] = -40
        # 28 of 255 are left, of 73.
        assert self.faults("a", self.base + 90 + shadow) == ["c fits better than a"]
        shadow[:8] = -70
        assert self.faults("a", self.base + 90 + shadow) == []

    def test_smaller_pictures_may_be_noisier(self):
        noise = np.random.default_rng(0).normal(0, 4, self.base.shape)
        assert self.faults("a", self.twin + noise, side=96) == ["b fits better than a"]
        assert self.faults("a", self.twin + noise) == []

    def test_equal_rooms_are_one(self):
        rooms = consensus.Rooms({"a": self.base, "b": self.base + 0.3})
        assert rooms.faults("a", Surroundings(self.base + 0.3, EVERYWHERE, 224)) == []

    def test_of_strangers_nothing_is_said(self):
        assert self.faults("e", self.twin) == []
        assert self.faults("d", self.twin) == []


def test_the_nearest_rooms_by_hand(monkeypatch):
    monkeypatch.setattr(consensus, "NEIGHBOURS", 3)
    rooms = np.float32([0, 9, 4, 0.3, 2])[:, None] * np.ones((1, 12), np.float32)
    found = consensus._nearest(rooms)
    # Room 3 is the same as room 0.
    assert found[[0, 1, 3]].tolist() == [[4, 2, 1], [2, 4, 3], [4, 2, 1]]
    assert consensus._nearest(rooms[:0]).shape == (0, 0)


class TestDepthFaults:
    """Rows of one room, far above and near below, with figures in front."""

    map = np.rint(np.linspace(250, 10, 8)[:, None] * np.ones(8)).astype(np.uint8)

    def depths(self, count):
        return [Depth(self.map, 0.3, 1.0) for _ in range(count)]

    def find(self, depths, rooms=None):
        found = consensus.depth_faults(rooms or ["a"] * len(depths), depths)
        return [(number, fault.kind) for number, fault in found]

    def test_good_maps(self):
        assert self.find(self.depths(30)) == []
        assert self.find([]) == []

    def test_one_that_is_inverted_and_one_on_its_side(self):
        depths = self.depths(30)
        depths[3] = Depth(255 - self.map, -0.3, 1.0)
        depths[5] = Depth(self.map.T.copy(), 0.1, -1.0)
        assert self.find(depths) == [(3, "inverted_depth"), (5, "transposed")]

    def test_what_the_figure_contradicts_is_let_pass(self):
        depths = self.depths(30)
        depths[3] = Depth(255 - self.map, 0.3, 1.0)
        depths[5] = Depth(self.map.T.copy(), 0.1, 3.0)
        assert self.find(depths) == []

    def test_rooms_with_few_rows_are_compared_with_all(self):
        rooms = [f"{number}" for number in range(30)]
        depths = self.depths(30)
        depths[3] = Depth(255 - self.map, -0.3, 1.0)
        depths[5] = Depth(255 - self.map, -0.05, 1.0)
        depths[7] = Depth(self.map.T.copy(), 0.1, -1.0)  # teachers err as much
        assert self.find(depths, rooms) == [(3, "inverted_depth")]

    def test_a_map_has_one_fault(self):
        depths = self.depths(30)
        depths[3] = Depth(255 - self.map, -0.3, 0.0)
        assert self.find(depths) == [(3, "inverted_depth")]

    def test_a_map_is_compared_with_the_others_alone(self):
        weak = np.rint(self.map / 10).astype(np.uint8)
        depths = [Depth(weak, 0.3, 1.0)] * 3 + [Depth(255 - self.map, -0.3, 1.0)]
        assert self.find(depths) == [(3, "inverted_depth")]

    def test_of_a_constant_map_nothing_is_said(self):
        depths = self.depths(30)
        depths[3] = Depth(np.full_like(self.map, 7), 0.3, 1.0)
        assert self.find(depths) == []

    def test_maps_are_compared_in_parts(self, monkeypatch):
        depths = self.depths(30)
        depths[3] = Depth(255 - self.map, -0.3, 1.0)
        depths[29] = Depth(self.map.T.copy(), 0.1, -1.0)
        rooms = ["a", "b"] * 15
        whole = list(consensus.depth_faults(rooms, depths))
        assert [(number, fault.kind) for number, fault in whole] == [
            (3, "inverted_depth"),
            (29, "transposed"),
        ]
        monkeypatch.setattr(consensus, "_AT_ONCE", 7)
        assert list(consensus.depth_faults(rooms, depths)) == whole

    @pytest.mark.parametrize(
        ("against", "kind"), [(13, "inverted_depth"), (12, None)], ids=["bad", "good"]
    )
    def test_most_rows_decide_on_the_set(self, against, kind):
        depths = self.depths(20)
        depths[:against] = [Depth(self.map, -0.1, 1.0)] * against
        found = [(number, kind) for number in range(20)] if kind else []
        assert self.find(depths) == found

    def test_rows_that_say_nothing_have_no_vote(self):
        depths = [Depth(self.map, -0.1, 1.0)] * 20 + [Depth(self.map, 0.0, 1.0)] * 30
        assert len(self.find(depths)) == 50

    def test_few_rows_decide_nothing(self):
        assert self.find([Depth(self.map, -0.1, 1.0)] * 19) == []
