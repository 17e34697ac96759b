"""Predicts masks, depths and cut-outs of pictures, at the pictures' own size.

For each picture NAME it writes into the output folder:

    NAME_mask.png      8-bit grey, probability of foreground
    NAME_depth.png     16-bit grey, relative depth, bright is far
    NAME_cutout.png    RGBA, the foreground with the mask as its transparency, and with
                       the picture's colour profile
    NAME_overview.png  all of it side by side

Both pictures of a pair are stretched to the network's square. Its mask is made as sharp
as the picture (`inference.matting`), its depth is stretched (bilinear). A pair that
cannot be read is reported, and the others are predicted all the same.
"""

import errno
import functools
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from maskdepth_tf import cli, startup
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.images import headers, pairs
from maskdepth_tf.training import presets


def main(argv: list[str] | None = None) -> int | None:
    """Predicts all pairs that the arguments name; 3 if some could not be."""
    args = make_parser().parse_args(argv)
    to_do = pairs.find_pairs(args.bg, args.fg_bg)
    # Said at once, without TensorFlow, and before a folder is made.
    for path in (args.bg, args.fg_bg):
        if os.path.isfile(path):
            headers.check(path)
    if not presets.find(args.model).exists():
        raise StateError(f"{args.model}: a trained model must be there, and is not")
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
    cli.add_pairs(parser, "where to write the results")
    return parser


def read_picture(path: str):
    """Reads a picture whole, and says what was seen.

    Raises:
        DataError: If it is missing, damaged or over a limit; names the file.
    """
    from maskdepth_tf.images import pictures

    picture, texts = pictures.read(path)
    for text in texts:
        _warn(text)
    return picture


def remarks(answer, bg_size: tuple[int, int]) -> tuple[list, list]:
    """What was corrected of a pair, and what the user should know of it.

    Args:
        answer: What is known of the pair, `loading.Answer`.
        bg_size: Height and width of the background in its file, in pixels.
    """
    from maskdepth_tf.registration import describing

    doubts = []
    (bg_height, bg_width), (height, width, _) = bg_size, answer.foreground.shape
    # A pixel more or less is what halving an odd side leaves.
    if abs(bg_height * width - bg_width * height) > max(bg_width, width):
        doubts.append(
            f"the background is {bg_width}x{bg_height}, the picture {width}x{height}; "
            "both are stretched to the network's square"
        )
    if np.array_equal(answer.seen_bg, answer.seen):
        return [], ["equal to its background: nothing is in front, expect no mask"]
    doubts += describing.doubts(answer.registered, answer.seen)
    corrected = describing.movement(answer.warp, width, height)
    return corrected + describing.light(answer.seen_bg, answer.registered), doubts


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
    from maskdepth_tf.images import encoding, profiles
    from maskdepth_tf.network import answers
    from maskdepth_tf.reports import overview

    bg, fg_bg = read_bg(pair.bg), read_picture(pair.fg_bg)
    start = time.perf_counter()
    # One at a time: no result depends on which others are in the folder.
    answer = predictor.answer(bg, fg_bg)
    seconds = time.perf_counter() - start
    corrected, doubts = remarks(answer, bg.pixels.shape[:2])
    if bg.profile != fg_bg.profile:
        names = [profiles.name_of(p.profile) for p in (fg_bg, bg)]
        doubts.append(
            f"its colours are {names[0]}, those of its background {names[1]}: they "
            "are compared as they are stored"
        )
    for text in doubts:
        _warn(f"{pair.fg_bg}: {text}")
    mask, depth, foreground = answer.mask, answer.depth, answer.foreground
    alpha = answers.mask_pixels(mask)
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
