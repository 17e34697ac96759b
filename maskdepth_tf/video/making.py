"""What `predict --video` does, from checks to the files in their places."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from maskdepth_tf import __version__, cli, files, workers
from maskdepth_tf.errors import Stopped
from maskdepth_tf.images import encoding as pictures
from maskdepth_tf.images import preprocessing
from maskdepth_tf.inference import loading
from maskdepth_tf.registration import describing
from maskdepth_tf.training import presets
from maskdepth_tf.video import backgrounds, converting, segments, targets
from maskdepth_tf.video.codecs import encoding, probing
from maskdepth_tf.video.following import Follower


def make(
    source: str,
    bg: str,
    outputs: Mapping[str, str],
    onto: str,
    model: str,
    force: bool,
    in_json: bool = False,
) -> None:
    """Makes all that is asked for of a video; goes on where an earlier try ended.

    Args:
        source: The video.
        bg: Picture of the scene alone, or `backgrounds.AUTO`.
        outputs: Paths by "output" and "depth"; one of them at least.
        onto: What stands behind the foreground, as `rendering.find_backdrop`.
        model: The network, as `loading.load_network`.
        force: Whether to replace earlier results, and to begin anew.
        in_json: Whether to tell progress and results in JSON, a line each.

    Raises:
        MaskDepthError: Of many kinds; nothing that was there is touched.
    """
    contents = probing.probe(source)
    wanted = [targets.find(flag, path, onto) for flag, path in outputs.items()]
    folder, *_ = [files.partial_of(t.path, f"--{t.flag}") for t in wanted]
    sources = [path for path in (source, bg, onto) if os.path.exists(path)]
    # A run that was killed then may have placed some already.
    left = [t for t in wanted if force or not segments.is_placed(folder, t.path)]
    targets.check_free(left, sources, force)
    picture = None if bg == backgrounds.AUTO else preprocessing.read_rgb(bg)
    settings = _settings(source, bg, outputs, onto, model)
    with segments.claim(folder, settings, force) as made:
        if picture is None:
            picture = _find_background(source, folder / "background.png")
        refines, has_depth = ("output" in outputs), ("depth" in outputs)
        network, side = loading.load_network(model)
        follower = Follower(network, side, picture, refines, has_depth)
        for target in wanted:
            _warn_of_sounds(target, contents.audio)
        if made.num_frames:
            print(f"going on after {made.num_frames} frames", file=sys.stderr)
        begun, before = time.perf_counter(), made.num_frames
        with (
            _track(contents.num_frames, before, in_json) as advance,
            _interrupted_kindly(made),
        ):
            converting.convert(source, wanted, follower, made, lambda _: advance(1))
        rate = (made.num_frames - before) / (time.perf_counter() - begun)
        wholes = [t.join(made.done, folder, source, contents.audio) for t in left]
        # Somebody may have put something there meanwhile.
        targets.check_free(left, sources, force)
        for target, whole in zip(left, wholes, strict=True):
            segments.note_placing(folder, whole)
            target.place(whole)
    paths = [cli.printable(target.path) for target in wanted]
    found = [f"{cli.printable(source)}: {text}" for text in doubts(made.done)]
    _tell(made.num_frames, rate, paths, found, in_json)


def _settings(source, bg, outputs, onto, model) -> dict:
    """What the frames depend on."""
    return {
        "version": __version__,
        "video": files.identity(source),
        "background": bg if bg == backgrounds.AUTO else files.identity(bg),
        "network": files.identity(presets.find(model)),
        "onto": onto,
        **{name: os.path.abspath(path) for name, path in outputs.items()},
    }


def doubts(made: Sequence[segments.Segment]) -> list[str]:
    """What the user should know: that most frames hardly fit the background."""
    frames = [
        (mismatch, time)
        for segment in made
        for mismatch, time in zip(segment.mismatches, segment.times, strict=True)
    ]
    bad = sum(mismatch > describing.MISMATCH for mismatch, _ in frames)
    if 2 * bad <= len(frames):
        return []
    mismatch, time = max(frames)
    return [
        f"in {bad / len(frames):.0%} of the frames more than {describing.MISMATCH:.0%} "
        "of the background is not found, whatever is corrected (at worst "
        f"{mismatch:.0%}, at {float(time):.1f} s); is it of the same place?"
    ]


def _tell(
    num_frames: int, rate: float, paths: list[str], found: list[str], in_json: bool
) -> None:
    """Says what was made, and what the user should know of it."""
    for text in found:
        print(f"warning: {text}", file=sys.stderr)
    if in_json:
        told = {"event": "done", "frames": num_frames, "rate": round(rate, 3)}
        print(json.dumps(told | {"paths": paths, "warnings": found}))
    else:
        print(f"{num_frames} frames ({rate:.1f}/s) written to {', '.join(paths)}")


@contextlib.contextmanager
def _interrupted_kindly(made: segments.Segments) -> Iterator[None]:
    """Says at Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        kept = f"{made.num_frames} frames are kept"
        text = f"interrupted: {kept}, and the same command goes on after them"
        raise Stopped(text, signal.SIGINT) from None


@contextlib.contextmanager
def _track(total: int | None, before: int, in_json: bool) -> Iterator[Callable]:
    """Progress of a video of which some frames are done already."""
    left = None if total is None else max(0, total - before)
    if in_json:
        with workers.track_in_json("frames", left) as advance:
            yield advance
    else:
        with workers.track("video", left, "frames") as advance:
            yield advance


def _find_background(source: str, path: Path) -> np.ndarray:
    """The scene alone, found once in a video."""
    if not path.exists():
        pictures.write_image(path, backgrounds.find(source), compression=pictures.QUICK)
    return preprocessing.read_rgb(path)


def _warn_of_sounds(target: targets.Target, sounds: tuple[str, ...]) -> None:
    """Says which sounds will not be what they were."""
    if target.kind is None:
        if sounds:
            print(f"{target.path}: has no sound, as it is pictures", file=sys.stderr)
        return
    for number in encoding.converted(sounds, target.kind):
        print(
            f"{target.path}: {target.kind.suffix} holds no {sounds[number]}: the sound "
            f"becomes {target.kind.converts.removeprefix('lib')}",
            file=sys.stderr,
        )
