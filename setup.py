"""Which files the package holds; all else stands in `setup.cfg`."""

import runpy

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildPackage(build_py):
    """Fetches LiteRT.js first, which the live page needs and the sources lack."""

    def run(self):
        litert = runpy.run_path("maskdepth_tf/browser/litert.py")
        try:
            litert["fetch"]()
        except OSError as error:
            # `maskdepth live` says then what to do; all else works without.
            self.warn(f"{litert['NAME']} cannot be fetched: {error}")
        super().run()


setup(
    cmdclass={"build_py": BuildPackage},
    packages=[*find_packages(include=["maskdepth_tf*"]), "maskdepth_tf.configs"],
    # The folder lies at the top, where people look for it.
    package_dir={"maskdepth_tf.configs": "configs"},
    package_data={
        "maskdepth_tf.configs": ["**/*.yaml"],
        "maskdepth_tf": [
            f"**/*.{kind}" for kind in "css csv html js md json h5 svg txt wasm".split()
        ],
    },
)
