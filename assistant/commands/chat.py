"""Talk with the assistant about the code in this folder.

examples:
  assistant                                 open the chat
  assistant -p "why does test_parse fail?"  answer once and leave
  git diff | assistant                      the question comes from standard input
  assistant --model openai:gpt-5 --mode edits
"""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import get_args

from agent.approval import Mode
from assistant.config import Config
from sandbox.refused import Refused


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-p", "--print", metavar="TEXT", help="answer TEXT and leave")
    parser.add_argument("--json", action="store_true", help="answer as one JSON object")
    parser.add_argument("--model", help="student, claude, gpt, PROVIDER:NAME or local:FILE.gguf")
    parser.add_argument(
        "--mode",
        choices=get_args(Mode),
        help="what waits for your yes: writes and commands (ask), commands (edits), nothing (auto)",
    )
    parser.add_argument(
        "--continue", action="store_true", dest="resume", help="go on with the last chat here"
    )


def run(options: Namespace, config: Config) -> int:
    """Open the prompt, or answer once where there is nobody to type."""
    chat = replace(
        config.chat,
        model=options.model or config.chat.model,
        mode=options.mode or config.chat.mode,
    )
    config = replace(config, chat=chat)
    root, text = Path.cwd(), options.print
    if text is None and sys.stdin.isatty() and sys.stdout.isatty() and not options.json:
        # Only one of the two is needed, and the prompt must not wait for models and tools.
        from assistant.repl import Repl  # noqa: PLC0415

        return asyncio.run(Repl(config, root, options.resume).run())
    if text is None:
        text = sys.stdin.read() if not sys.stdin.isatty() else ""
    if not text.strip():
        raise Refused('Nothing was asked: write assistant -p "…", or pipe a text in.')
    from assistant.oneshot import answer  # noqa: PLC0415

    return asyncio.run(answer(config, root, text, as_json=options.json, resume=options.resume))
