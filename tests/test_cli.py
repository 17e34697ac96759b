"""Exit codes, one line for each error, and the subcommands."""

import errno
import importlib
import os
import subprocess
import sys

import pytest

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


def test_what_may_not_be_written(capsys):
    error = PermissionError(errno.EACCES, "Permission denied", "out/a.png")
    assert cli.run(raising(error)) == 3
    assert capsys.readouterr().err == "error: out/a.png: Permission denied\n"


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
        assert name in text
        assert summary in text


def test_unknown_command(capsys):
    message = "the command must be one of dataset, train, .*Received: trian"
    with pytest.raises(errors.UsageError, match=message):
        cli.main(["trian"])
    assert cli.run(cli.main, ["trian"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_shows_its_flags(name, capsys):
    with pytest.raises(SystemExit, match="^0$"):
        cli.main([name, "--help"])
    module = cli.COMMANDS[name][0].removesuffix(".__main__")
    assert module in capsys.readouterr().out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_unknown_flag(name, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        cli.main([name, "--no-such-flag"])
    assert capsys.readouterr().err


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
        "print('tensorflow' in sys.modules, file=sys.stderr)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert run.stdout == ""
    assert run.stderr == "True\n"
