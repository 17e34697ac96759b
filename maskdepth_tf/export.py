"""Writes a trained network as a SavedModel, the next version in a model folder.

A version is a folder whose name is a number, as TF Serving looks for it; it appears
complete or not at all. Its signatures, both with the outputs `mask` (probability)
and `depth` (0 near, 1 far), float32 [B, S, S, 1]:

    serving_default  bg_bytes, fg_bg_bytes: string [B], encoded pictures of any size
    serving_arrays   bg, fg_bg: float32 [B, S, S, 3], pixels 0 to 255

Beside them `maskdepth.json` says what a client may want to know.
"""

import argparse
import errno
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from maskdepth_tf import __version__, cli, files, startup
from maskdepth_tf.errors import DiskFullError, UsageError

if TYPE_CHECKING:
    import keras

NOTE = "maskdepth.json"
"""File in each version folder with its `image_size` and conventions."""


def main(argv: list[str] | None = None) -> int | None:
    """Exports the best model of a run and prints the new version's folder."""
    args = make_parser().parse_args(argv)
    print(export_run(args.workdir, args.output))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m maskdepth_tf.export", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--workdir", required=True, metavar="RUN", help="run folder, or a .keras file"
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="model folder; the version is written to DIR/<next number>",
    )
    return parser


def export_run(workdir: str | os.PathLike, output_dir: str | os.PathLike) -> str:
    """Exports the best model of a run folder; as `export_model`.

    Raises:
        StateError: If the run has no model, or it is damaged.
        UsageError: If `output_dir` cannot be written to.
    """
    startup.load_tensorflow()
    from maskdepth_tf import checkpoints

    return export_model(checkpoints.load_model(workdir), output_dir)


def export_model(model: "keras.Model", output_dir: str | os.PathLike) -> str:
    """Writes a model as the next version.

    Args:
        model: As `model.resnet_unet` builds it.
        output_dir: Folder of all versions of the model; made if missing.

    Returns:
        Path of the new version's folder.

    Raises:
        UsageError: If the folder cannot be written to.
        DiskFullError: If there is no room; nothing is left behind.
    """
    import tensorflow as tf

    temporary = _make_temporary(output_dir)
    try:
        _write(model, temporary)
        return _publish(temporary, output_dir)
    except BaseException as error:
        shutil.rmtree(temporary)
        # TensorFlow's own kind for a full disk, which is no OSError.
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise DiskFullError(f"{os.fspath(output_dir)}: no room left") from error
        raise


def _make_temporary(output_dir) -> str:
    try:
        os.makedirs(output_dir, exist_ok=True)
        # Servers poll the folder for numbers, so this name is invisible to them.
        return tempfile.mkdtemp(prefix=".export-", dir=output_dir)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(
            f"--output must be a folder that can be written to, received "
            f"{os.fspath(output_dir)}: {error.strerror}"
        ) from None


def _write(model, folder) -> None:
    from keras.export import ExportArchive

    from maskdepth_tf.inference import Inference

    inference = Inference(model)
    archive = ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default", inference.pictures, inference.pictures_signature()
    )
    archive.add_endpoint(
        "serving_arrays", inference.arrays, inference.arrays_signature()
    )
    archive.write_out(folder, verbose=False)
    note = {
        "image_size": inference.image_size,
        "mask": "probability of foreground",
        "depth": "relative to each picture: 0 nearest, 1 farthest",
        "maskdepth_tf": __version__,
    }
    files.write_json(os.path.join(folder, NOTE), note)


def _publish(temporary, output_dir) -> str:
    """Renames to the next free number, also if another export takes one meanwhile."""
    from maskdepth_tf.inference import version_numbers

    os.chmod(temporary, 0o755)
    while True:
        version = max(version_numbers(output_dir), default=0) + 1
        path = os.path.join(output_dir, str(version))
        try:
            os.rename(temporary, path)
            return path
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


if __name__ == "__main__":
    sys.exit(cli.run(main))
