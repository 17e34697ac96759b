"""The train command as it is called, on tiny networks."""

import os

import pytest


def tiny_overrides(labels_path, workdir) -> list[str]:
    """Two quick epochs of 2 steps on a labelled set."""
    return [
        f"data.labels={labels_path}",
        f"workdir={workdir}",
        "data.image_size=16",
        "data.test_fraction=0.25",
        "model.widths=[4, 4]",
        "model.patch_size=2",
        "augmentation.flip_probability=0.5",
        "augmentation.cutout_holes=1",
        "augmentation.cutout_size=4",
        "training.epochs=2",
        "training.batch_size=8",
        "training.test_batch_size=3",
        "training.pictures=2",
        "optimizer.drop_epochs=1",
    ]


def train_run(overrides, *flags, is_scored=False) -> int:
    """The train command as it is called, but for the export, which takes long.

    Args:
        overrides: As "a.b=1".
        *flags: More arguments.
        is_scored: Whether evaluation and curves are left in, which take long, too.

    Returns:
        Its exit code.
    """
    from maskdepth_tf import cli, export, train
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.reports import curves

    arguments = [word for text in overrides for word in ("--set", text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "export_run", lambda run_dir, folder: "no export")
        patch.setattr(train, "QUICKSTART", os.devnull)
        if not is_scored:
            patch.setattr(scoring, "evaluate_split", lambda *arguments: {})
            patch.setattr(scoring, "table", lambda scores: "no scores")
            patch.setattr(curves, "write_curves", lambda history, path: None)
        return cli.run(train.main, [*arguments, *flags])
