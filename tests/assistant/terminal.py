"""The installed command in a terminal of its own, for tests."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pexpect

COMMAND = Path(sys.executable).with_name("assistant")


class Terminal:
    """`assistant` as a person sees it."""

    def __init__(self, folder: Path, home: Path, *arguments: str, **environ: str) -> None:
        given = {"ASSISTANT_HOME": str(home), "TERM": "xterm-256color", "NO_COLOR": "1", **environ}
        self.child: pexpect.spawn[str] = pexpect.spawn(
            str(COMMAND),
            list(arguments),
            cwd=str(folder),
            env=clean_environment() | given,
            encoding="utf-8",
            timeout=60,  # Only a failure waits so long; machines may be busy.
            dimensions=(40, 120),
        )

    def sees(self, text: str) -> None:
        """Wait until `text` is on the screen."""
        self.child.expect(re.escape(text))

    def types(self, keys: str) -> None:
        self.child.send(keys)

    def leaves(self) -> int:
        """Press Ctrl-D and wait for the exit code."""
        self.types("\x04")
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus is not None
        return self.child.exitstatus


def clean_environment() -> dict[str, str]:
    """Ours without keys, addresses and settings of whoever runs the tests."""
    foreign = ("ANTHROPIC_", "OPENAI_", "ASSISTANT_", "NO_COLOR", "COLUMNS", "LINES")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def served(url: str) -> Mapping[str, str]:
    """The environment that leads `openai:…` to a server on this machine."""
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none"}
