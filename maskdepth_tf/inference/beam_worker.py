"""Predicts pairs on other machines, in a child of the process that Apache Beam runs."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskdepth_tf import startup
from maskdepth_tf.dataset.composing import storing
from maskdepth_tf.images import pairs
from maskdepth_tf.images.pairs import Pair
from maskdepth_tf.machines import exchange, piecework

if TYPE_CHECKING:
    from maskdepth_tf.images.pictures import Picture
    from maskdepth_tf.inference.loading import Predictor

NETWORK, BG = "network", "bg"
"""In the archive: the folder with the network, and the background of all."""
PAIRS, FG_BG = "pairs.json", "fg_bg"
"""In what a piece is given: its pairs; N_bg and N_fg_bg are the pictures of each."""
OUTCOMES, THUMBNAIL = "outcomes.json", "thumbnail.png"
"""In a piece: how they went, by name; the names of their results begin with N."""


@dataclass(frozen=True)
class _Desk:
    """What a worker has before its first piece: all that was unpacked, and loaded."""

    folder: Path
    predictor: "Predictor"
    bg: "Picture | None"


def _receive(folder: Path) -> _Desk:
    given = json.loads((folder / piecework.GIVEN).read_bytes())
    piecework.check_versions(given, storing.versions())
    startup.load_tensorflow()
    from maskdepth_tf.images import pictures
    from maskdepth_tf.inference import loading

    (network,) = (folder / NETWORK).iterdir()
    is_fixed = given["bg"] is not None
    bg = (
        pictures.of_bytes((folder / BG).read_bytes(), given["bg"]) if is_fixed else None
    )
    return _Desk(folder, loading.load_predictor(network), bg)


def _make(desk: _Desk, number: int) -> Path:
    """Predicts the pairs of a piece, one after another."""
    from maskdepth_tf.inference import predicting

    results, told = desk.folder / "results", {}
    results.mkdir(exist_ok=True)
    made = desk.folder / f"piece{exchange.made(number)}"
    with (
        zipfile.ZipFile(desk.folder / exchange.given(number)) as given,
        zipfile.ZipFile(made, "w") as archive,
    ):
        for place, values in enumerate(json.loads(given.read(PAIRS))):
            pair = Pair(*values)
            data = {pair.fg_bg: given.read(f"{place}_{FG_BG}")}
            if desk.bg is None:
                data[pair.bg] = given.read(f"{place}_{BG}")
            # Its own name may be one that no zip can hold.
            numbered = pair._replace(name=str(place))
            outcome = predicting.predict(
                numbered, desk.predictor, desk.bg, str(results), data
            )
            told[pair.name] = place, outcome.to_json()
            for path in pairs.output_paths(str(results), numbered.name).values():
                if Path(path).exists():
                    archive.write(path, Path(path).name)
                    Path(path).unlink()
            if outcome.thumbnail:
                archive.writestr(f"{place}_{THUMBNAIL}", outcome.thumbnail)
        archive.writestr(OUTCOMES, json.dumps(told))
    (desk.folder / exchange.given(number)).unlink()
    return made


WORK = piecework.Work(_receive, _make)
"""How a piece is made."""
