"""Talk with the assistant about the code in this folder.

examples:
  assistant                                 open the chat
  assistant -p "why does test_parse fail?"  answer once and leave
  git diff | assistant -p "review this"     standard input follows the question, or is it
  assistant -p "what is wrong in @shot.png?"  a picture goes with the question
  assistant --model gpt --mode edits        any model that `assistant models` lists
  assistant --allow docs.python.org --allow '*.pypi.org'
                                            let commands and web_fetch reach these, and nothing else
  assistant --teacher claude                let claude take over where the student is stuck
  assistant --isolate                       work on a copy; /diff shows it, /apply brings it back

Commands run in a sandbox. Where none works (see `assistant doctor`), one session can do without:
--dangerously-without-sandbox runs what the model writes as you, with all that you may do.
"""

import asyncio
import select
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import get_args

from agent.approval import Mode
from assistant.config import Config
from assistant.terms import Terms
from sandbox.refused import Refused

PATIENCE = 1.0
"""Seconds that a text on standard input may take to begin where there is a question already."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("-p", "--print", metavar="TEXT", help="answer TEXT and leave")
    parser.add_argument("--json", action="store_true", help="answer as one JSON object")
    parser.add_argument(
        "--model", help="student, claude, gpt, PROVIDER:NAME, local:FILE.gguf, or what was pulled"
    )
    parser.add_argument(
        "--mode",
        choices=get_args(Mode),
        help="what waits for your yes: writes and commands (ask), commands (edits), nothing (auto)",
    )
    # Shown by the examples; the list is long enough, and it is a setting as well.
    parser.add_argument("--teacher", help=SUPPRESS)
    parser.add_argument(
        "--continue", action="store_true", dest="resume", help="go on with the last chat here"
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="DOMAIN",
        help="let commands reach a domain, *.domain or host:port; may be given more than once",
    )
    parser.add_argument(
        "--isolate",
        action="store_true",
        help="work on a copy of the folder, which changes only when you say /apply",
    )
    parser.add_argument(
        "--dangerously-without-sandbox",
        action="store_true",
        # Not in the list of options, where somebody might take it for one of them.
        help=SUPPRESS,
    )


def run(options: Namespace, config: Config) -> int:
    """Open the prompt, or answer once where there is nobody to type."""
    chat = replace(
        config.chat,
        model=options.model or config.chat.model,
        mode=options.mode or config.chat.mode,
    )
    network = replace(config.network, allow=(*config.network.allow, *options.allow))
    teacher = replace(config.escalation, teacher=options.teacher or config.escalation.teacher)
    config = replace(config, chat=chat, network=network, escalation=teacher)
    terms = Terms(Path.cwd(), options.isolate, not options.dangerously_without_sandbox)
    terms.check(config)
    text = options.print
    # A standard input that is closed is None.
    typed = sys.stdin and sys.stdin.isatty()
    if text is None and typed and sys.stdout.isatty() and not options.json:
        # Only one of the two is needed, and the prompt must not wait for models and tools.
        from assistant.repl import Repl  # noqa: PLC0415

        return asyncio.run(Repl(config, terms, options.resume).run())
    piped = _piped(patience=None if text is None else PATIENCE)
    text = text or ""
    if not (text + piped).strip():
        raise Refused('Nothing was asked: write assistant -p "…", or pipe a text in.')
    from assistant.oneshot import answer  # noqa: PLC0415

    return asyncio.run(
        answer(config, terms, text, piped, as_json=options.json, resume=options.resume)
    )


def _piped(patience: float | None) -> str:
    """What standard input holds, if it begins in time: scripts may leave it open and empty."""
    if not sys.stdin or sys.stdin.isatty():
        return ""
    if patience is not None and not select.select([sys.stdin], [], [], patience)[0]:
        return ""
    return sys.stdin.read()
