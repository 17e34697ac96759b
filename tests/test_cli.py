"""Exit codes, one line for each error, and the subcommands."""

import errno
import importlib
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import maskdepth_tf
from maskdepth_tf import cli, errors

CODES = {
    errors.MaskDepthError: 1,
    errors.UsageError: 2,
    errors.DataError: 3,
    errors.StateError: 4,
    errors.DiskFullError: 5,
    errors.LockedError: 6,
    errors.NonFiniteError: 7,
    errors.WorkerLostError: 8,
    errors.ServerError: 9,
    errors.RefusedError: 9,
}


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_error_is_one_line_and_a_code(kind, code, capsys):
    assert cli.run(raising(kind("x.png: expected a, received b"))) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: x.png: expected a, received b\n"


def test_a_signal_is_no_error(capsys):
    assert cli.run(raising(errors.Stopped("stopped by SIGTERM; go on", 15))) == 143
    assert capsys.readouterr().err == "stopped by SIGTERM; go on\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENAMETOOLONG])
def test_what_may_not_be_written(capsys, number):
    error = OSError(number, os.strerror(number), "out/a.png")
    assert cli.run(raising(error)) == 3
    assert capsys.readouterr().err == f"error: out/a.png: {os.strerror(number)}\n"


def test_every_error_has_its_code():
    found = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.MaskDepthError)
    }
    assert found == {*CODES, errors.Stopped}
    for kind, code in CODES.items():
        assert issubclass(kind, errors.MaskDepthError)
        assert kind.exit_code == code


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.UsageError, ValueError),
        (errors.DataError, ValueError),
        (errors.StateError, RuntimeError),
        (errors.DiskFullError, OSError),
        (errors.NonFiniteError, ArithmeticError),
    ],
)
def test_errors_are_pythons_too(kind, builtin):
    assert issubclass(kind, builtin)


@pytest.mark.parametrize(("answer", "code"), [(None, 0), (0, 0), (3, 3)])
def test_exit_code_of_the_command(answer, code):
    assert cli.run(lambda argv: answer) == code


def test_arguments_are_passed_on():
    seen = []
    cli.run(seen.append, ["--a", "b"])
    assert seen == [["--a", "b"]]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(number, capsys):
    assert cli.run(raising(OSError(number, "full", "x.keras"))) == 5
    assert capsys.readouterr().err.startswith("error: no space left on the disk: ")


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line(capsys):
    assert cli.run(lambda argv: warnings.warn("a.gif: animated", stacklevel=1)) == 0
    assert capsys.readouterr().err == "warning: a.gif: animated\n"


def test_interrupt(capsys):
    assert cli.run(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(errno.EIO, "x"), KeyError(1)]
)
def test_our_own_defects_keep_their_traceback(error):
    with pytest.raises(type(error)):
        cli.run(raising(error))


def test_reader_that_goes_away():
    code = (
        "import sys; from maskdepth_tf import cli\n"
        "sys.exit(cli.run(lambda argv: [print('line') for _ in range(100_000)] and 0))"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"]])
def test_usage(argv, capsys):
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    for name, (_, summary) in cli.COMMANDS.items():
        assert f"  {name:13} {summary}\n" in text


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"maskdepth {maskdepth_tf.__version__}\n"


def test_package_is_the_command():
    run = subprocess.run(
        [sys.executable, "-m", "maskdepth_tf", "--version"],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"maskdepth {maskdepth_tf.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "the command must be one of dataset, train, .*Received: trian. "),
        (["trian"], "The nearest is: train$"),
        (["dataset", "pak"], "the command must be one of index, .*nearest is: pack$"),
        (
            ["runs", "a", "--b"],
            "unknown flag: --b. The nearest is: --help; maskdepth runs ",
        ),
        (["train", "--worksir=a"], "unknown flag: --worksir. The nearest is: --workd"),
        (["predict", "--modle", "a"], "unknown flag: --modle. The nearest is: --model"),
        (["train", "fast"], "unrecognized arguments: fast; maskdepth train --help te"),
        (["train", "--set"], "argument --set: expected one argument; maskdepth train"),
        (["export", "--workdir", "a"], "are required: --output; maskdepth export --h"),
        (["serve", "--backend", "x"], "invalid choice: 'x' .choose from .*tensorflow"),
        (["serve", "--rest-port", "65536"], "^--rest-port must be 0 to 65535. Rec"),
        (["serve", "--rest-port", "x"], "^--rest-port must be a whole number. Rece"),
        (["serve", "--max-body-mb", "nan"], "^--max-body-mb must be 0.001 to 100000"),
        (["serve", "--max-body-mb", "x"], "^--max-body-mb must be a number. Rec"),
        (["evaluate", "--labels", "a", "--batch-size", "0"], "must be 1 or more. Rec"),
    ],
)
def test_what_is_typed_wrong_is_one_line(argv, message, capsys):
    assert cli.run(cli.main, argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert re.search(message, captured.err.removeprefix("error: ").strip())


def test_numbers():
    assert cli.number(int, 0)("7") == 7
    assert cli.number(float, 0.5, 1)("0.5") == 0.5
    assert cli.number(float, 0.5, 1)("1") == 1.0


def test_an_example_is_broken_before_flags_only():
    words = " ".join(f"--flag{number} value{number}" for number in range(9))
    text = cli.Parser("train", "Trains.\n\nMore.", words).format_help()
    head, example = text.split("\nexample:\n")
    assert "\nTrains.\n" in head
    assert "More" not in text
    lines = example.splitlines()
    assert example.replace("\\\n", "").split() == ["maskdepth", "train", *words.split()]
    assert len(lines) > 1
    assert all(line.split()[0].startswith("--flag") for line in lines[1:])
    assert all(line.endswith(" \\") for line in lines[:-1])


def test_the_next_step_can_be_pasted(capsys):
    cli.suggest("predict", "--model", Path("my runs/a"), "--bg", "a\udcff.png")
    text = "next     maskdepth predict --model 'my runs/a' --bg 'a\\xff.png'\n"
    assert capsys.readouterr().out == text


def test_subcommand_gets_the_rest(monkeypatch):
    module = importlib.import_module("maskdepth_tf.evaluate")
    monkeypatch.setattr(module, "main", lambda argv: argv)
    assert cli.main(["evaluate", "--a", "b"]) == ["--a", "b"]


def test_entry_point(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["maskdepth", "nothing"])
    with pytest.raises(SystemExit, match="^2$"):
        cli.entry_point()
    assert "Received: nothing" in capsys.readouterr().err


def test_tensorflow_starts_without_a_word():
    code = (
        "import sys; from maskdepth_tf import startup; startup.load_tensorflow()\n"
        "print('tensorflow' in sys.modules, file=sys.stderr)\n"
        # Half a second that no prediction needs to wait for.
        "from maskdepth_tf.inference import predicting\n"
        "print('matplotlib' in sys.modules, file=sys.stderr)\n"
        "import matplotlib\n"
        # The collector works, but not through what TensorFlow's modules hold.
        "import gc; frozen = gc.get_freeze_count()\n"
        "print(gc.isenabled(), frozen > 100_000)\n"
        "kept = [[] for _ in range(1000)]; startup.load_tensorflow()\n"
        "print(gc.get_freeze_count() <= frozen)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert run.stdout == "True True\nTrue\n"
    assert run.stderr == "True\nFalse\n"
