"""The train command as it is called, on tiny networks."""

import contextlib
import os

import pytest


def tiny_overrides(labels_path, workdir) -> list[str]:
    """Two quick epochs of 2 steps on a labelled set."""
    return [
        f"data.labels={labels_path}",
        f"workdir={workdir}",
        "data.image_size=16",
        "data.test_fraction=0.25",
        "model.widths=[4]",
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


def whole_run(overrides, *flags) -> int:
    """Runs the train command as it is called, whole: with scores, export and report.

    Args:
        overrides: As "a.b=1".
        *flags: More arguments.

    Returns:
        Its exit code.
    """
    from maskdepth_tf import cli, train

    if "--workdir" not in flags:  # a resumed run has its own configuration
        flags = ("--config", os.devnull, *flags)
    words = [word for text in overrides for word in ("--set", text)]
    return cli.run(train.main, [*words, *flags])


def train_run(overrides, *flags) -> int:
    """Trains as `whole_run` does, but draws no pictures and stops after training."""
    with training_alone():
        return whole_run(overrides, *flags)


@contextlib.contextmanager
def training_alone():
    """Runs draw no pictures and stop after training.

    Evaluation, export and report take several times as long as a tiny training.
    """
    import keras

    from maskdepth_tf import export
    from maskdepth_tf.inference import scoring
    from maskdepth_tf.reports import run_report
    from maskdepth_tf.training import callbacks

    def no_pictures(batch, run_dir):
        return keras.callbacks.Callback()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "Pictures", no_pictures)
        patch.setattr(scoring, "evaluate_split", lambda *arguments: {})
        patch.setattr(scoring, "table", lambda scores: "no scores")
        patch.setattr(export, "export_run", lambda run_dir, folder: "no export")
        patch.setattr(run_report, "write_report", lambda run_dir: "no report")
        yield
