"""Which of several training processes this one is, as `TF_CONFIG` says.

    TF_CONFIG='{"cluster": {"worker": ["host0:2222", "host1:2222"]},
                "task": {"type": "worker", "index": 0}}'

Worker 0 is the chief: it alone writes the run folder.
"""

import json
import os
from dataclasses import dataclass

from maskdepth_tf.errors import UsageError


@dataclass(frozen=True)
class Cluster:
    """The processes that train one network together.

    Attributes:
        num_workers: How many they are.
        index: Number of this one, from 0.
    """

    num_workers: int = 1
    index: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder."""
        return self.index == 0


def from_environment() -> Cluster:
    """Reads `TF_CONFIG`; a process without it is alone.

    Raises:
        UsageError: If it is not what a training of workers alone needs.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return Cluster()
    try:
        described = json.loads(text)
        cluster, task = described["cluster"], described["task"]
        workers, index = cluster["worker"], task["index"]
        is_sound = (
            set(cluster) == {"worker"}
            and task["type"] == "worker"
            and isinstance(workers, list)
            and isinstance(index, int)
            and 0 <= index < len(workers)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise UsageError(
            "TF_CONFIG must name workers alone and which of them this is: "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, '
            '"task": {"type": "worker", "index": 0}}. '
            f"Received: {text[:200]}"
        )
    return Cluster(len(workers), index)
