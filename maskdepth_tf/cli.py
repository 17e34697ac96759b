"""The `maskdepth` command, and what all commands share."""

import argparse
import importlib
import os
import re
import shlex
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NoReturn

from maskdepth_tf import __doc__ as ABOUT
from maskdepth_tf import __version__, errors

PRESET = "fine"
"""The trained network that comes with the package: of commands that are given none."""
COMMANDS = {
    "dataset": ("maskdepth_tf.dataset.__main__", "make data sets from pictures"),
    "train": ("maskdepth_tf.train", "train, evaluate, export and report"),
    "predict": ("maskdepth_tf.predict", "masks, depths and cut-outs of pictures"),
    "evaluate": ("maskdepth_tf.evaluate", "score a model on labelled pictures"),
    "robustness": ("maskdepth_tf.robustness", "measure what disturbances spoil"),
    "runs": ("maskdepth_tf.list_runs", "list runs with their best figures"),
    "export": ("maskdepth_tf.export", "write a SavedModel for TF Serving"),
    "live": ("maskdepth_tf.live", "mask and depth of a camera, in a browser"),
    "serve": ("maskdepth_tf.serve", "answer as TF Serving does, REST and gRPC"),
    "client": ("maskdepth_tf.client", "ask a server for what predict writes"),
    "input-server": ("maskdepth_tf.input_server", "prepare batches for trainings"),
}
"""Name -> (module with `main(argv)`, what it does)."""


