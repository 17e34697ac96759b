"""One row of a data set of composites: its paths and its pictures, by its index."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskdepth_tf import labels
from maskdepth_tf.dataset import sources, views, writing
from maskdepth_tf.dataset.pairing import Pairing, generator
from maskdepth_tf.dataset.recipe import Recipe, paste, place

ROWS_PER_PART = 80_000
MASK_QUALITY = 95
"""JPEG quality of the masks. On 20 office cut-outs the mask, once binary again, has an
IoU with the alpha of 0.9993; it is 0.9966 at 75 and 0.9926 at the composites' 30."""


def room_path(background: int, view: int) -> str:
    """Path of a room, counted from 0; view 0 is the room as it is."""
    suffix = f"{labels.VIEW_MARK}{view}" if view else ""
    return f"Background/bg{background + 1}{suffix}.jpg"


def row_paths(index: int, foreground: int, background: int, view: int) -> labels.Row:
    """Paths of row `index`; index, foreground and background are counted from 0."""
    part, number = f"data_{index // ROWS_PER_PART + 1}", index + 1
    return labels.Row(
        bg=room_path(background, view),
        fg=f"Foreground/fg{foreground + 1}.png",
        fg_bg=f"{part}/Fg-Bg/fg-bg{number}.jpg",
        mask=f"{part}/Fg-Bg-Mask/fg-bg-mask{number}.jpg",
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
    """

    recipe: Recipe
    cutouts: list[np.ndarray]
    rooms: list[np.ndarray]
    output: Path

    def pairing(self) -> Pairing:
        """The pairing of this recipe and these sources."""
        return Pairing(len(self.cutouts), len(self.rooms), self.recipe.seed)

    def view_of(self, index: int) -> int:
        """Which view of its room row `index` shows; 0 is the room as it is."""
        if self.recipe.views == 0:
            return 0
        draws = generator(self.recipe.seed, 4, index)
        return int(draws.integers(1, self.recipe.views + 1) * draws.integers(2))

    def write_views(self, background: int) -> list[str]:
        """Writes all views of a room.

        Returns:
            Lines of `files.sha256`, one a view.
        """
        lines = []
        for number in range(1, self.recipe.views + 1):
            draws = generator(self.recipe.seed, 5, background, number)
            data = sources.encode_room(views.view(self.rooms[background], draws))
            path = room_path(background, number)
            (self.output / path).write_bytes(data)
            lines.append(f"{writing.sha256(data)}  {path}")
        return lines

    def write_rows(self, first: int, last: int) -> list[str]:
        """Writes composites and masks of rows `first` to `last`, excluded.

        Returns:
            Lines of `files.sha256`, two a row.
        """
        pairing, lines = self.pairing(), []
        for index in range(first, last):
            foreground, background, mirrored = pairing[index]
            cutout = self.cutouts[foreground]
            cutout = cutout[:, ::-1] if mirrored else cutout
            draws = generator(self.recipe.seed, 0, index)
            layer = place(cutout, self.recipe, draws)
            view = self.view_of(index)
            row = row_paths(index, foreground, background, view)
            room = self._read_view(row.bg) if view else self.rooms[background]
            composite, mask = paste(room, *layer)
            for path, data in (
                (row.fg_bg, writing.encode_jpeg(composite, self.recipe.quality)),
                (row.mask, writing.encode_jpeg(mask, MASK_QUALITY)),
            ):
                with open(f"{self.output}/{path}", "wb") as file:
                    file.write(data)
                lines.append(f"{writing.sha256(data)}  {path}")
        return lines

    def _read_view(self, path: str) -> np.ndarray:
        from maskdepth_tf import images  # imports TensorFlow: 5 s

        return images.read_rgb(self.output / path)
