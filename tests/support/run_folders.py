"""Run folders that no training made."""

from maskdepth_tf import config

HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "ab")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
"""A program that holds a lock until its input is closed."""
DATA = {"labels": "l.txt", "rows": 3, "sha256": "0" * 64, "splits": {"train": 3}}


def settings_of(workdir, *overrides):
    return config.load_config([], [f"workdir={workdir}", *overrides])
