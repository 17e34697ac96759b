"""Predicts masks, depths and cut-outs of pictures and videos, at their own size.

For each picture NAME it writes into the output folder:

    NAME_mask.png      8-bit grey, probability of foreground
    NAME_depth.png     16-bit grey, relative depth, bright is far
    NAME_cutout.png    RGBA, the foreground with the mask as its transparency, nothing
                       of the room, and with the picture's colour profile
    NAME_overview.png  all of it side by side

Both pictures of a pair are stretched to the network's square. Its mask is made as sharp
as the picture (`inference.matting`), its depth is stretched (bilinear). A pair that
cannot be read is reported, and the others are predicted all the same. Of a folder there
is also `summary.html`: how all went, and what was unusual. `outcomes.jsonl` keeps that
for the page of a run that goes on with the folder.

Of a video it makes another one, see `maskdepth_tf.video.targets`.
"""

import contextlib
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maskdepth_tf import cli, files, startup, workers
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.images import headers, pairs
from maskdepth_tf.inference import outcomes
from maskdepth_tf.training import presets
from maskdepth_tf.video import backgrounds
from maskdepth_tf.video.codecs import encoding, probing

MOST_LINES = 20
"""Pictures of which each gets a line in a terminal; of more there is a bar."""
SUMMARY = "summary.html"
"""Page about all pictures of a folder."""
ONTO = "#00b140"
"""Behind foregrounds of videos, if nothing else is asked for: the green of screens."""


def main(argv: list[str] | None = None) -> int | None:
    """Predicts all that the arguments name; 3 if some pairs could not be."""
    parser = make_parser()
    args = parser.parse_args(argv)
    _check(parser, args)
    if args.video:
        _predict_video(args)
    elif args.webcam is not None:
        _predict_live(args)
    else:
        return _predict_pictures(args)
    return 0


def _check(parser, args) -> None:
    """Refuses flags that do not go together."""
    is_live = args.webcam is not None
    if bool(args.video) + bool(args.fg_bg) + is_live != 1:
        parser.error("give one of --fg-bg PATH, --video FILE and --webcam")
    if is_live and (args.output or args.depth):
        parser.error("--output and --depth must not stand beside --webcam")
    if args.virtual_camera and not is_live:
        parser.error("--virtual-camera must stand beside --webcam")
    if args.fg_bg and not args.output:
        parser.error("--output DIR must be given")
    if args.video:
        _check_outputs(parser, args)
    if args.resume and not args.fg_bg:
        parser.error("--resume must stand beside --fg-bg; a video goes on by itself")
    if args.beam is not None and not args.fg_bg:
        parser.error("--beam must stand beside --fg-bg")
    if args.exchange is not None and args.beam is None:
        parser.error("--exchange must stand beside --beam")
    if args.fg_bg and (args.depth or args.onto != ONTO):
        parser.error("--depth and --onto must not stand beside --fg-bg")


def _check_outputs(parser, args) -> None:
    """Refuses outputs of a video of which one would be lost, or that show no --onto."""
    places = [os.path.realpath(path) for path in (args.output, args.depth) if path]
    if not places:
        parser.error("--output or --depth must be given")
    if len(places) == 2 and os.path.commonpath(places) in places:
        parser.error(
            "--output and --depth must not be the same, and neither in the other. "
            f"Received: {args.output} and {args.depth}"
        )
    suffix = encoding.H264.suffix
    if args.onto != ONTO and not (args.output or "").lower().endswith(suffix):
        parser.error(f"--onto must stand beside an --output that ends in {suffix}")


def _predict_video(args) -> None:
    # Said at once, without TensorFlow.
    probing.probe(args.video)
    if args.bg != backgrounds.AUTO:
        headers.check(args.bg)
    _check_model(args.model)
    startup.work_side_by_side()
    startup.load_tensorflow()
    from maskdepth_tf.video import making

    flags = {"output": args.output, "depth": args.depth}
    outputs = {flag: path for flag, path in flags.items() if path}
    making.make(
        args.video, args.bg, outputs, args.onto, args.model, args.force, args.json
    )


def _predict_live(args) -> None:
    if args.bg != backgrounds.AUTO:
        headers.check(args.bg)
    _check_model(args.model)
    startup.load_tensorflow()
    from maskdepth_tf.video import webcam

    webcam.run(args.webcam, args.bg, args.onto, args.model, args.virtual_camera)


