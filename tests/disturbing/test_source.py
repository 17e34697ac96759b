import subprocess
import sys


def test_what_workers_are_given_imports_no_tensorflow():
    code = (
        "import sys; from maskdepth_tf.disturbing import source; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
