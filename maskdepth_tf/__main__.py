"""`python -m maskdepth_tf` is the command `maskdepth`."""

from maskdepth_tf import cli

if __name__ == "__main__":
    cli.entry_point()
