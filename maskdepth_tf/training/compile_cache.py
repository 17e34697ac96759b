"""What XLA compiled, kept in the run folder, so that a resumed run starts warm.

TensorFlow fails on a damaged file of its cache. So only files that `seal` has seen
whole are left there when a run starts.
"""

import json
import os
from pathlib import Path

from maskdepth_tf import files

FOLDER = "xla_cache"
_SUMS = "sums.json"


def enable(run_dir: Path) -> None:
    """Turns the cache on; must come before TensorFlow is imported.

    With `TF_XLA_FLAGS` in the environment nothing is done. The run folder need not be
    there yet.
    """
    if "TF_XLA_FLAGS" in os.environ:
        return
    folder = run_dir / FOLDER
    sums = _sums(folder)
    for path in folder.glob("*"):
        if path.name != _SUMS and files.sha256_of(path) != sums.get(path.name):
            path.unlink()
    os.environ["TF_XLA_FLAGS"] = (
        f"--tf_xla_persistent_cache_directory={folder.absolute()} "
        "--tf_xla_deterministic_cluster_names=true"
    )


def seal(run_dir: Path) -> None:
    """Notes the files that are there, once what they were compiled for has run."""
    folder = run_dir / FOLDER
    if not folder.is_dir():
        return
    sums = _sums(folder)
    new = {p.name for p in folder.glob("*.pb")} - set(sums)
    if new:
        sums |= {name: files.sha256_of(folder / name) for name in sorted(new)}
        files.write_json(folder / _SUMS, sums)


def _sums(folder) -> dict[str, str]:
    try:
        sums = json.loads((folder / _SUMS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return sums if isinstance(sums, dict) else {}
