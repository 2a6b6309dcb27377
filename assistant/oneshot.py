"""One answer without a prompt, for scripts: text or JSON on standard output."""

import json
import sys
from dataclasses import asdict

from agent.model import Event, ModelError
from assistant.config import Config
from assistant.render import Renderer
from assistant.session import Session
from assistant.stops import ended_early
from assistant.style import Style
from assistant.terms import Terms
from assistant.untrusted import neutral
from sandbox.sandbox import SandboxBroken
from tools.call import Observation


async def answer(config: Config, terms: Terms, text: str, *, as_json: bool, resume: bool) -> int:
    """Run one turn; what would wait for a yes is denied. 0 if the turn came to its end, else 1.

    Raises:
        Refused: the session cannot be opened.
    """
    renderer = Renderer(sys.stdout.write, Style.of(sys.stdout), aside=sys.stderr.write)

    def listen(event: Event | Observation) -> None:
        if not as_json:
            renderer(event)
            sys.stdout.flush()

    session = await Session.open(config, terms, listen, _say, resume)
    problem = ""
    try:
        await session.ask(text)
    except (ModelError, SandboxBroken) as error:
        problem = str(error)
    finally:
        renderer.end()
        record, kept = _record(session), session.ground.keep(config.home)
        await session.close()
    if kept:
        _say(kept)
    if as_json:
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
    elif session.stop != "end":
        _say(problem or ended_early(session.stop))
    return 0 if session.stop == "end" else 1


def _record(session: Session) -> dict[str, object]:
    episode = session.conversation.episode if session.conversation else None
    said = [m["content"] for m in episode.messages if m["role"] == "assistant"] if episode else []
    return {
        "text": said[-1] if said else "",
        "stop": session.stop,
        "model": session.agent.model.name,
        "episode": episode.id if episode else None,
        "usage": asdict(episode.usage) if episode else None,
        "diff": session.diff(),
    }


def _say(line: str) -> None:
    sys.stderr.write(neutral(line) + "\n")
