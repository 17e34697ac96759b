"""Predicts masks, depths and cut-outs of pictures and videos, at their own size.

For each picture NAME it writes into the output folder:

    NAME_mask.png      8-bit grey, probability of foreground
    NAME_depth.png     16-bit grey, relative depth, bright is far
    NAME_cutout.png    RGBA, the foreground with the mask as its transparency, and with
                       the picture's colour profile
    NAME_overview.png  all of it side by side

Both pictures of a pair are stretched to the network's square. Its mask is made as sharp
as the picture (`inference.matting`), its depth is stretched (bilinear). A pair that
cannot be read is reported, and the others are predicted all the same.

Of a video it makes another one, see `maskdepth_tf.video.targets`.
"""

import errno
import functools
import os
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from maskdepth_tf import cli, startup, streams
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.images import headers, pairs
from maskdepth_tf.training import presets
from maskdepth_tf.video import backgrounds, probing

ONTO = "#00b140"
"""Behind foregrounds of videos, if nothing else is asked for: the green of screens."""


class Picture(NamedTuple):
    """A picture as its file holds it and as it looks.

    Attributes:
        data: Encoded bytes.
        pixels: uint8 [H, W, 3].
        profile: Colour profile, as `profiles.keepable` has it.
    """

    data: bytes
    pixels: np.ndarray
    profile: bytes


def main(argv: list[str] | None = None) -> int | None:
    """Predicts all that the arguments name; 3 if some pairs could not be."""
    parser = make_parser()
    args = parser.parse_args(argv)
    _check(parser, args)
    if args.video:
        _predict_video(args)
        return 0
    return _predict_pictures(args)


def _check(parser, args) -> None:
    """Refuses flags that do not go together."""
    if bool(args.video) == bool(args.fg_bg):
        parser.error("give either --fg-bg PATH, or --video FILE")
    if args.fg_bg and not args.output:
        parser.error("--output DIR must be given")
    if args.video and not (args.output or args.depth):
        parser.error("--output or --depth must be given")
    if args.fg_bg and (args.depth or args.onto != ONTO):
        parser.error("--depth and --onto must stand beside --video")


def _predict_video(args) -> None:
    # Said at once, without TensorFlow.
    probing.probe(args.video)
    if args.bg != backgrounds.AUTO:
        headers.check(args.bg)
    _check_model(args.model)
    startup.load_tensorflow()
    from maskdepth_tf.video import making

    flags = {"output": args.output, "depth": args.depth}
    outputs = {flag: path for flag, path in flags.items() if path}
    making.make(
        args.video, args.bg, outputs, args.onto, args.model, args.force, args.json
    )


def _check_model(model) -> None:
    if not presets.find(model).exists():
        raise StateError(f"{model}: a trained model must be there, and is not")


def _predict_pictures(args) -> int:
    to_do = pairs.find_pairs(args.bg, args.fg_bg)
    # Said at once, without TensorFlow, and before a folder is made.
    for path in (args.bg, args.fg_bg):
        if os.path.isfile(path):
            headers.check(path)
    _check_model(args.model)
    pairs.prepare_output(args.output, (args.bg, args.fg_bg), to_do, args.force)
    startup.load_tensorflow()
    from maskdepth_tf.inference.loading import load_predictor

    # A fixed background is read once, and if it is bad, that is said once.
    read_bg = functools.lru_cache(maxsize=1)(read_picture)
    if os.path.isfile(args.bg):
        read_bg(args.bg)
    predictor = load_predictor(args.model)
    start = time.perf_counter()
    done = [p for p in to_do if _report(p, predictor, read_bg, args.output)]
    seconds = time.perf_counter() - start
    where = f", written to {cli.printable(args.output)}" if done else ""
    print(
        f"{len(done)} of {len(to_do)} pictures in {seconds:.1f} s, with reading and "
        f"writing ({len(done) / seconds:.1f} pictures/s){where}"
    )
    if done:
        overview = pairs.output_paths(args.output, done[0].name)["overview"]
        print(f"look at  {cli.printable(overview)}")
    return 0 if len(done) == len(to_do) else DataError.exit_code


def make_parser() -> cli.Parser:
    """The command's flags."""
    example = "--bg empty.jpg --fg-bg with_me.jpg --output predictions"
    parser = cli.Parser("predict", __doc__, example)
    text = (
        "run folder, .keras file, SavedModel, or a preset that comes with the package"
    )
    parser.add("--model", "PATH", text, default=cli.PRESET)
    room = "picture of the scene alone: one for all, or a folder of them; of a video "
    room += "also auto: found in it, where everybody leaves"
    parser.add("--bg", "PATH", room, required=True)
    scene = "picture of the scene with something in front, or a folder of them"
    parser.add("--fg-bg", "PATH", scene)
    parser.add("--video", "FILE", "video of the scene with something in front")
    text = "folder for the results; of a video a file: .mp4 puts the foreground --onto "
    text += "something else, .mov (ProRes 4444) and .webm (VP9) cut it out, a folder "
    text += "gets PNGs of it"
    parser.add("--output", "PATH", text)
    text = "of a video, its depth: .mkv has 16 bits, .mp4 colours, a folder gets "
    text += "16-bit PNGs"
    parser.add("--depth", "PATH", text)
    text = "what .mp4 shows behind the foreground: a colour, a picture, or blur"
    parser.add("--onto", "WHAT", text, default=ONTO)
    parser.switch("--force", "replace earlier results")
    parser.switch("--json", "tell progress and results as JSON, a line each")
    return parser


