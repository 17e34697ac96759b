"""Flags that commands on labelled sets share."""

import argparse
import os
from pathlib import Path

from maskdepth_tf import cli, errors, startup
from maskdepth_tf.dataset.indexing import sets
from maskdepth_tf.images import stores

TEACHER = "keras_hub:depth_anything_v2_small"
"""A teacher that anybody can use: KerasHub fetches it."""


def add_labelled_set(parser: cli.Parser) -> None:
    """Adds `--labels` and `--root`: a labels file, and where its pictures are."""
    text = "labels file, the folder that it is in, or its name in the archives"
    parser.add("--labels", "FILE", text, type=_labels_file, required=True)
    text = "folder that the paths in it start from, or zip archives (its own folder)"
    parser.add("--root", "PATH", text, nargs="+", default=[])


def _labels_file(text: str) -> Path:
    path = Path(text)
    return path / "labels.txt" if path.is_dir() else path


def is_packed(args: argparse.Namespace) -> bool:
    """Whether the labels are those of a packed set, which has no cut-outs."""
    return not args.root and args.labels.with_name(sets.PLACES).is_file()


def open_pictures(args: argparse.Namespace) -> stores.Pictures:
    """Opens what `--labels` and `--root` name; without a root, the labels' folder.

    Raises:
        DataError: As `stores.open_pictures`, and if a packed set is damaged.
    """
    folder = args.labels.absolute().parent
    if not is_packed(args):
        return stores.open_pictures(args.root or [folder])
    startup.load_tensorflow()
    from maskdepth_tf.input import packed

    packed.check(folder, packed.read_manifest(folder))
    return packed.Pictures(folder)


def add_workers(parser: cli.Parser) -> None:
    """Adds `--workers`; by default as many as there are cores."""
    cores = len(os.sched_getaffinity(0))
    count = cli.number(int, 1)
    name = "num_workers"
    parser.add("--workers", "N", "processes", type=count, default=cores, dest=name)


def suggest_depth(folder: Path) -> None:
    """Prints the command that makes the depth maps of a set, by a public teacher."""
    teacher = ("--teacher", TEACHER, "--convention", "disparity")
    cli.suggest("dataset", "depth", "--data", folder, *teacher)


def suggest_training(labels: Path, packed: dict | None = None) -> None:
    """Prints the command that trains on a set.

    Args:
        labels: Its labels file, or the folder of a packed set.
        packed: Manifest of the packed set.
    """
    values = [f"data.labels={labels}"]
    if packed:
        splits = packed["splits"]
        values.append(f"data.image_size={packed['image_size']}")
        values.append(f"data.test_fraction={splits['test_fraction']}")
        values += ["data.split=random"] if "unseen" in splits["not_drawn"] else []
    sets = [word for value in values for word in ("--set", value)]
    cli.suggest("train", "--config", "fast", *sets, "--workdir", "runs/mine")


def check_suffix(flag: str, path: Path, suffix: str) -> None:
    """Refuses, with a UsageError, an output that would be called something else."""
    if path.suffix.lower() != suffix:
        raise errors.UsageError(f"{flag} must end in {suffix}. Received: {path}")
