"""Writes a trained network as a SavedModel, the next version in a model folder.

A version is a folder whose name is a number, as TF Serving looks for it; it appears
complete or not at all. Its signatures, pictures of any size as string [B] `bg_bytes`
and `fg_bg_bytes`, pixels as [B, S, S, 3] `bg` and `fg_bg` from 0 to 255:

    serving_default    pictures -> mask, depth: float32 [B, S, S, 1]
    serving_full_size  pictures of one size -> mask, depth: float32 [B, H, W, 1], and
                       foreground: uint8 [B, H, W, 3]
    serving_png        pictures -> mask_png_bytes, depth_png_bytes, cutout_png_bytes
    serving_arrays     float32 pixels -> as serving_default
    serving_uint8      uint8 pixels -> as serving_default
    serving_registered float32 pixels, of backgrounds that fit -> as serving_default

All but the last bring a background onto its picture first: its camera and its light
are undone. `mask` is a probability; `depth` is 0 near and 1 far; every signature also
answers `background_mismatch` [B], the share of the background's details that the
picture does not show thereafter. Beside them lie

    maskdepth.json     size and conventions, also an asset of the SavedModel
    MODEL_CARD.md      what it is, was trained with and scored
    assets.extra/      requests that TF Serving warms up with
    formats/           with `--format`, the network for other runtimes
    manifest.json      bytes and SHA-256 of all other files

and beside the versions `models.config` and `batching.config` for TF Serving.
"""

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maskdepth_tf import __version__, cli, files, startup
from maskdepth_tf.errors import DiskFullError, UsageError, is_full_disk
from maskdepth_tf.exporting import formats

if TYPE_CHECKING:
    import keras

SAVED_MODEL = "saved_model"

NOTE = "maskdepth.json"
"""File in each version folder with its `image_size` and conventions."""


def main(argv: list[str] | None = None) -> int | None:
    """Exports the best model of a run and prints the new version's folder."""
    args = make_parser().parse_args(argv)
    names = [name for name in dict.fromkeys(args.format) if name != SAVED_MODEL]
    formats.check_installed(names)
    print(export_run(args.workdir, args.output, names))
    if sys.stdout.isatty():  # a script reads the path alone
        cli.suggest("serve", "--models", args.output)
    return 0


def make_parser() -> cli.Parser:
    """The command's flags."""
    example = "--workdir runs/quickstart --output models/maskdepth"
    parser = cli.Parser("export", __doc__, example)
    text = "run folder, .keras file, or a preset that comes with the package"
    parser.add("--workdir", "RUN", text, default=cli.PRESET)
    text = "model folder; the version is written to DIR/<next number>"
    parser.add("--output", "DIR", text, required=True)
    parser.add(
        "--format",
        "FORMAT",
        "another format beside the SavedModel, which is always written; may be given "
        "more than once: %(choices)s",
        action="append",
        default=[],
        choices=[SAVED_MODEL, *formats.FORMATS],
    )
    return parser


def export_run(
    workdir: str | os.PathLike,
    output_dir: str | os.PathLike,
    other_formats: Sequence[str] = (),
) -> str:
    """Exports the best model of a run folder; as `export_model`.

    Raises:
        StateError: If the run has no model, or it is damaged.
        UsageError: If `output_dir` cannot be written to.
    """
    startup.load_tensorflow()
    from maskdepth_tf.training import checkpoints, presets

    model = checkpoints.load_model(workdir)
    run_dir = None if presets.is_preset(presets.find(workdir)) else workdir
    return export_model(model, output_dir, run_dir, other_formats)


def export_model(
    model: "keras.Model",
    output_dir: str | os.PathLike,
    run_dir: str | os.PathLike | None = None,
    other_formats: Sequence[str] = (),
) -> str:
    """Writes a model as the next version.

    Args:
        model: As `model.resnet_unet` builds it.
        output_dir: Folder of all versions of the model; made if missing.
        run_dir: Run folder that the model card quotes and whose test rows check
            other formats, if there is one.
        other_formats: Keys of `formats.FORMATS`.

    Returns:
        Path of the new version's folder.

    Raises:
        UsageError: If the folder cannot be written to.
        StateError: If another format's answers are not the SavedModel's.
        DiskFullError: If there is no room; nothing is left behind.
    """
    import tensorflow as tf

    from maskdepth_tf.exporting import serving_files

    name = os.path.basename(os.path.abspath(output_dir))
    try:
        with _unfinished_version(output_dir) as folder:
            _write(model, folder, name, run_dir)
            if other_formats:
                formats.write(model, folder, other_formats, run_dir)
            manifest = {
                "files": files.describe_files(folder),
                "rows": "independent",
            }
            files.write_json(folder / files.MANIFEST, manifest)
            serving_files.write_configs(output_dir, name)
            return _publish(folder, output_dir)
    # TensorFlow's own kind for a full disk, which is no OSError.
    except tf.errors.ResourceExhaustedError as error:
        raise DiskFullError(f"{os.fspath(output_dir)}: no room left") from error


def _unfinished_version(output_dir) -> contextlib.AbstractContextManager[Path]:
    try:
        os.makedirs(output_dir, exist_ok=True)
        # Servers poll the folder for numbers, so this name is invisible to them.
        partial = tempfile.mkdtemp(prefix=".export-", dir=output_dir)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UsageError(
            f"--output must be a folder that can be written to, received "
            f"{os.fspath(output_dir)}: {error.strerror}"
        ) from None
    return files.unfinished_folder(Path(partial))


def _write(model, folder, name, run_dir) -> None:
    from maskdepth_tf.exporting import model_card, serving_files
    from maskdepth_tf.inference import graph
    from maskdepth_tf.inference.scoring import num_parameters

    answering = graph.of_model(model)
    signatures = answering.signatures()
    note = {
        "image_size": answering.image_size,
        "mask": "probability of foreground",
        "depth": "relative to each picture: 0 nearest, 1 farthest",
        "maskdepth_tf": __version__,
    }
    files.write_json(os.path.join(folder, NOTE), note)
    _save(model, signatures, folder)
    arguments = {key: specs for key, (_, specs) in signatures.items()}
    serving_files.write_warmup(folder, name, arguments)
    size, count = answering.image_size, num_parameters(model)
    model_card.write(folder, name, size, count, run_dir)


def _save(model, signatures, folder) -> None:
    """Writes the SavedModel with the note in `folder` as an asset."""
    import tensorflow as tf

    # Keras' own archive has no room for an asset. Like it, this holds the variables
    # and no layers: those would drag all their traced functions along.
    root = tf.train.Checkpoint()
    root.variables = [variable.value for variable in model.variables]
    root.trainable_variables = [v.value for v in model.trainable_variables]
    root.note = tf.saved_model.Asset(os.path.join(folder, NOTE))
    functions = {
        name: tf.function(function, arguments, autograph=False)
        for name, (function, arguments) in signatures.items()
    }
    tf.saved_model.save(root, folder, signatures=functions)


def _publish(folder, output_dir) -> str:
    """Renames to the next free number, also if another export takes one meanwhile."""
    from maskdepth_tf.inference.loading import version_numbers

    while True:
        version = max(version_numbers(output_dir), default=0) + 1
        path = os.path.join(output_dir, str(version))
        try:
            os.rename(folder, path)
            return path
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


if __name__ == "__main__":
    sys.exit(cli.run(main))
