"""Which cut-out, room and mirroring a row has."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from maskdepth_tf.dataset.composing.pairing import Pairing

SIZES = st.integers(1, 9)


@given(foregrounds=SIZES, backgrounds=SIZES, seed=st.integers(0, 2**40))
def test_one_round_is_the_whole_product(foregrounds, backgrounds, seed):
    pairing = Pairing(foregrounds, backgrounds, seed)
    num_rows = 2 * foregrounds * backgrounds
    rows = [pairing[index] for index in range(num_rows)]
    assert set(rows) == {
        (foreground, background, mirrored)
        for foreground in range(foregrounds)
        for background in range(backgrounds)
        for mirrored in (False, True)
    }
    assert [pairing[num_rows + index] for index in range(num_rows)] == rows


def test_sources_are_those_of_the_row():
    pairing = Pairing(4, 6, seed=1)
    for index in range(60):
        assert pairing.sources(index) == pairing[index][:2]


@given(foregrounds=SIZES, backgrounds=SIZES, num_rows=st.integers(1, 200))
def test_first_rows_use_all_sources_evenly(foregrounds, backgrounds, num_rows):
    pairing = Pairing(foregrounds, backgrounds, seed=3)
    rows = [pairing[index] for index in range(num_rows)]
    for column, total in ((0, foregrounds), (1, backgrounds)):
        uses = Counter({source: 0 for source in range(total)})
        uses.update(row[column] for row in rows)
        assert max(uses.values()) - min(uses.values()) <= 1


def test_first_pass_mirrors_about_half():
    pairing = Pairing(20, 20, seed=0)
    mirrored = sum(pairing[index][2] for index in range(400))
    assert 160 < mirrored < 240  # 200 +- 4 sigma


def test_seed_decides_the_order():
    orders = [[Pairing(5, 7, seed)[i] for i in range(35)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
