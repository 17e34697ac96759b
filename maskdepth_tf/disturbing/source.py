"""Rows for processes to read, which load TensorFlow by themselves.

What they are given must not import it: it would be loaded before it can be quiet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskdepth_tf import startup
from maskdepth_tf.input import labels

if TYPE_CHECKING:
    from maskdepth_tf.disturbing.samples import Reader, Sample


@dataclass(frozen=True)
class Source:
    """Rows and how they are looked at; any process can read them.

    Attributes:
        rows: All rows of the labelled set.
        root: Folder that their paths start from.
        image_size: Side of the network's square, in pixels.
        with_yardsticks: Whether the yardsticks answer, too.
    """

    rows: Sequence[labels.Row]
    root: str
    image_size: int
    with_yardsticks: bool = True


def open_reader(source: Source) -> "Reader":
    """Makes what reads the rows, in a process of its own or in this one."""
    startup.load_tensorflow()
    from maskdepth_tf.disturbing import samples

    return samples.Reader(**vars(source))


def read_samples(reader: "Reader", task: tuple[int, str]) -> "list[Sample]":
    """Makes the samples of a task, see `Reader.samples`."""
    return reader.samples(task)
