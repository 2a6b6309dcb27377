"""Show what was recorded.

examples:
  assistant episodes list
  assistant episodes list --last 50
  assistant episodes show 18f3a2b4c5d6e7f8-a1b2c3
  assistant episodes show 18f3a2b4c5d6e7f8-a1b2c3 --json
"""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from agent.episode import Episode
from agent.model import Usage
from agent.store import Store
from assistant.config import Config
from assistant.render import diff, headline
from assistant.style import Style
from assistant.untrusted import neutral
from tools.call import ToolCall


def arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=["list", "show"])
    parser.add_argument("id", nargs="?", help="of the episode to show")
    parser.add_argument("--last", type=int, default=20, metavar="N", help="list the last N")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: Namespace, config: Config) -> int:
    """List episodes, newest last, or show one whole."""
    store = Store(config.home / "episodes.db")
    try:
        if options.what == "show":
            _show(store.episode(options.id or ""), options.json)
        else:
            newest = "WHERE id IN (SELECT id FROM episodes ORDER BY started DESC LIMIT ?)"
            for episode in store.episodes(newest, options.last):
                _list(episode, options.json)
    finally:
        store.close()
    return 0


def _list(episode: Episode, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(asdict(episode), ensure_ascii=False) + "\n")
        return
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(episode.started))
    verdict = episode.verdict.outcome if episode.verdict else "-"
    stop, task = episode.stop or "not finished", episode.task or "chat"
    line = f"{episode.id}  {started}  {verdict:<7}  {stop:<12}  {episode.model}  {task}"
    sys.stdout.write(neutral(line) + "\n")


def _show(episode: Episode, as_json: bool) -> None:
    _list(episode, as_json)
    if as_json:
        return
    style = Style.of(sys.stdout)
    for step in episode.steps:
        message = step.message
        sys.stdout.write(style(f"\n{message['role']}", "bold") + _prefix(step.usage) + "\n")
        if message["content"]:
            sys.stdout.write(neutral(message["content"]) + "\n")
        for entry in message.get("tool_calls", []):
            call = ToolCall(entry["id"], entry["function"]["name"], entry["function"]["arguments"])
            sys.stdout.write(style(f"-> {headline(call)}", "cyan") + "\n")
    sys.stdout.write(f"\nall steps{_prefix(episode.usage)}\n" if episode.usage.input else "")
    if episode.diff:
        sys.stdout.write("\n" + diff(episode.diff, style))
    for failure in episode.verdict.failures if episode.verdict else ():
        sys.stdout.write("\n" + style(neutral(failure), "red") + "\n")


def _prefix(usage: Usage) -> str:
    """The meter of a step's prompt, where there was one: tokens reused and evaluated."""
    if not usage.input:
        return ""
    return f" · prefix {usage.cached:,} reused / {usage.evaluated:,} evaluated ({usage.reused:.0%})"
