"""What Beam is given; run in `.venv-beam`, see the Makefile."""

import errno

import pytest

from maskdepth_tf import errors
from maskdepth_tf.machines import launching

IN_PROCESS = ["--runner=FnApiRunner"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--flink_mater=a:1"], "unknown flag of Beam: --flink_mater. .*: --flink_ma"),
        (["runner"], "unknown flag of Beam: runner. The nearest is: --runner"),
        (["--parallelism=x"], "--beam: argument --parallelism: invalid int value: 'x'"),
        (["--runner=no.such.Runner"], "--beam: --runner=no.such.Runner: cannot be"),
        (["--runner=Flunk"], "--beam: Unexpected pipeline runner: Flunk. Valid values"),
        (["--runner=DataflowRunner"], "--beam: Pipeline has validations errors: Missi"),
    ],
)
def test_refused_flags(tmp_path, flags, message):
    with pytest.raises(errors.UsageError, match=message):
        launching.connect(flags, str(tmp_path))


def test_refused_exchanges(tmp_path):
    message = r"--exchange must have none of \* \? \[ in its name. Received: .*/a\[1\]"
    with pytest.raises(errors.UsageError, match=message):
        launching.connect(IN_PROCESS, str(tmp_path / "a[1]"))
    for url, text in (
        ("s3://a", "boto3"),
        ("gs://a", "apache-beam.gcp"),
        ("a://b", ""),
    ):
        with pytest.raises(errors.UsageError, match=f"--exchange {url}: .*{text}"):
            launching.connect(IN_PROCESS, url)


def test_flags_of_beam_are_told(tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        launching.connect(["--help"], str(tmp_path))
    assert "--flink_master" in capsys.readouterr().out


def test_full_disk_is_told_as_such(tmp_path):
    with pytest.raises(OSError, match="full"), launching.named("the pipeline failed"):
        raise OSError(errno.ENOSPC, "full")
