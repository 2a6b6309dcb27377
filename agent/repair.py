"""The repair ladder: what is done about a tool call that cannot be read, or that cannot run.

An answer whose call cannot be read is, in this order: read leniently, asked for again while the
model is held to a well-formed call, told how the tool is called, and left to the teacher (see
agent/router.py). A call that was read but cannot run gets an observation that shows how it is
called. The bad answer is never trained; the one that corrects it says so: see agent/corrections.py.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict, cast

from agent.episode import Step
from agent.message import Message, calls, user
from agent.model import ContextFull, Event, Model, ModelError, Reply, Required, answer
from tools.call import ToolCall
from tools.schema import ToolSchema
from tools.tool import Tool, fault

Rung = Literal["lenient", "constrained", "schema", "teacher"]

AGAIN = "Your tool call could not be read ({}). Write it again, complete and well-formed."
READ_AS = "Your tool call was not well-formed ({}). This is how it was read; write the next one so."


class Trouble(TypedDict):
    """Answers whose calls were of no use, as long as none has corrected them. Plain data."""

    since: int
    """The index of the first of them in the conversation."""
    rung: Rung | None
    """What was done about it last."""
    meant: list[str]
    """The tools that the last one meant; empty where that is not known."""
    reason: str
    """Why the last one cannot be read; empty where it was read but cannot run."""
    mended: Message | None
    """What the last one means, its slips forgiven, where that is known."""
    author: str
    """Who wrote the last one; empty: the model that was asked."""


async def asked(
    model: Model,
    messages: Sequence[Message],
    tools: Sequence[ToolSchema],
    listen: Callable[[Event], None],
    trouble: Trouble | None,
) -> Reply:
    """The next answer, held to a call where the ladder has come to that.

    Raises:
        ModelError: from the model.
    """
    if trouble and trouble["rung"] == "constrained":
        try:
            return await answer(model, messages, Required(tools), listen)
        except ContextFull:
            raise
        except ModelError:
            # Some servers know no such wish, and some models refuse it while they reason.
            pass
    return await answer(model, messages, tools, listen)


def judged(
    reply: Reply, messages: Sequence[Message], trouble: Trouble | None, tools: Sequence[Tool]
) -> tuple[Step, Trouble | None]:
    """The step that an answer becomes, and what is wrong from then on.

    Args:
        reply: the answer.
        messages: the conversation before it.
        trouble: what was wrong up to then.
        tools: what the calls of the answer may mean.
    """
    since = _since(reply, messages, trouble)
    called = calls(reply.message)
    wrong = [call for call in called if fault(call, tools)]
    author = _author(reply)
    if reply.malformed or wrong:
        step = Step(reply.message, reply.usage, trained=False, model=author)
        start = len(messages) if since is None else since
        return step, _trouble(reply, wrong, tools, start, trouble)
    took_over = bool(reply.author and reply.author.stalled)
    if since is None or not (took_over or _corrects(called, trouble)):
        return Step(reply.message, reply.usage, model=author), None
    rung = "teacher" if took_over else (trouble and trouble["rung"]) or "schema"
    return Step(reply.message, reply.usage, model=author, repair=rung, corrects=since), None


def mend(
    trouble: Trouble, tools: Sequence[Tool], *, held: bool
) -> tuple[list[Step], Trouble | None]:
    """The next rung after an answer that cannot be read: what is appended, and what is wrong then.

    Args:
        trouble: of that answer.
        tools: what may have been meant.
        held: whether the model can be held to a well-formed call.
    """
    reason = trouble["reason"]
    if message := trouble["mended"]:
        # A call that is readable now may still be one that cannot run.
        fine = not any(fault(call, tools) for call in calls(message))
        step = Step(message, trained=fine, model=trouble["author"], repair="lenient")
        steps = [Step(user(READ_AS.format(reason)))]
        if fine:
            return [*steps, replace(step, corrects=trouble["since"])], None
        return [*steps, step], _with(trouble, "schema")
    rung: Rung = "constrained" if held and trouble["rung"] is None else "schema"
    shown = _shown(trouble, tools) if rung == "schema" else ""
    return [Step(user(AGAIN.format(reason) + shown))], _with(trouble, rung)


def _since(reply: Reply, messages: Sequence[Message], trouble: Trouble | None) -> int | None:
    """The index of the first answer that this one replaces, if it replaces any."""
    stalled = reply.author.stalled if reply.author else None
    # From the end, and by value: what the model is shown of the history may be shorter than it.
    found = next((n for n in reversed(range(len(messages))) if messages[n] == stalled), None)
    known = [n for n in (found, trouble and trouble["since"]) if n is not None]
    return min(known, default=None)


def _trouble(
    reply: Reply,
    wrong: Sequence[ToolCall],
    tools: Sequence[Tool],
    since: int,
    before: Trouble | None,
) -> Trouble:
    bad = reply.malformed
    names = [tool.name for tool in tools]
    if bad:
        written = re.findall(r"\w+", bad.text)
        meant = [name for name in dict.fromkeys(written) if name in names][:1]
    else:
        meant = [call.name for call in wrong]
    known = set(meant) <= set(names)
    return {
        "since": since,
        "rung": before["rung"] if before and bad else None if bad else "schema",
        "meant": meant if known else [],
        "reason": (bad.reason or "it is no call") if bad else "",
        "mended": reply.mended,
        "author": _author(reply),
    }


def _author(reply: Reply) -> str:
    return reply.author.model if reply.author else ""


def _with(trouble: Trouble, rung: Rung) -> Trouble:
    return {**trouble, "rung": rung, "reason": ""}


def _corrects(called: Sequence[ToolCall], trouble: Trouble | None) -> bool:
    """Whether calls that can run are what was meant before."""
    if not trouble or not called:
        return False
    return not trouble["meant"] or any(call.name in trouble["meant"] for call in called)


def _shown(trouble: Trouble, tools: Sequence[Tool]) -> str:
    """How the tool that was meant is called, or which there are."""
    signatures = [tool.signature for tool in tools if tool.name in trouble["meant"]]
    if signatures:
        return f" Call {signatures[0]}."
    return f" The tools are {', '.join(tool.name for tool in tools)}."


def requires(model: Model) -> bool:
    """Whether a model can be held to a well-formed call; one on this machine always is."""
    while not hasattr(model, "requires") and hasattr(model, "inner"):
        model = cast("Any", model).inner
    return bool(getattr(model, "requires", False))
