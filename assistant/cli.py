"""The door: finds the command, loads its module and turns refusals into exit codes.

Exit codes: 0 done, 1 not everything worked, 2 refused or misused, 130 interrupted. Nothing heavy is
imported here, so that `assistant --help` costs little more than starting Python.
"""

import errno
import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from assistant.untrusted import neutral
from sandbox.refused import Refused

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from assistant.config import Config

COMMANDS = {
    "chat": "talk with the assistant about the code in this folder (the default)",
    "collect": "record verified episodes of a teacher at work",
    "retrain": "train the student on what was collected; keep it only if it is better",
    "student": "make the first student",
    "models": "list, use, fetch and remove models; versions of the student; keys",
    "episodes": "list what was recorded, or show one episode",
    "demo": "play the whole loop in miniature",
    "doctor": "check every part of the installation",
}

_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)
"""Errors that no input and no code of ours can help."""

HELP = """\
usage: assistant [command] [options]

A coding assistant for the terminal that learns from its teacher.

commands:
{commands}

Every command takes --help, and --set section.key=value for any setting.

examples:
  assistant                                  open the chat in this folder
  assistant -p "why does test_parse fail?"   one answer, no prompt
  assistant --model claude                   drive it with another model
  assistant collect --teacher reference --tasks tasks.jsonl
  assistant retrain
"""


class Command(Protocol):
    """What a module in `assistant.commands` offers; its docstring ends in examples."""

    __doc__: str | None

    @staticmethod
    def arguments(parser: "ArgumentParser") -> None:
        """Declare the command's options."""
        ...

    @staticmethod
    def run(options: "Namespace", config: "Config") -> int:
        """Do it and return the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except Refused as refusal:
        # It may repeat names that strangers gave, as of files on the hub.
        sys.stderr.write(f"assistant: {neutral(str(refusal))}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    except BrokenPipeError:
        # Whoever read our output has left (`assistant episodes list | head`).
        sys.stderr.close()
        return 1
    except OSError as error:
        # Of the machine, not of the program: everything else keeps its traceback.
        if error.errno not in _MACHINE:
            raise
        place = f" ({error.filename})" if error.filename else ""
        mend = "free disk space, or see `assistant doctor`."
        sys.stderr.write(f"assistant: {error.strerror}{place}: {mend}\n")
        return 2


def _dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help", "help"):
        lines = (f"  {name:<10} {about}" for name, about in COMMANDS.items())
        sys.stdout.write(HELP.format(commands="\n".join(lines)))
        return 0
    if first == "--version":
        metadata = importlib.import_module("importlib.metadata")
        sys.stdout.write(f"assistant {metadata.version('assistant')}\n")
        return 0
    name = "chat" if not first or first.startswith("-") else first
    return _run(_known(name), arguments[1:] if name == first else arguments)


def _known(name: str) -> str:
    if name in COMMANDS:
        return name
    close = importlib.import_module("difflib").get_close_matches(name, COMMANDS, 1)
    mend = f"did you mean `assistant {close[0]}`?" if close else "see `assistant --help`."
    raise Refused(f"There is no command '{name}'; {mend}")


def _run(name: str, arguments: list[str]) -> int:
    argparse = importlib.import_module("argparse")
    command = cast("Command", importlib.import_module(f"assistant.commands.{name}"))
    about, _, examples = (command.__doc__ or "").partition("\n\n")
    parser: ArgumentParser = argparse.ArgumentParser(
        prog=f"assistant {name}",
        description=about,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="change a setting for this run; may be given more than once",
    )
    options = parser.parse_args(arguments)
    settings = importlib.import_module("assistant.config")
    config = settings.load(options.set)
    if name != "doctor":
        # The doctor says what is wrong with the home instead of stopping there.
        settings.prepare(config.home)
    return command.run(options, config)
