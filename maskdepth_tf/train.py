"""Trains a network, evaluates it, exports it and writes a report.

Without arguments it runs the quickstart: makes the synthetic sample set if that is
absent and trains the fast network on it.
"""

import argparse
import json
import sys
from pathlib import Path

from maskdepth_tf import cli, config, files, startup
from maskdepth_tf.errors import StateError
from maskdepth_tf.input import services
from maskdepth_tf.training import cluster, compile_cache, runs

QUICKSTART = Path(__file__).resolve().parent.parent / "configs" / "quickstart.yaml"
"""The configuration of a run without arguments."""


def make_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m maskdepth_tf.train", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE",
        help="YAML file; given more than once, later ones go over earlier ones "
        "(default: the quickstart)",
    )
    parser.add_argument("--workdir", metavar="RUN", help="run folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replaces one value, as training.epochs=3; may be given more than once",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where the run folder's latest state is",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="train nothing: tell how long each stage of a step takes, and leave a "
        "trace for TensorBoard in RUN/profile",
    )
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Trains as the arguments say."""
    args = make_parser().parse_args(argv)
    settings = load_settings(args)
    services.wait_for(settings.data.services)
    if args.profile:
        profile(settings)
        return 0
    if not cluster.from_environment().is_chief:
        train(settings, Path(settings.workdir), args.resume)
        return 0
    with runs.claim(settings, args.resume) as run_dir:
        train(settings, run_dir, args.resume)
    return 0


def load_settings(args: argparse.Namespace) -> config.Config:
    """The configuration that the arguments name."""
    paths, overrides = args.config or [QUICKSTART], list(args.set)
    if args.workdir:
        overrides.append(f"workdir={json.dumps(args.workdir, ensure_ascii=False)}")
        if args.resume and not args.config:
            # A run goes on with the very configuration that it was begun with.
            saved = Path(args.workdir) / "config.yaml"
            if not saved.exists():
                raise StateError(f"{saved}: --resume needs a run folder with it")
            paths = [saved]
    return config.load_config(paths, overrides)


def train(settings: config.Config, run_dir: Path, resume: bool) -> None:
    """A whole run: data, network, fit; of the chief also evaluation, export, report.

    Args:
        settings: The configuration.
        run_dir: Its folder.
        resume: Whether to go on where its latest state is.
    """
    if settings.training.jit_compile:
        compile_cache.enable(run_dir)
    startup.load_tensorflow()
    from maskdepth_tf import export
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.input import examples
    from maskdepth_tf.reports import run_report
    from maskdepth_tf.training import batches, building, checkpoints, loop

    strategy = building.set_up(settings)
    make_sample_set(settings.data)
    found = batches.open_data(settings)
    split = batches.split_data(settings, found)
    steps = batches.steps_per_epoch(settings, split)
    data = examples.describe(settings.data.labels, found, split)
    if resume:
        runs.check_data(run_dir, data)
    with strategy.scope():
        state = checkpoints.load_state(run_dir) if resume else None
        net, progress = state or (
            building.compiled_model(settings, steps),
            checkpoints.RunProgress(),
        )

    is_chief = cluster.from_environment().is_chief
    if is_chief:
        runs.begin(run_dir, settings, data)
    with found.damage_named(), services.watched(settings.data.services):
        loop.fit(settings, run_dir, net, found, split, progress)
    if not is_chief:
        return
    runs.finish(run_dir, checkpoints.weights_sha256(net))

    scores = scoring.evaluate_split(settings, run_dir, found, split)
    print(scoring.table(scores))
    files.write_json(run_dir / "evaluation.json", scores)
    print(f"model    {export.export_run(run_dir, run_dir / 'export')}")
    print(f"report   {run_report.write_report(run_dir)}")


def profile(settings: config.Config) -> None:
    """Prints how long each stage of a training step takes."""
    startup.load_tensorflow()
    from maskdepth_tf.training import batches, building, profiling

    building.set_up(settings)
    make_sample_set(settings.data)
    found = batches.open_data(settings)
    split = batches.split_data(settings, found)
    net = building.compiled_model(settings, batches.steps_per_epoch(settings, split))
    folder = Path(settings.workdir, "profile")
    with found.damage_named(), services.watched(settings.data.services):
        stages = profiling.profile(settings, found, split, net, folder)
    print(profiling.table(stages, settings.training.batch_size))
    print(f"trace    {folder}")


def make_sample_set(data: config.Data) -> None:
    """Makes the synthetic set if the labels file is absent and the config says how."""
    if Path(data.labels).exists() or data.synthesize is None:
        return
    from maskdepth_tf.dataset import synthesize

    made = data.synthesize
    synthesize.synthesize(
        Path(data.labels).parent,
        rows=made.rows,
        image_size=made.image_size,
        rooms=made.rooms,
        figures=made.figures,
        quality=made.quality,
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
