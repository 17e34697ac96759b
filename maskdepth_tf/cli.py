"""The `maskdepth` command and what all commands share."""

import errno
import importlib
import os
import sys
from collections.abc import Callable

from maskdepth_tf import errors

COMMANDS = {
    "dataset": ("maskdepth_tf.dataset.__main__", "make data sets from pictures"),
    "train": ("maskdepth_tf.train", "train, evaluate, export and report"),
    "input-server": ("maskdepth_tf.input_server", "prepare batches for trainings"),
    "runs": ("maskdepth_tf.list_runs", "list runs with their best figures"),
    "evaluate": ("maskdepth_tf.evaluate", "score a model on labelled pictures"),
    "export": ("maskdepth_tf.export", "write a SavedModel for TF Serving"),
    "serve": ("maskdepth_tf.serve", "answer as TF Serving does, REST and gRPC"),
    "client": ("maskdepth_tf.client", "ask a server for what predict writes"),
    "predict": ("maskdepth_tf.predict", "masks, depths and cut-outs of pictures"),
}


def run(main: Callable[[list[str] | None], int | None], argv=None) -> int:
    """Runs a command and turns the user's errors into one line and an exit code.

    Args:
        main: The command; takes the arguments after its name.
        argv: Arguments; those of the process if None.

    Returns:
        Exit code: 0 if all went well, the error's own otherwise.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        code = main(argv) or 0
        sys.stdout.flush()
        return code
    except errors.MaskDepthError as error:
        kind = "" if isinstance(error, errors.Stopped) else "error: "
        print(f"{kind}{error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Python flushes its output once more when it ends, and would fail again.
        sys.stdout = open(os.devnull, "w")
        return 141
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except PermissionError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return errors.DataError.exit_code
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"error: no space left on the disk: {error}", file=sys.stderr)
        return errors.DiskFullError.exit_code


def main(argv: list[str] | None = None) -> int | None:
    """Runs the subcommand that the first argument names."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage())
        return 0
    if argv[0] not in COMMANDS:
        raise errors.UsageError(
            f"the command must be one of {', '.join(COMMANDS)}. Received: {argv[0]}"
        )
    module = importlib.import_module(COMMANDS[argv[0]][0])
    return module.main(argv[1:])


def _usage() -> str:
    lines = ["usage: maskdepth COMMAND [--help] ...", ""]
    return "\n".join(lines + [f"  {k:13} {v[1]}" for k, v in COMMANDS.items()])


def entry_point() -> None:
    """Console script."""
    sys.exit(run(main))
