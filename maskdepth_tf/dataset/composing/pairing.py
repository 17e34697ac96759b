"""Which cut-out, room and mirroring each row of a data set has."""

import math

from maskdepth_tf.draws import Composed, generator


class Pairing:
    """Which cut-out, room and mirroring each row has.

    Every run of 2 * cut-outs * rooms rows holds each combination once. In any
    number of first rows, uses of two cut-outs, or two rooms, differ by one at most.

    Args:
        num_foregrounds: Cut-outs.
        num_backgrounds: Rooms.
        seed: Seed of the order.
    """

    def __init__(self, num_foregrounds: int, num_backgrounds: int, seed: int) -> None:
        self._seed = seed
        foregrounds = generator(seed, Composed.FOREGROUND_ORDER)
        backgrounds = generator(seed, Composed.BACKGROUND_ORDER)
        self._foregrounds = foregrounds.permutation(num_foregrounds).tolist()
        self._backgrounds = backgrounds.permutation(num_backgrounds).tolist()
        self._num_pairs = num_foregrounds * num_backgrounds
        self._cycle = math.lcm(num_foregrounds, num_backgrounds)

    def sources(self, index: int) -> tuple[int, int]:
        """Cut-out and room (both counted from 0) of row `index`."""
        pair = index % self._num_pairs
        # Counting both up in step meets `cycle` pairs; a shift by one after each
        # cycle meets the others, without a table of all of them.
        shifted = pair + pair // self._cycle
        return (
            self._foregrounds[pair % len(self._foregrounds)],
            self._backgrounds[shifted % len(self._backgrounds)],
        )

    def __getitem__(self, index: int) -> tuple[int, int, bool]:
        """Cut-out, room (both counted from 0) and mirroring of row `index`."""
        turn, pair = divmod(index, self._num_pairs)
        first = int(generator(self._seed, Composed.MIRRORING, pair).integers(2))
        return *self.sources(index), bool((first + turn) % 2)
