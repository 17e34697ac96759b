"""One row of a data set of composites: its paths and its pictures, by its index."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskdepth_tf import startup
from maskdepth_tf.dataset.composing import realism, sources, views
from maskdepth_tf.dataset.composing.pairing import Pairing
from maskdepth_tf.dataset.composing.realism import Layer
from maskdepth_tf.dataset.composing.recipe import (
    Recipe,
    close_up,
    is_upright,
    paste,
    place,
)
from maskdepth_tf.draws import Composed, generator
from maskdepth_tf.images import encoding
from maskdepth_tf.input import labels

ATTEMPTS = 8
"""Figures tried for each one beside the first: some would hide it."""

ROWS_PER_PART = 80_000
MASK_QUALITY = 95
"""JPEG quality of the masks. On 20 office cut-outs the mask, once binary again, has an
IoU with the alpha of 0.9993; it is 0.9966 at 75 and 0.9926 at the composites' 30."""


def room_path(background: int, view: int) -> str:
    """Path of a room, counted from 0; view 0 is the room as it is."""
    suffix = f"{labels.VIEW_MARK}{view}" if view else ""
    return f"Background/bg{background + 1}{suffix}.jpg"


def row_paths(
    index: int, foreground: int, background: int, view: int, is_empty: bool = False
) -> labels.Row:
    """Paths of row `index`; index, foreground and background are counted from 0."""
    part, number = f"data_{index // ROWS_PER_PART + 1}", index + 1
    mark = labels.EMPTY_MARK if is_empty else ""
    return labels.Row(
        bg=room_path(background, view),
        fg=f"Foreground/fg{foreground + 1}.png",
        fg_bg=f"{part}/Fg-Bg/fg-bg{number}.jpg",
        mask=f"{part}/Fg-Bg-Mask/fg-bg-mask{number}{mark}.jpg",
        depth=f"{part}/Depth/depth{number}.jpg",
    )


