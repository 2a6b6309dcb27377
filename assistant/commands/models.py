"""List the student's versions, use one, or roll back to the one before.

A chat that is open takes the change over at the end of its turn.

examples:
  assistant models list
  assistant models use 20261120-181500-4f3a
  assistant models rollback
"""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from assistant.config import Config
from sandbox.refused import Refused
from training.registry import Registry
from training.version import ModelVersion


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=["list", "use", "rollback"], nargs="?", default="list")
    parser.add_argument("id", nargs="?", help="of the version to use")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: Namespace, config: Config) -> int:
    """Do what was said."""
    registry = Registry(config.home)
    if options.what == "use":
        if not options.id:
            raise Refused("Which version? `assistant models list` shows them.")
        registry.promote(options.id)
        sys.stdout.write(f"The student is now version {options.id}.\n")
    elif options.what == "rollback":
        sys.stdout.write(f"The student is version {registry.rollback().id} again.\n")
    else:
        _list(registry, options.json)
    return 0


def _list(registry: Registry, as_json: bool) -> None:
    versions, active = registry.list(), registry.active_id()
    for version in versions:
        if as_json:
            line = json.dumps(asdict(version) | {"active": version.id == active})
        else:
            line = _line(version, version.id == active)
        sys.stdout.write(line + "\n")
    if not versions and not as_json:
        sys.stdout.write("There is no student yet: `assistant student init` makes one.\n")


def _line(version: ModelVersion, active: bool) -> str:
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.created))
    base = "untrained" if version.is_untrained else "pretrained"
    kind = base if version.is_base else f"from {version.parent}"
    parts = [f"{'*' if active else ' '} {version.id:<12} {created}  {kind}"]
    figures = version.figures
    if "rows" in figures:
        parts.append(f"{figures['rows']:.0f} episodes")
    if "eval_loss" in figures:
        parts.append(f"loss {figures['eval_loss_before']:.2f} to {figures['eval_loss']:.2f}")
    if "kl_adapter" in figures:
        parts.append(f"KL {figures['kl_adapter']:.0e}")
    return " · ".join(parts)
