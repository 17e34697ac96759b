"""Trains a network, evaluates it, exports it and writes a report.

Without arguments it runs the quickstart: makes the synthetic sample set if that is
absent and trains the fast network on it.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from maskdepth_tf import cli, config, files, startup
from maskdepth_tf.errors import DataError, StateError
from maskdepth_tf.input import services
from maskdepth_tf.training import cluster, compile_cache, runs

QUICKSTART = config.SHIPPED / "quickstart.yaml"
"""The configuration of a run without arguments."""


def make_parser() -> cli.Parser:
    """The command's flags."""
    example = "--config fast --set data.labels=data/mine/labels.txt --workdir runs/mine"
    parser = cli.Parser("train", __doc__, example)
    text = (
        "YAML file, or the name of a shipped one, as fast; given more than once, "
        "later ones go over earlier ones (quickstart)"
    )
    parser.add("--config", "FILE", text, action="append")
    parser.add("--workdir", "RUN", "run folder (as the configuration says)")
    text = "replaces one value, as training.epochs=3; may be given more than once"
    parser.add("--set", "KEY=VALUE", text, action="append", default=[])
    parser.switch(
        "--resume",
        "go on from the latest state in the run folder, or begin there if --config is "
        "given; with a greater training.epochs a finished run is trained on",
    )
    text = (
        "begin with the weights of another run, of a .keras file, or of the network "
        "that comes with the package, as fine"
    )
    parser.add("--init", "MODEL", text)
    parser.switch(
        "--profile",
        "train nothing: measure how long each stage of a step takes, and leave a trace "
        "for TensorBoard in RUN/profile",
    )
    return parser


def main(argv: list[str] | None = None) -> int | None:
    """Trains as the arguments say."""
    args = make_parser().parse_args(argv)
    settings = load_settings(args)
    run_dir, epochs = Path(settings.workdir), settings.training.epochs
    if args.resume and runs.is_finished(run_dir, settings):
        print(
            f"{run_dir}: is finished after {epochs} epochs; "
            "--set training.epochs=N trains on"
        )
        return 0
    services.wait_for(settings.data.services)
    if args.profile:
        profile(settings)
        return 0
    if not cluster.from_environment().is_chief:
        train(settings, run_dir, args.resume, args.init)
        return 0
    with runs.claim(settings, args.resume) as run_dir:
        train(settings, run_dir, args.resume, args.init)
    return 0


def load_settings(args: argparse.Namespace) -> config.Config:
    """The configuration that the arguments name."""
    paths = [config.find(name) for name in args.config or []] or [QUICKSTART]
    overrides = list(args.set)
    if any(text.startswith("data.labels=") for text in overrides):
        # The sample set belongs where its file puts it: a mistyped path is an error.
        overrides.insert(0, "data.synthesize=null")
    if args.workdir:
        overrides.append(f"workdir={json.dumps(args.workdir, ensure_ascii=False)}")
    if args.resume and not args.config:
        # A run goes on with the very configuration that it was begun with.
        run_dir = config.load_config(paths, overrides).workdir
        saved = Path(run_dir) / "config.yaml"
        if not saved.exists():
            raise StateError(
                f"{saved}: --resume needs a run folder with it, or --config to "
                "begin a run there"
            )
        paths = [saved]
    return config.load_config(paths, overrides)


def train(
    settings: config.Config, run_dir: Path, resume: bool, init: str | None = None
) -> None:
    """Begins a run, or resumes it where its latest state is, and trains to the end.

    The chief then evaluates and exports the best model and writes the report.

    Args:
        settings: The configuration.
        run_dir: Run folder.
        resume: Whether to go on from its latest state, if it has one.
        init: Run folder, `.keras` file or preset whose weights a run begins with.
    """
    if settings.training.jit_compile:
        compile_cache.enable(run_dir)
    startup.load_tensorflow()
    from maskdepth_tf import export
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.input.examples import describe
    from maskdepth_tf.reports import run_report
    from maskdepth_tf.training import batches, building, checkpoints, loop

    strategy = building.set_up(settings)
    make_sample_set(settings.data)
    check_rows(settings.data)
    data = batches.open_data(settings)
    steps = data.steps_per_epoch
    about = describe(settings.data.labels, data.examples, data.split)
    if resume and runs.is_begun(run_dir):
        runs.check_data(run_dir, about)
    with strategy.scope():
        state = checkpoints.load_state(run_dir) if resume else None
        if state:
            net, progress = state
            building.set_schedule(net, settings, steps)
        else:
            net = building.compiled_model(settings, steps)
            progress = checkpoints.RunProgress()
            if init:
                checkpoints.copy_weights(init, net)
            if init and (doubt := runs.doubt_of_init(init, settings, about)):
                print(f"warning: {doubt}", file=sys.stderr)

    is_chief = cluster.from_environment().is_chief
    if is_chief:
        runs.begin(run_dir, settings, about)
    with data.examples.damage_named(), services.watched(settings.data.services):
        loop.fit(data, run_dir, net, progress)
    if not is_chief:
        return
    runs.finish(run_dir, checkpoints.weights_sha256(net))

    scores = scoring.evaluate_split(data, run_dir)
    print(scoring.table(scores))
    files.write_json(run_dir / "evaluation.json", scores)
    print(f"model    {export.export_run(run_dir, run_dir / 'export')}")
    print(f"report   {run_report.write_report(run_dir)}")
    photos = ("--bg", "empty.jpg", "--fg-bg", "with_me.jpg")
    cli.suggest("predict", "--model", run_dir, *photos, "--output", "predictions")


def profile(settings: config.Config) -> None:
    """Prints how long each stage of a training step takes."""
    startup.load_tensorflow()
    from maskdepth_tf.training import batches, building, profiling

    building.set_up(settings)
    make_sample_set(settings.data)
    check_rows(settings.data)
    data = batches.open_data(settings)
    net = building.compiled_model(settings, data.steps_per_epoch)
    folder = Path(settings.workdir, "profile")
    with data.examples.damage_named(), services.watched(settings.data.services):
        stages = profiling.profile(data, net, folder)
    print(profiling.table(stages, settings.training.batch_size))
    print(f"trace    {folder}")


def make_sample_set(data: config.Data) -> None:
    """Makes the synthetic set if the labels file is absent and the config says how.

    Raises:
        DataError: It is absent and the configuration does not say how.
    """
    if Path(data.labels).exists():
        return
    if data.synthesize is None:
        raise DataError(
            f"{data.labels}: No such file or directory; "
            "--set data.labels=PATH names the labels file or packed set to train on"
        )
    from maskdepth_tf.dataset import synthesize

    settings = dataclasses.asdict(data.synthesize)
    synthesize.synthesize(Path(data.labels).parent, **settings)


def check_rows(data: config.Data) -> None:
    """Looks at some rows before all are decoded; `pack` has done it for its sets.

    Raises:
        DataError: If a line is bad, or what most rows show.
    """
    from maskdepth_tf.dataset.checking import sampling
    from maskdepth_tf.images import stores
    from maskdepth_tf.input import labels, packed

    if packed.is_packed(data.labels):
        return
    rows = labels.read(data.labels)[: data.max_rows]
    root = data.root or Path(data.labels).parent
    sampling.check_rows(data.labels, rows, stores.Folder(root))


if __name__ == "__main__":
    sys.exit(cli.run(main))