def _check_model(model) -> None:
    if not presets.find(model).exists():
        raise StateError(f"{model}: a trained model must be there, and is not")


def _predict_pictures(args) -> int:
    folder = to_do = pairs.find_pairs(args.bg, args.fg_bg)
    # Said at once, without TensorFlow, and before a folder is made.
    for path in (args.bg, args.fg_bg):
        if os.path.isfile(path):
            headers.check(path)
    _check_model(args.model)
    kept = outcomes.read(args.output)
    if args.resume:
        to_do = _missing(folder, args.output, kept)
    machines = None if args.beam is None else _connect(args)
    pairs.prepare_output(
        args.output, (args.bg, args.fg_bg), to_do, args.force or args.resume
    )
    if os.path.isdir(args.fg_bg):
        startup.work_side_by_side()
    startup.load_tensorflow()
    from maskdepth_tf.images import pictures

    # A fixed background is read once, and if it is bad, that is said once.
    bg = pictures.read(args.bg) if os.path.isfile(args.bg) else None
    for text in bg.warnings if bg else ():
        _warn(text)
    if machines is None:
        predict = _load(args.model, bg, args.output)
    else:
        from maskdepth_tf.inference import beam

        given = (machines, folder, args.model, bg, args.output)
        predict = functools.partial(beam.predict, *given)
    start, done = time.perf_counter(), []
    with _telling(args, len(to_do)) as tell, _keeping(args, kept) as keep:
        for outcome in predict(to_do):
            keep(outcome)
            tell(outcome)
            done.append(outcome)
    seconds = time.perf_counter() - start
    if os.path.isdir(args.fg_bg):
        _write_summary(args, folder, done, kept, seconds)
    return _conclude(args, done, seconds)


def _load(model, bg, output) -> Callable[[list[pairs.Pair]], Iterable]:
    """Gets ready to predict pairs in threads of this process."""
    from maskdepth_tf.inference import loading, predicting

    predictor = loading.load_predictor(model)

    def predict(pair):
        return predicting.predict(pair, predictor, bg, output)

    return functools.partial(side_by_side, predict)


def _connect(args):
    """Gets ready to have pairs predicted by other machines."""
    from maskdepth_tf.machines import launching

    own = files.partial_of(Path(args.output)) / "exchange"
    return launching.connect(args.beam, args.exchange or str(own))


def _missing(to_do, folder, kept) -> list[pairs.Pair]:
    """Those of the pairs that lack a result, or could not be predicted last time."""
    left = [
        pair
        for pair in to_do
        if not all(map(os.path.exists, pairs.output_paths(folder, pair.name).values()))
        or kept.get(pair.name, {}).get("error")
    ]
    if len(left) < len(to_do):
        print(f"{len(to_do) - len(left)} of {len(to_do)} are there", file=sys.stderr)
    return left


def side_by_side(work: Callable, pieces: list) -> Iterator:
    """Does `work(piece)` in as many threads as there are cores; results in order.

    After an error nothing more is begun.
    """
    count = min(os.cpu_count() or 1, max(1, len(pieces)))
    with ThreadPoolExecutor(count) as threads:
        pool = workers.Pool(threads)
        yield from pool.in_order(lambda _, piece: work(piece), pieces)


def _keeping(args, kept) -> contextlib.AbstractContextManager[Callable]:
    """Gives what keeps an outcome; that of a single picture where others are kept."""
    if kept or os.path.isdir(args.fg_bg):
        return outcomes.keeping(args.output, kept)
    return contextlib.nullcontext(lambda outcome: None)


@contextlib.contextmanager
def _telling(args, total) -> Iterator[Callable]:
    """Gives what is told of each pair: JSON, a bar, or lines."""
    if args.json:
        yield _tell_in_json
    elif total > MOST_LINES and sys.stderr.isatty():
        with workers.track("pictures", total, "pictures") as advance:
            yield lambda outcome: advance(1)
    else:
        yield _tell


def _tell(outcome) -> None:
    name = cli.printable(outcome.pair.name)
    for text in outcome.doubts:
        _warn(text)
    if outcome.error:
        print(f"error: {outcome.error}", file=sys.stderr)
        return
    took = f"answered in {1000 * outcome.seconds:.0f} ms"
    print(f"{name}: mask covers {outcome.coverage:.1%}, {took}", flush=True)
    if outcome.corrected:
        print(f"{name}: {', '.join(outcome.corrected)}: corrected", flush=True)


