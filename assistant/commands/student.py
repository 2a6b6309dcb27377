"""Make the first student: the pretrained one, or an untrained one to try the loop on.

examples:
  assistant student init
  assistant student init --seed 7 --id second-try
"""

import sys
import time
from argparse import ArgumentParser, Namespace

from assistant.config import Config
from assistant.student import make
from sandbox.refused import Refused
from training.registry import Registry


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=["init"])
    parser.add_argument("--seed", type=int, help="make an untrained one; each seed is another one")
    parser.add_argument("--id", default="student", help="the name of the version")


def run(options: Namespace, config: Config) -> int:
    """Make it and take it into the registry."""
    began = time.monotonic()
    registry = Registry(config.home)
    if any(version.id == options.id for version in registry.list()):
        raise Refused(
            f"There is a student '{options.id}' already: choose another name with --id, "
            f"or delete {registry.path(options.id)}."
        )
    version = make(registry, options.id, options.seed)
    size = sum(file.bytes for file in version.files.values() if file.path.endswith(".gguf"))
    took = time.monotonic() - began
    sys.stdout.write(
        f"The student '{version.id}' is made ({size / 1e6:.1f} MB, {took:.0f} s). "
        f"It is {'untrained' if version.is_untrained else 'pretrained'}: `assistant collect`, "
        "then `assistant retrain` teach it.\n"
    )
    return 0
