"""What `predict --video` does, from checks to the files in their places."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from maskdepth_tf import __version__, cli, files, workers
from maskdepth_tf.errors import UsageError
from maskdepth_tf.images import encoding, preprocessing
from maskdepth_tf.inference import loading
from maskdepth_tf.training import presets
from maskdepth_tf.video import backgrounds, converting, probing, segments, targets
from maskdepth_tf.video.following import Follower


def make(
    source: str,
    bg: str,
    outputs: Mapping[str, str],
    onto: str,
    model: str,
    force: bool,
) -> None:
    """Makes all that is asked for of a video; goes on where an earlier try ended.

    Args:
        source: The video.
        bg: Picture of the scene alone, or `backgrounds.AUTO`.
        outputs: Paths by "output" and "depth"; one of them at least.
        onto: What stands behind the foreground, as `rendering.find_backdrop`.
        model: The network, as `loading.load_network`.
        force: Whether to replace what is there, and to begin anew.

    Raises:
        MaskDepthError: Of many kinds; nothing that was there is touched.
    """
    contents = probing.probe(source)
    wanted = [targets.find(flag, path, onto) for flag, path in outputs.items()]
    folder = files.partial_of(wanted[0].path)
    for target in wanted:
        _check_free(target.path, source, force or folder.is_dir())
    picture = None if bg == backgrounds.AUTO else preprocessing.read_rgb(bg)
    settings = {
        "version": __version__,
        "video": _identity(source),
        "background": backgrounds.AUTO if picture is None else _identity(bg),
        "network": _identity(presets.find(model)),
        "onto": onto,
        **{name: os.path.abspath(path) for name, path in outputs.items()},
    }
    with segments.claim(folder, settings, force) as made:
        if picture is None:
            picture = _find_background(source, folder / "background.png")
        refines = "output" in outputs
        follower = Follower(*loading.load_network(model), picture, refines)
        if made.num_frames:
            print(f"going on after {made.num_frames} frames", file=sys.stderr)
        total = contents.num_frames
        with workers.track("frames", total, "frames") as advance:
            advance(made.num_frames)
            converting.convert(source, wanted, follower, made, lambda _: advance(1))
        for target in wanted:
            target.join(made.done, folder, source, contents.audio)
        num_frames = made.num_frames
    shutil.rmtree(folder)
    for target in wanted:
        print(f"{num_frames} frames written to {cli.printable(target.path)}")


def _find_background(source: str, path: Path) -> np.ndarray:
    """The scene alone, found once in a video."""
    if not path.exists():
        encoding.write_image(path, backgrounds.find(source), compression=1)
    return preprocessing.read_rgb(path)


def _check_free(path: Path, source: str, may_replace: bool) -> None:
    """Refuses to write over anything."""
    if not path.exists():
        return
    if path.samefile(source):
        raise UsageError(f"{path}: is read and would be replaced by a result")
    if not may_replace:
        raise UsageError(f"{path}: exists; --force replaces it")


def _identity(path: str | os.PathLike) -> list:
    """What tells a file from another that takes its place."""
    found = os.stat(path)
    return [os.path.abspath(path), found.st_size, found.st_mtime_ns]
