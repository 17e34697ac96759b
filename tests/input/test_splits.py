"""Splits: their sizes, what they keep apart, and what they depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskdepth_tf.errors import DataError
from maskdepth_tf.input import labels, splits
from maskdepth_tf.input.labels import Row


def rows_of(scenes=20, cutouts=20):
    """Every scene with every cut-out."""
    return [
        Row(f"bg/{b}.png", f"fg/{f}.png", f"w/{b}_{f}.png", "m.png", "d.png")
        for b in range(scenes)
        for f in range(cutouts)
    ]


def own_groups(names):
    """Each picture a group of its own."""
    return {name: group for group, name in enumerate(sorted(names))}


def unseen(rows, fraction=0.3, seed=0, bg_groups=None, fg_groups=None):
    return splits.unseen_split(
        rows,
        fraction,
        seed,
        bg_groups or own_groups({row.bg for row in rows}),
        fg_groups or own_groups({row.fg for row in rows}),
    )


def plain(count):
    """Rows of which none is a view."""
    return [
        Row(f"bg/{i // 4}.png", f"fg/{i % 4}.png", f"{i}", f"{i}", f"{i}")
        for i in range(count)
    ]


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def thumbnail(seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (splits.HASH_SIDE, splits.HASH_SIDE + 1), dtype="uint8")


def test_rows_are_spread():
    ids = np.arange(10, 310)
    assert splits.spread(ids, 3).tolist() == [10, 110, 210]
    assert len(set(splits.spread(ids, 200).tolist())) == 200
    assert splits.spread(ids, 1000).tolist() == ids.tolist()


@pytest.mark.parametrize(("rows", "fraction"), [(10, 0.3), (101, 0.5), (7, 0.2)])
def test_random_split(rows, fraction):
    split = splits.random_split(plain(rows), fraction, 0)
    assert len(split["test"]) == round(rows * fraction)
    both = np.concatenate([split["train"], split["test"]])
    assert sorted(both.tolist()) == list(range(rows))
    for side in split.values():
        assert side.dtype == np.int64
        np.testing.assert_array_equal(side, np.sort(side))


def test_random_split_depends_on_the_seed_alone():
    found = splits.random_split(plain(50), 0.3, 1)
    assert same(splits.random_split(plain(50), 0.3, 1), found)
    assert not same(splits.random_split(plain(50), 0.3, 2), found)


@pytest.mark.parametrize("kind", ["random", "unseen"])
def test_views_only_train(kind):
    rows = plain(40) + [
        Row(f"bg/{i // 4 - 10}@{i}.png", f"fg/{i % 4}.png", f"{i}v", f"{i}v", f"{i}v")
        for i in range(40, 80)
    ]
    if kind == "random":
        split = splits.random_split(rows, 0.25, 0)
        assert len(split["test"]) == 10
        assert set(range(40, 80)) <= set(split["train"].tolist())
    else:
        split = unseen(rows, 0.3, bg_groups=own_groups({r.bg for r in rows[:40]}))
        new_rooms = {rows[i].bg for i in (*split["test"], *split["new_bg"])}
        new_figures = {rows[i].fg for i in (*split["test"], *split["new_fg"])}
        for i in split["train"]:
            assert labels.room_of(rows[i].bg) not in new_rooms
            assert rows[i].fg not in new_figures
        assert (split["train"] >= 40).any()
    split = splits.hold_out_validation(split, rows, 0)
    for name, side in split.items():
        assert name == "train" or (side < 40).all(), name


def test_unseen_sides_are_what_they_say():
    rows = rows_of()
    split = unseen(rows)
    names = {s: {rows[i].bg for i in ids} for s, ids in split.items()}
    cutouts = {s: {rows[i].fg for i in ids} for s, ids in split.items()}
    assert not names["train"] & names["test"]
    assert not cutouts["train"] & cutouts["test"]
    assert names["new_bg"] == names["test"]
    assert cutouts["new_bg"] == cutouts["train"]
    assert names["new_fg"] == names["train"]
    assert cutouts["new_fg"] == cutouts["test"]
    assert sorted(np.concatenate(list(split.values())).tolist()) == list(range(400))
    # 6 of 20 scenes and 6 of 20 cut-outs test.
    assert {s: len(ids) for s, ids in split.items()} == {
        "train": 14 * 14,
        "test": 6 * 6,
        "new_bg": 6 * 14,
        "new_fg": 14 * 6,
    }


def test_scenes_and_cutouts_are_drawn_apart():
    split = unseen(rows_of(20, 20))
    rows = rows_of()
    scenes = {rows[i].bg.split("/")[1] for i in split["test"]}
    cutouts = {rows[i].fg.split("/")[1] for i in split["test"]}
    assert scenes != cutouts


def test_unseen_split_depends_on_the_seed_alone():
    assert same(unseen(rows_of(), seed=3), unseen(rows_of(), seed=3))
    assert not same(unseen(rows_of(), seed=3), unseen(rows_of(), seed=4))


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(0, 99))
def test_order_of_rows_and_names_does_not_matter(random, seed):
    rows = rows_of(10, 10)
    expected = unseen(rows, seed=seed)
    shuffled = random.sample(rows, len(rows))
    scenes = own_groups({row.bg for row in rows})
    names = random.sample(sorted(scenes), len(scenes))
    found = unseen(shuffled, seed=seed, bg_groups={n: scenes[n] for n in names})
    for side, ids in expected.items():
        assert {rows[i] for i in ids} == {shuffled[i] for i in found[side]}


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 999),
    st.floats(0.1, 0.9),
    st.lists(st.integers(0, 7), min_size=20, max_size=20),
)
def test_groups_are_never_divided(seed, fraction, groups):
    rows = rows_of()
    scenes = {f"bg/{i}.png": group for i, group in enumerate(groups)}
    try:
        split = unseen(rows, fraction, seed, bg_groups=scenes)
    except DataError:
        return
    held_out = {scenes[rows[i].bg] for i in (*split["test"], *split["new_bg"])}
    kept = {scenes[rows[i].bg] for i in (*split["train"], *split["new_fg"])}
    assert not held_out & kept


def test_share_of_uneven_groups_is_near_the_fraction():
    groups = {f"bg/{i}.png": min(i, 15) for i in range(20)}
    for seed in range(20):
        split = unseen(rows_of(), 0.3, seed, bg_groups=groups)
        scenes = {i // 20 for i in (*split["test"], *split["new_bg"])}
        assert 4 <= len(scenes) <= 8


def test_validation_is_taken_from_training_alone():
    split = unseen(rows_of())
    found = splits.hold_out_validation(split, rows_of(), 0)
    assert len(found["validation"]) == round(0.05 * len(split["train"]))
    both = np.sort(np.concatenate([found["train"], found["validation"]]))
    np.testing.assert_array_equal(both, split["train"])
    for side in ("test", "new_bg", "new_fg"):
        np.testing.assert_array_equal(found[side], split[side])
    assert same(splits.hold_out_validation(split, rows_of(), 0), found)
    assert not same(splits.hold_out_validation(split, rows_of(), 1), found)


def test_validation_has_one_row_at_least():
    split = {"train": np.arange(4), "test": np.arange(4, 6)}
    found = splits.hold_out_validation(split, plain(6), 0)
    assert len(found["validation"]) == 1


def test_difference_hash_by_hand():
    image = np.tile(np.arange(17, dtype="uint8"), (16, 1))
    assert not splits.difference_hash(image).any()
    assert splits.difference_hash(image[:, ::-1]).all()
    # Bytes would wrap around: 255 is brighter than 0, not 255 below it.
    image[0, :2] = 255, 0
    assert splits.difference_hash(image)[:2].tolist() == [True, False]
    assert splits.difference_hash(image).shape == (256,)


def test_mirrors_copies_and_near_copies_are_one_group():
    picture = thumbnail(0).astype(int)
    noise = np.random.default_rng(1).integers(-3, 4, picture.shape)
    group = splits.group_near_duplicates(
        {
            "a": thumbnail(0),
            "copy": thumbnail(0),
            "mirror": thumbnail(0)[:, ::-1],
            "brighter": (picture // 2 + 100).astype("uint8"),
            "noisy": np.clip(picture + noise, 0, 255).astype("uint8"),
            "other": thumbnail(7),
            "upside_down": thumbnail(0)[::-1],
        }
    )
    first = group["a"]
    for name in ("copy", "mirror", "brighter", "noisy"):
        assert group[name] == first, name
    assert len({first, group["other"], group["upside_down"]}) == 3


def test_a_chain_of_near_copies_is_one_group():
    # Each differs from the next in one of 16 lines, the ends in 7.
    chain = {}
    image = np.tile(np.arange(17, dtype="uint8"), (16, 1))
    for step in range(8):
        chain[f"{step}"] = image.copy()
        image[step] = image[step, ::-1]
    assert len(set(splits.group_near_duplicates(chain).values())) == 1
    two = {name: chain[name] for name in ("0", "4")}
    assert len(set(splits.group_near_duplicates(two).values())) == 2


def test_many_pictures_of_one_camera_are_one_group():
    # More than are compared at once; in pairs of pictures they would take minutes.
    pictures = {f"{i:04}": thumbnail(i == 1200) for i in range(1300)}
    groups = splits.group_near_duplicates(pictures)
    assert groups.pop("1200") == 1200
    assert set(groups.values()) == {0}


def test_groups_do_not_depend_on_the_order_of_names():
    pictures = {f"{i:02}": thumbnail(i // 2) for i in range(12)}
    backwards = dict(reversed(pictures.items()))
    expected = {f"{i:02}": i // 2 * 2 for i in range(12)}
    assert splits.group_near_duplicates(pictures) == expected
    assert splits.group_near_duplicates(backwards) == expected


@pytest.mark.parametrize(
    ("make", "side"),
    [
        (lambda: splits.random_split(plain(3), 0.1, 0), "test"),
        (lambda: splits.random_split(plain(1), 0.9, 0), "train"),
        (lambda: unseen(rows_of(1, 9)), "test"),
        (
            lambda: unseen(
                rows_of(4, 4), bg_groups={f"bg/{i}.png": 0 for i in range(4)}
            ),
            "test",
        ),
        (
            lambda: splits.hold_out_validation(
                {"train": np.arange(1), "test": np.arange(1, 3)}, plain(3), 0
            ),
            "train",
        ),
    ],
)
def test_empty_side(make, side):
    message = (
        f"the {side} side of a split must have rows: there are too few rows, "
        r"backgrounds or foregrounds \(one for all, as of a fixed camera, needs "
        r"data.split=random\). Received: train \d+, "
    )
    with pytest.raises(DataError, match=message):
        make()


def test_unknown_cutouts_go_where_their_background_goes():
    rows = [row._replace(fg=row.bg) for row in rows_of(20, 5)]
    fg_groups: dict[str, int] = {}
    bg_groups = own_groups({row.bg for row in rows})
    split = splits.unseen_split(rows, 0.3, 0, bg_groups, fg_groups)
    sizes = {side: len(ids) for side, ids in split.items()}
    assert sizes == {"train": 70, "test": 30, "new_bg": 0, "new_fg": 0}
    known = rows_of(20, 20)
    whole = unseen(known)
    mixed = splits.unseen_split(
        [*known, *rows], 0.3, 0, bg_groups, own_groups({row.fg for row in known})
    )
    assert {s: ids[ids < 400].tolist() for s, ids in mixed.items()} == {
        s: ids.tolist() for s, ids in whole.items()
    }