@dataclass(frozen=True)
class Composer:
    """Makes any row by its index; what a worker process is given.

    Attributes:
        recipe: How rows are made.
        cutouts: uint8 [h, w, 4] each.
        rooms: uint8 [S, S, 3] each, as stored and decoded.
        output: The data set's folder.
        aspects: Height by width of each room's picture; all square if empty.
    """

    recipe: Recipe
    cutouts: list[np.ndarray]
    rooms: list[np.ndarray]
    output: Path
    aspects: Sequence[float] = ()

    @functools.cached_property
    def pairing(self) -> Pairing:
        """The pairing of this recipe and these sources."""
        return Pairing(len(self.cutouts), len(self.rooms), self.recipe.seed)

    def view_of(self, index: int) -> int:
        """Which view of its room row `index` shows; 0 is the room as it is."""
        if self.recipe.views == 0:
            return 0
        draws = self._draws(Composed.IS_VIEW, index)
        return int(draws.integers(1, self.recipe.views + 1) * draws.integers(2))

    def is_empty(self, index: int) -> bool:
        """Whether nobody stands in row `index`."""
        share = self.recipe.empty  # at once where it is 0, as in `_others`
        return share > 0 and self._draws(Composed.EMPTY, index).random() < share

    def write_views(self, background: int) -> dict[str, str]:
        """Writes all views of a room; returns their SHA-256 by path."""
        sums = {}
        for number in range(1, self.recipe.views + 1):
            draws = self._draws(Composed.VIEW, background, number)
            data = sources.encode_room(views.view(self.rooms[background], draws))
            path = room_path(background, number)
            (self.output / path).write_bytes(data)
            sums[path] = hashlib.sha256(data).hexdigest()
        return sums

    def write_rows(self, first: int, last: int) -> dict[str, str]:
        """Writes composites and masks of rows `first` to `last`, excluded.

        Returns:
            SHA-256 by path, two a row.
        """
        sums = {}
        for index in range(first, last):
            row, composite, mask = self.encode_row(index)
            for path, data in ((row.fg_bg, composite), (row.mask, mask)):
                with open(f"{self.output}/{path}", "wb") as file:
                    file.write(data)
                sums[path] = hashlib.sha256(data).hexdigest()
        return sums

    def encode_row(self, index: int) -> tuple[labels.Row, bytes, bytes]:
        """A row's paths, and its composite and mask as JPEG."""
        foreground, background, mirrored = self.pairing[index]
        row = self.row(index)
        is_view = labels.room_of(row.bg) != row.bg
        room = self._read_view(row.bg) if is_view else self.rooms[background]
        composite, mask = self._picture(index, room, foreground, mirrored)
        return (
            row,
            encoding.encode_jpeg(composite, self.recipe.quality),
            encoding.encode_jpeg(mask, MASK_QUALITY),
        )

    def row(self, index: int) -> labels.Row:
        """A row's paths."""
        foreground, background = self.pairing.sources(index)
        view, is_empty = self.view_of(index), self.is_empty(index)
        return row_paths(index, foreground, background, view, is_empty)

    def _picture(
        self, index: int, room: np.ndarray, foreground: int, mirrored: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Composite, uint8 [S, S, 3], and mask, uint8 [S, S], of a row."""
        if self.is_empty(index):
            return room, np.zeros(room.shape[:2], np.uint8)
        draws = self._draws(Composed.PLACE, index)
        layers = [self._layer(foreground, mirrored, room, draws, (index, 0))]
        layers += self._others(index, room, layers[0])
        if self.recipe.contact:  # what stands further down stands nearer
            layers.sort(key=realism.foot)
        if self.recipe.shadow:
            room = realism.shade(room, layers, self._draws(Composed.SHADOW, index))
        if self.recipe.wall_shadows:
            draws = self._draws(Composed.WALL, index)
            if draws.random() < self.recipe.wall_shadows:
                room = realism.shade_wall(room, layers, draws)
        composite, mask = paste(room, *layers[0])
        for layer in layers[1:]:
            composite, above = paste(composite, *layer)
            mask = realism.union(mask, above)
        return composite, mask

    def _others(self, index: int, room: np.ndarray, first: Layer) -> list[Layer]:
        """Figures beside the first, which never hide more than half of it."""
        fewest, most = self.recipe.figures
        layers: list[Layer] = []
        if most == 1:
            return layers  # at once: the draw takes as long as placing the figure
        count = self._draws(Composed.COUNT, index).integers(fewest, most, endpoint=True)
        if count == 1:
            return layers
        own = paste(room, *first)[1].astype(np.int64)
        cover = np.zeros_like(room[..., 0])
        for attempt in range(ATTEMPTS * (int(count) - 1)):
            draws = self._draws(Composed.OTHERS, index, attempt)
            foreground, mirrored = draws.integers((len(self.cutouts), 2))
            key = (index, attempt + 1)
            layer = self._layer(foreground, bool(mirrored), room, draws, key)
            covered = realism.union(cover, paste(room, *layer)[1])
            if (own * covered).sum() <= 255 * own.sum() / 2:
                layers, cover = [*layers, layer], covered
            if len(layers) == count - 1:
                break
        return layers

    def _layer(
        self,
        foreground: int,
        mirrored: bool,
        room: np.ndarray,
        draws: np.random.Generator,
        key: tuple[int, int],
    ) -> Layer:
        """A figure as it is pasted; `draws` places it, `key` decides on the rest.

        `key` is the row's index, and which of its figures it is.
        """
        recipe, cutout = self.recipe, self.cutouts[foreground]
        cutout = cutout[:, ::-1] if mirrored else cutout
        if recipe.stretch and self.aspects:
            aspect = self.aspects[self.pairing.sources(key[0])[1]]
            cutout = sources.stretch(cutout, aspect)
        cutout, left, top = self._placed(cutout, draws, key)
        if recipe.match:
            cutout = realism.match(cutout, room, self._draws(Composed.MATCH, *key))
        if recipe.camouflage:
            draws = self._draws(Composed.CAMOUFLAGE, *key)
            if draws.random() < recipe.camouflage:
                cutout = realism.camouflage((cutout, left, top), room, draws)
        if recipe.motion_blur:
            draws = self._draws(Composed.MOTION, *key)
            if draws.random() < recipe.motion_blur:
                return realism.motion_blur((cutout, left, top), draws)
        return cutout, left, top

    def _placed(
        self, cutout: np.ndarray, draws: np.random.Generator, key: tuple[int, int]
    ) -> Layer:
        """A cut-out with its size and place, near the camera or in the room."""
        recipe = self.recipe
        if recipe.close_up and is_upright(cutout):
            own = self._draws(Composed.CLOSE_UP, *key)
            if own.random() < recipe.close_up:
                return close_up(cutout, recipe.image_size, own)
        cutout, left, top = place(cutout, recipe, draws)
        if recipe.contact:
            draws = self._draws(Composed.CONTACT, *key)
            top = realism.stand(cutout, recipe.image_size, draws)
        return cutout, left, top

    def _draws(self, stream: Composed, *key: int) -> np.random.Generator:
        return generator(self.recipe.seed, stream, *key)

    def _read_view(self, path: str) -> np.ndarray:
        startup.load_tensorflow()
        from maskdepth_tf.images import preprocessing

        return preprocessing.read_rgb(self.output / path)