class Parser(argparse.ArgumentParser):
    """Flags of a command; its help fits 80 columns and ends with an example.

    Args:
        command: What people type after `maskdepth`.
        doc: Docstring of the command's module; its first line says what it does.
        example: Arguments of the example.
    """

    def __init__(self, command: str, doc: str | None, example: str) -> None:
        # A line is broken before a flag, never between a flag and its value.
        words = re.sub(r" (?!--)", "\0", f"maskdepth {command} {example}")
        lines = textwrap.wrap(words, 72, break_on_hyphens=False)
        super().__init__(
            prog=f"maskdepth {command}",
            description=textwrap.fill((doc or "").partition("\n")[0], 78),
            epilog="example:\n  " + " \\\n      ".join(lines).replace("\0", " "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._words: list[str] = []

    def add(self, flag: str, metavar, text: str, **options) -> None:
        """Adds a flag with a value; its help tells the default, if it has one.

        Args:
            flag: The flag.
            metavar: What stands for its value in the help.
            text: The help.
            **options: As those of `add_argument`.
        """
        has_default = options.get("default") not in (None, [], argparse.SUPPRESS)
        text += " (%(default)s)" if has_default else ""
        self.add_argument(flag, metavar=metavar, help=text, **options)

    def switch(self, flag: str, text: str) -> None:
        """Adds a flag without a value."""
        self.add_argument(flag, action="store_true", help=text)

    def parse_args(self, args=None, namespace=None):
        """Parses as argparse does, and keeps the arguments for `error`."""
        self._words = sys.argv[1:] if args is None else args
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raises what is wrong with the arguments as a UsageError."""
        message = re.sub("^argument ([^ :]+): must ", r"\1 must ", message)
        if " must " in message:
            raise errors.UsageError(message)
        flags = self._option_string_actions
        typed = [w.partition("=")[0] for w in self._words if w.startswith("--")]
        unknown = [w for w in typed if not any(flag.startswith(w) for flag in flags)]
        if unknown:
            near = errors.nearest(unknown[0], flags)
            message = f"unknown flag: {unknown[0]}. The nearest is: {near}"
        raise errors.UsageError(f"{message}; {self.prog} --help tells the flags")


def add_scored(parser: Parser, run: str, labels: str) -> None:
    """Adds the flags that name a network and the labelled rows it is scored on.

    Args:
        parser: The command's.
        run: What is done with `--workdir`.
        labels: What is done with `--labels`.
    """
    parser.add("--workdir", "RUN", run)
    parser.add("--labels", "FILE", labels)
    parser.add("--root", "DIR", "folder that the paths in it start from (its own)")
    text = "run folder, .keras file, SavedModel or preset (the run's best; with "
    text += f"--labels {PRESET}, which comes with the package)"
    parser.add("--model", "PATH", text)


def check_scored(parser: Parser, args: argparse.Namespace) -> None:
    """Refuses what `add_scored` adds unless it names one network and its rows."""
    if bool(args.workdir) == bool(args.labels):
        parser.error("give either --workdir RUN, or --labels FILE")
    if args.labels and not args.model:
        args.model = PRESET


def add_pairs(parser: Parser, output: str) -> None:
    """Adds the flags of commands that write a result for each pair of pictures.

    Args:
        parser: Of the command.
        output: Help of `--output`.
    """
    room = "picture of the scene alone: one for all, or a folder of them"
    parser.add("--bg", "PATH", room, required=True)
    scene = "picture of the scene with something in front, or a folder of them"
    parser.add("--fg-bg", "PATH", scene, required=True)
    parser.add("--output", "DIR", output, required=True)
    parser.switch("--force", "replace earlier results")


def add_beam(parser: Parser, made: str) -> None:
    """Adds the flags of what other machines can make; to be added last.

    Args:
        parser: Of the command.
        made: What they make.
    """
    text = "with --beam: what all machines reach, a path or a URL"
    parser.add("--exchange", "FOLDER", f"{text} (OUTPUT.partial/exchange)")
    text = f"have the {made} made by Apache Beam; all that follow are its flags"
    parser.add("--beam", "FLAG", text, nargs=argparse.REMAINDER)


def number(
    kind: type[int] | type[float], least: float, most: float | None = None
) -> Callable[[str], float]:
    """An argparse type: a number from `least` to `most`, both included."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            noun = "a whole number" if kind is int else "a number"
            message = f"must be {noun}. Received: {text}"
            raise argparse.ArgumentTypeError(message) from None
        if not errors.is_within(value, least, most):
            limits = errors.limits(least, most)
            raise argparse.ArgumentTypeError(f"must be {limits}. Received: {text}")
        return value

    return parse


def suggest(*words: object) -> None:
    """Prints the command that is likely to come next, ready to paste."""
    print("next     maskdepth", printable(shlex.join(map(str, words))))


def printable(text: str | os.PathLike) -> str:
    """A path, or a text with paths, with bytes that are not UTF-8 escaped."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def choose(
    program: str,
    about: str | None,
    commands: Mapping[str, tuple[str, ...]],
    argv: list[str],
    example: str,
) -> ModuleType | None:
    """Imports the module of the command that the first argument names.

    Args:
        program: What people type before the command.
        about: A line for the help.
        commands: Name -> (module, what it does, ...).
        argv: Arguments after `program`.
        example: A command line for the help.

    Returns:
        The module; None if help was asked for and printed.

    Raises:
        UsageError: If there is no such command.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(f"usage: {program} COMMAND [--help] ...\n\n{about}\n")
        for name, (_, summary, *_) in commands.items():
            print(f"  {name:13} {summary}")
        print(f"\nexample:\n  {example}")
        return None
    if argv[0] not in commands:
        raise errors.UsageError(
            f"the command must be one of {', '.join(commands)}. Received: {argv[0]}. "
            f"The nearest is: {errors.nearest(argv[0], commands)}"
        )
    # Only the module that will run is imported: the others may be heavy.
    return importlib.import_module(commands[argv[0]][0])


def main(argv: list[str] | None = None) -> int | None:
    """Runs the command that the first argument names."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--version"]:
        print(f"maskdepth {__version__}")
        return 0
    module = choose("maskdepth", ABOUT, COMMANDS, argv, "maskdepth train")
    return module.main(argv[1:]) if module else 0


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
        with warnings.catch_warnings():
            warnings.showwarning = _tell
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
    except OSError as error:
        if errors.is_full_disk(error):
            print(f"error: no space left on the disk: {error}", file=sys.stderr)
            return errors.DiskFullError.exit_code
        if error.filename is None:  # of no file: a fault of the program
            raise
        # No permission, a file system that is read-only, a name that is too long.
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return errors.DataError.exit_code


def _tell(message, category, filename, lineno, file=None, line=None) -> None:
    """Shows a warning without the place in the code, of which no user knows."""
    print(f"warning: {message}", file=file or sys.stderr)


def entry_point() -> None:
    """Console script."""
    sys.exit(run(main))
