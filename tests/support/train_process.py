"""The train command in a process of its own, without what comes after training.

    python tests/support/train_process.py [--two-devices] FLAGS...

Two logical processors stand for two GPUs of a host.
"""

import sys

from tests.support.training_runs import train_run


def main():
    """Trains as the arguments say; returns the exit code."""
    if sys.argv[1] == "--two-devices":
        import tensorflow as tf

        from maskdepth_tf.training import distribution

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
        devices = ["CPU:0", "CPU:1"]
        distribution.make_strategy = lambda: tf.distribute.MirroredStrategy(devices)
        del sys.argv[1]
    return train_run([], *sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
