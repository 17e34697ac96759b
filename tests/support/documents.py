"""Blocks of the documents, and the commands that stand in them."""

import importlib
import re
import shlex
from typing import NamedTuple

from maskdepth_tf import cli
from maskdepth_tf.dataset import __main__ as dataset
from tests.support.paths import ROOT

DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
DOCUMENTS += sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")
)
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PROMPT = re.compile(r"^\w+\$ ", re.MULTILINE)
_SETTING = re.compile(r"\w+=.*", re.DOTALL)


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        document: Path of its document.
        line: Of its fence.
        mark: Comment right above it, or None.
        language: What stands behind the fence; nothing for a shell's commands.
        text: Its lines.
    """

    document: str
    line: int
    mark: str | None
    language: str
    text: str


def blocks() -> list[Block]:
    """All fenced blocks, document by document, in order."""
    found = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("language")) + 1
            found.append(Block(document, line, **match.groupdict()))
    return found


def commands(block: Block) -> list[list[str]]:
    """Words of each command of a shell's block, without prompts and settings."""
    text = _PROMPT.sub("", block.text).replace("\\\n", " ")
    found = []
    for line in _whole_lines(text):
        words = shlex.split(line, comments=True)
        while words and _SETTING.fullmatch(words[0]):
            words = words[1:]
        if words:
            found.append(words)
    return found


def _whole_lines(text):
    """Lines, of which those that end inside quotes are joined with the next."""
    line = ""
    for part in text.splitlines():
        line = f"{line}\n{part}" if line else part
        try:
            shlex.split(line, comments=True)
        except ValueError:
            continue
        yield line
        line = ""


def parser_of(words: list[str]) -> tuple[str, cli.Parser, list[str]]:
    """Name, parser and flags of a command line that begins with `maskdepth`."""
    name, flags = words[1], words[2:]
    module = importlib.import_module(cli.COMMANDS[name][0])
    if module is not dataset:
        return name, module.make_parser(), flags
    module = importlib.import_module(dataset.COMMANDS[flags[0]][0])
    parser = dataset.make_parser(flags[0], module)
    return f"{name} {flags[0]}", parser, flags[1:]
