"""Installing the parts that training needs, when they are first needed and the user says yes."""

import importlib.metadata
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from sandbox.refused import Refused
from training.parts import missing_parts

MEND = "`pip install 'assistant[train]'`, in a checkout `make train`"


def require_training(log: Path, *, yes: bool) -> None:
    """Make sure that training can begin; ask for what is missing, unless `yes` says it already.

    Raises:
        Refused: parts are missing and nobody agreed, or they cannot be installed.
    """
    missing = missing_parts()
    if not missing:
        return
    what = f"Training needs {', '.join(missing)}"
    if find_spec("pip") is None:
        raise Refused(f"{what}, and there is no pip here to install them: run {MEND}.")
    if not yes and not _agreed(f"{what}; install them now (some 100 MB)?"):
        raise Refused(f"{what}: run {MEND}, or `assistant retrain --yes`.")
    sys.stdout.write(f"installing {', '.join(missing)} (about 3 minutes)\n")
    sys.stdout.flush()
    _install(requirements("train"), log)


def requirements(extra: str) -> list[str]:
    """What an extra of ours asks for, extras within it resolved, as pip takes it."""
    found: list[str] = []
    for line in importlib.metadata.requires("assistant") or []:
        text, _, marker = line.partition(";")
        if not re.search(rf"extra\s*==\s*['\"]{extra}['\"]", marker):
            continue
        inner = re.fullmatch(r"assistant\[(\w+)\]", text.strip())
        found += requirements(inner[1]) if inner else [text.strip()]
    return found


def _agreed(question: str) -> bool:
    """Whether somebody is there and says yes."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    sys.stdout.write(f"{question} [y/n] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _install(wanted: list[str], log: Path) -> None:
    command = [sys.executable, "-P", "-m", "pip", "install", "--quiet", *wanted]
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(  # noqa: S603 - our own requirements
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
    if done.returncode or missing_parts():
        raise Refused(f"The training parts could not be installed ({log} says why): try {MEND}.")
    log.unlink()
