"""Writes docs/configuration.md, which tests compare with the fields.

python -m tests.support.config_page
"""

import json

from maskdepth_tf import config, errors, schema
from tests.support.paths import ROOT

PATH = ROOT / "docs" / "configuration.md"
HEAD = """# Configuration

What `maskdepth train --config FILE` and `--set KEY=VALUE` may say. A file names only
what differs; later files go over earlier ones, and `--set` over all. The shipped files
of `configs/` are found by their names from any folder, as `--config fast` or `--config
losses/bce_bce`. A run keeps all its values in `RUN/config.yaml`.

| key | default | allowed | meaning |
|---|---|---|---|
"""


def fields():
    """Dotted name and field of each value of a configuration."""
    every = dict(schema.fields_of(config.Config))
    for key, field in every.items():
        if not any(other.startswith(f"{key}.") for other in every):
            yield key, field


def page():
    """The page."""
    settings = config.load_config([], ["data.synthesize={}"])
    lines = []
    for key, field in fields():
        value = settings
        for part in key.split("."):
            value = getattr(value, part)
        about = field.metadata
        allowed = ", ".join(f"`{choice}`" for choice in about["choices"])
        if about["least"] is not None:
            allowed = errors.limits(about["least"], about["most"])
        plain = schema.to_dict(value)
        default = plain if isinstance(plain, str) else json.dumps(plain)
        cells = (f"`{key}`", f"`{default}`", allowed, about["meaning"])
        lines.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PATH.write_text(page())
