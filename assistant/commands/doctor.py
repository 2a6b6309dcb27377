"""Check every part of the installation and say how to mend what does not work.

Exit code 0 when chatting can work, else 1. Keys are looked for, never shown.

examples:
  assistant doctor
  assistant doctor --json
"""

import asyncio
import json
import shutil
import sys
import textwrap
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from assistant.config import Config
from assistant.doctor import Finding, examine
from assistant.style import Look, Style
from assistant.untrusted import neutral

_COLUMN = 28
"""Where what is said of a part begins."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: Namespace, config: Config) -> int:
    """Examine and show."""
    findings = asyncio.run(examine(config))
    style = Style.of(sys.stdout)
    for finding in findings:
        told = asdict(finding) | {"part": finding.part.strip()}
        text = json.dumps(told) if options.json else _line(finding, style)
        sys.stdout.write(text + "\n")
    return 1 if any(finding.failed for finding in findings) else 0


def _line(finding: Finding, style: Style) -> str:
    look: Look = "green" if finding.state == "ok" else "red" if finding.failed else "yellow"
    mend = f" -> {finding.mend}" if finding.mend and finding.state != "ok" else ""
    state = style(f"{finding.state:<8}", look)
    return f"{finding.part:<18} {state} {_folded(neutral(finding.about))}{style(mend, 'dim')}"


def _folded(about: str) -> str:
    """In a terminal a long text continues below its beginning."""
    if not sys.stdout.isatty():
        return about
    width = max(shutil.get_terminal_size().columns - _COLUMN - 1, 20)
    lines = textwrap.wrap(about, width, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * _COLUMN).join(lines)
