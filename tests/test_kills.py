"""Commands that make data sets, killed by SIGKILL at many points."""

from benchmarks import kills, made_sets


def test_60_kills_change_nothing(tmp_path, capsys):
    counts = kills.check_kills(tmp_path, 60, with_pillow=True)
    assert counts == dict.fromkeys(made_sets.ARGUMENTS, 12)
