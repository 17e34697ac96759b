import os
import subprocess
import sys

import pytest

FREED_AGAIN = """
import resource
import numpy as np
from maskdepth_tf import startup

def fill():
    pictures = [np.ones(3 * 2**20, np.uint8) for _ in range(4)]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fill()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

startup.work_side_by_side()
fill()
print(faults())
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="of glibc")
def test_freed_memory_is_used_again():
    found = subprocess.check_output([sys.executable, "-c", FREED_AGAIN], text=True)
    # Of pictures of 12 MB: they would be 3,000 pages of 4 KB.
    assert int(found) < 50