def _tell_in_json(outcome) -> None:
    told = {
        "event": "picture",
        "name": cli.printable(outcome.pair.name),
        "coverage": outcome.coverage,
        "seconds": round(outcome.seconds, 4),
        "corrected": outcome.corrected,
        "warnings": outcome.doubts,
        "error": outcome.error or None,
    }
    print(json.dumps(told), flush=True)


def _conclude(args, tried, seconds) -> int:
    """Says how all went; the exit code."""
    done = [outcome for outcome in tried if not outcome.error]
    shown = cli.printable(args.output)
    rate = len(done) / seconds
    if args.json:
        told = {"event": "done", "done": len(done), "total": len(tried)}
        print(json.dumps(told | {"rate": round(rate, 3), "path": shown}))
    else:
        where = f", written to {shown}" if done else ""
        print(
            f"{len(done)} of {len(tried)} pictures in {seconds:.1f} s, with reading "
            f"and writing ({rate:.1f} pictures/s){where}"
        )
    if done and not args.json:
        name = done[0].pair.name
        overview = pairs.output_paths(args.output, name)["overview"]
        summary = os.path.join(args.output, SUMMARY)
        look = summary if os.path.isdir(args.fg_bg) else overview
        print(f"look at  {cli.printable(look)}")
    return 0 if len(done) == len(tried) else DataError.exit_code


def _write_summary(args, folder, done, kept, seconds) -> None:
    """Writes the page about all pairs of the folder, also those done earlier."""
    from maskdepth_tf.reports import summary_page

    now = {outcome.pair.name: outcome for outcome in done}
    rows = []
    for pair in folder:
        outcome = now.get(pair.name) or outcomes.recall(pair, args.output, kept)
        path = pairs.output_paths("", pair.name)["overview"]
        rows.append(
            summary_page.Row(
                cli.printable(pair.name),
                outcome.coverage,
                list(map(cli.printable, outcome.remarks)),
                outcome.corrected,
                None if outcome.error else path,
                outcome.thumbnail,
            )
        )
    page = summary_page.render(rows, seconds, len(folder) - len(done))
    files.write_atomically(os.path.join(args.output, SUMMARY), page.encode())


def _warn(text) -> None:
    print(f"warning: {text}", file=sys.stderr)


def make_parser() -> cli.Parser:
    """The command's flags."""
    example = "--bg empty.jpg --fg-bg with_me.jpg --output predictions"
    parser = cli.Parser("predict", __doc__, example)
    text = (
        "run folder, .keras file, SavedModel, or a preset that comes with the package"
    )
    parser.add("--model", "PATH", text, default=cli.PRESET)
    room = "picture of the scene alone: one for all, or a folder of them; of a video "
    room += "and a webcam also auto: found there, when everybody leaves"
    parser.add("--bg", "PATH", room, required=True)
    scene = "picture of the scene with something in front, or a folder of them"
    parser.add("--fg-bg", "PATH", scene)
    parser.add("--video", "FILE", "video of the scene with something in front")
    text = (
        "show what a camera sees, cut out, in a window (number 0); --bg auto leaves 4 "
    )
    text += "seconds to leave the picture"
    number = cli.number(int, 0)
    parser.add("--webcam", "N", text, nargs="?", const=0, type=number)
    text = "show it to other programs as a camera instead"
    parser.switch("--virtual-camera", text)
    text = "folder for the results; of a video a file: .mp4 puts the foreground --onto "
    text += "something else, .mov (ProRes 4444) and .webm (VP9) cut it out, a folder "
    text += "gets PNGs of it"
    parser.add("--output", "PATH", text)
    text = "of a video, its depth: .mkv has 16 bits, .mp4 colours, a folder gets "
    text += "16-bit PNGs"
    parser.add("--depth", "PATH", text)
    text = "what .mp4 and a webcam show behind the foreground: a colour such as "
    text += "#00b140, a picture, or blur"
    parser.add("--onto", "WHAT", text, default=ONTO)
    parser.switch("--force", "replace earlier results, and nothing but results")
    parser.switch("--resume", "go on with a folder: keep the results that are there")
    parser.switch("--json", "tell progress and results as JSON, a line each")
    cli.add_beam(parser, "results of a folder")
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main))
