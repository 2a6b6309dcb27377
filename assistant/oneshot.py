"""One answer without a prompt, for scripts: text or JSON on standard output."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from agent.message import Image
from agent.model import Event, ModelError
from assistant.config import Config
from assistant.pictures import named
from assistant.render import Renderer
from assistant.session import Session
from assistant.stops import ended_early
from assistant.style import Style
from assistant.terms import Terms
from assistant.untrusted import neutral
from sandbox.sandbox import SandboxBroken
from tools.call import Observation


async def answer(
    config: Config, terms: Terms, text: str, piped: str, *, as_json: bool, resume: bool
) -> int:
    """Run one turn; what would wait for a yes is denied. 0 if the turn came to its end, else 1.

    `piped` follows the text; pictures that it names are not looked for.

    Raises:
        Refused: the session cannot be opened.
    """
    renderer = Renderer(sys.stdout.write, Style.of(sys.stdout), aside=sys.stderr.write)

    def listen(event: Event | Observation) -> None:
        if not as_json:
            renderer(event)
            sys.stdout.flush()

    session = await Session.open(config, terms, listen, _say, resume)
    try:
        images = named(text, terms.root)
        whole = "\n\n".join(part for part in (text, piped) if part)
        problem = await _asked(session, whole, list(images.values()), renderer)
        record = _record(session)
    finally:
        # Also where nobody reads our output any more: what was changed in a copy is kept.
        await _leave(session)
    if as_json:
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
    elif session.stop != "end":
        _say(problem or ended_early(session.stop))
    return 0 if session.stop == "end" else 1


async def _asked(session: Session, text: str, images: Sequence[Image], renderer: Renderer) -> str:
    """Run the turn; what went wrong, or an empty text."""
    try:
        await session.ask(text, images=images)
    except (ModelError, SandboxBroken) as error:
        return str(error)
    finally:
        renderer.end()
    return ""


async def _leave(session: Session) -> None:
    try:
        if kept := session.ground.keep(session.config.home):
            _say(kept)
    finally:
        await session.close()


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
