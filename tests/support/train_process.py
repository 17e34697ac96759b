"""The train command in processes of their own, without what comes after training.

They are forks of one that has imported TensorFlow and not used it: a new process takes
longer to import it than to train.
"""

import itertools
import multiprocessing
import os
import sys
import tempfile

from tests.support.training_runs import train_run

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ["maskdepth_tf.inference.scoring", "maskdepth_tf.training.loop", __name__]


class TrainProcess:
    """A training in a process of its own.

    Args:
        overrides: As "a.b=1".
        *flags: More arguments.
        act: Called in the process after some steps, without arguments.
        after: After how many training steps that is.
        has_two_devices: Whether two logical processors stand for two GPUs of a host.
        **environment: Variables beside those of this process.
    """

    def __init__(
        self,
        overrides,
        *flags,
        act=None,
        after=0,
        has_two_devices=False,
        **environment,
    ):
        handle, self._output = tempfile.mkstemp(suffix=".txt")
        os.close(handle)
        # Of all that this test process starts, the first decides what is preloaded.
        CONTEXT.set_forkserver_preload(PRELOADED)
        self._process = CONTEXT.Process(
            target=_train,
            args=(overrides, flags, environment, self._output),
            kwargs={"act": act, "after": after, "has_two_devices": has_two_devices},
        )
        self._process.start()

    def finish(self) -> tuple[int, str]:
        """Waits for its end. Returns the exit code and what it printed."""
        self._process.join()
        with open(self._output, encoding="utf-8") as file:
            return self._process.exitcode, file.read()


def _train(overrides, flags, environment, output, act, after, has_two_devices):
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    from maskdepth_tf.training import state

    count, end_step = itertools.count(1), state.RunState.on_train_batch_end

    def end_step_and_act(self, batch, logs=None):
        if next(count) == after:
            act()
        end_step(self, batch, logs)

    state.RunState.on_train_batch_end = end_step_and_act
    if has_two_devices:
        import tensorflow as tf

        from maskdepth_tf.training import distribution

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
        devices = ["CPU:0", "CPU:1"]
        distribution.make_strategy = lambda: tf.distribute.MirroredStrategy(devices)
    sys.exit(train_run(overrides, *flags))
