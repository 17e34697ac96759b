"""Which files the package holds; all else stands in `setup.cfg`."""

from setuptools import find_packages, setup

setup(
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
