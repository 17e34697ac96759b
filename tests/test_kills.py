"""Commands that make data sets, killed by SIGKILL at many points."""

from benchmarks import kills


def test_60_kills_change_nothing(tmp_path, capsys):
    counts = kills.check_kills(tmp_path, 60, with_pillow=True)
    assert counts == {"compose": 15, "depth": 15, "pack": 15, "build": 15}
