"""Play the whole loop in miniature: a student, a teacher's episodes, training, and the gate.

It runs in a home of its own, which is removed afterwards, and takes a few minutes.

examples:
  assistant demo
"""

import asyncio
import sys
from argparse import ArgumentParser, Namespace

from assistant.config import Config
from assistant.demo import Demo, own_home, table


def arguments(parser: ArgumentParser) -> None:
    """There are no options of its own."""


def run(options: Namespace, config: Config) -> int:
    """Play it and show the table; 0 if every part worked, else 1."""
    with own_home(config) as own:
        demo = Demo(own)
        worked = asyncio.run(demo.play())
        sys.stdout.write("\n" + table(demo))
    if worked:
        sys.stdout.write("Now `assistant` opens the chat, and `assistant --help` shows the rest.\n")
    return 0 if worked else 1
