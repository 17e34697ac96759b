"""Commands that make data sets, killed by SIGKILL: more in `benchmarks.kills`."""

from benchmarks import kills, made_sets


def test_30_kills_change_nothing(tmp_path, capsys):
    counts = kills.check_kills(tmp_path, 30, with_pillow=True)
    assert counts == dict.fromkeys(made_sets.ARGUMENTS, 6)