def read_picture(path: str) -> Picture:
    """Reads a picture whole.

    Raises:
        DataError: If it is missing, damaged or over a limit; names the file.
    """
    from maskdepth_tf.images import preprocessing, profiles

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data, pixels = preprocessing.read(path), preprocessing.read_rgb(path)
    for text in sorted({str(warning.message) for warning in caught}):
        _warn(text)
    return Picture(data, pixels, profiles.keepable(headers.profile_of(data, path)))


def remarks(
    register: Callable,
    bg: np.ndarray,
    fg_bg: np.ndarray,
    bg_size: tuple[int, int],
    size: tuple[int, int],
) -> tuple[list, list]:
    """What was corrected of a pair, and what the user should know of it.

    Args:
        register: `registering.register`, or what does the same.
        bg: uint8 [S, S, 3], as the network takes it.
        fg_bg: uint8 [S, S, 3].
        bg_size: Height and width of the background in its file, in pixels.
        size: Those of the picture.
    """
    from maskdepth_tf.registration import describing

    doubts = []
    (bg_height, bg_width), (height, width) = bg_size, size
    # A pixel more or less is what halving an odd side leaves.
    if abs(bg_height * width - bg_width * height) > max(bg_width, width):
        doubts.append(
            f"the background is {bg_width}x{bg_height}, the picture {width}x{height}; "
            "both are stretched to the network's square"
        )
    if np.array_equal(bg, fg_bg):
        return [], ["equal to its background: nothing is in front, expect no mask"]
    registered = register(
        *(pixels[np.newaxis].astype(np.float32) for pixels in (bg, fg_bg))
    )
    found = registered.bg[0].numpy()
    doubts += describing.doubts(found, fg_bg)
    corrected = describing.movement(registered.warp[0].numpy(), width, height)
    return corrected + describing.light(bg, found), doubts


def _report(pair, predictor, read_bg, folder) -> bool:
    """Predicts a pair and says how it went; whether it went well."""
    try:
        coverage, seconds, corrected = _predict_pair(pair, predictor, read_bg, folder)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    except OSError as error:
        # No other picture will fit either.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"error: {pair.fg_bg}: {error}", file=sys.stderr)
        return False
    name = cli.printable(pair.name)
    took = f"answered in {1000 * seconds:.0f} ms"
    print(f"{name}: mask covers {coverage:.1%}, {took}", flush=True)
    if corrected:
        print(f"{name}: {', '.join(corrected)}: corrected", flush=True)
    return True


def _predict_pair(pair, predictor, read_bg, folder) -> tuple[float, float, list[str]]:
    """Writes the four results of a pair, each complete or not at all.

    Returns:
        Share of the picture under the mask, seconds the network took, and what was
        corrected.
    """
    import tensorflow as tf

    from maskdepth_tf.images import encoding, preprocessing, profiles
    from maskdepth_tf.network import answers
    from maskdepth_tf.reports import overview

    bg, fg_bg = read_bg(pair.bg), read_picture(pair.fg_bg)
    start = time.perf_counter()
    # One at a time: no result depends on which others are in the folder.
    answer = predictor.answer([bg.data], [fg_bg.data])
    seconds = time.perf_counter() - start
    side = predictor.image_size
    seen = (
        preprocessing.load(tf.constant(picture.data), stream, side).numpy()
        for picture, stream in zip((bg, fg_bg), streams.INPUTS, strict=True)
    )
    sizes = (picture.pixels.shape[:2] for picture in (bg, fg_bg))
    corrected, doubts = remarks(predictor.register, *seen, *sizes)
    if bg.profile != fg_bg.profile:
        names = [profiles.name_of(p.profile) for p in (fg_bg, bg)]
        doubts.append(
            f"its colours are {names[0]}, those of its background {names[1]}: they "
            "are compared as they are stored"
        )
    for text in doubts:
        _warn(f"{pair.fg_bg}: {text}")
    mask, depth = answer["mask"][0], answer["depth"][0]
    alpha = answers.mask_pixels(mask)
    foreground = answer["foreground"][0]
    shown = (bg.pixels, fg_bg.pixels, foreground, mask[..., 0], depth[..., 0])
    pictures = {
        "mask": alpha.numpy(),
        "depth": answers.depth_pixels(depth).numpy(),
        "cutout": answers.cutout(foreground, alpha).numpy(),
        "overview": overview.draw(*shown),
    }
    paths = pairs.output_paths(folder, pair.name)
    # Packing takes most of the time: level 1 a quarter of what level 6 does, for a
    # sixth more bytes.
    with ThreadPoolExecutor(len(pictures)) as threads:
        written = [
            threads.submit(
                encoding.write_image,
                paths[name],
                pixels,
                compression=1,
                profile=fg_bg.profile if name == "cutout" else b"",
            )
            for name, pixels in pictures.items()
        ]
    for result in written:
        result.result()
    return float(np.mean(mask >= 0.5)), seconds, corrected


def _warn(text) -> None:
    print(f"warning: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(cli.run(main))
