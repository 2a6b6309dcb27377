"""The user's yes: shows what a call would do and asks for it, one call after the other."""

from collections.abc import Mapping, Sequence

from agent.agent import Agent
from assistant.prompt import Prompt
from assistant.render import diff, headline
from assistant.style import Style
from assistant.untrusted import neutral
from tools.call import ToolCall
from tools.preview import preview
from tools.tool import Effect

KEYS = "y yes · n no · a always in this session"
WHY = "why not? (Enter for no reason)"


async def consent(
    waiting: Sequence[ToolCall], agent: Agent, prompt: Prompt, style: Style
) -> Mapping[str, str]:
    """Ask for each call; the reasons for those that are denied, by call id.

    `a` also widens what the agent may do: for a change all changes, for a command those and all
    commands, for what leaves the machine only that.
    """
    denied: dict[str, str] = {}
    for call in waiting:
        # A yes to all may have come with the call before.
        if agent.must_ask(call):
            reason = await _ask(call, agent, prompt, style)
            if reason:
                denied[call.id] = reason
    return denied


async def _ask(call: ToolCall, agent: Agent, prompt: Prompt, style: Style) -> str:
    prompt.print(_shown(call, agent, style))
    key, reason = await prompt.choose(f"{headline(call)}? {KEYS}", "yna", {"n": WHY})
    if key == "n":
        return reason or "no reason given"
    if key == "a":
        prompt.print(style(_widened(call, agent), "dim") + "\n")
    return ""


def _shown(call: ToolCall, agent: Agent, style: Style) -> str:
    shown = preview(call, agent.tools, agent.context.root) or headline(call)
    if _effect(call, agent) == "write":
        return diff(shown, style)
    # Code, addresses and the like are no lines for a shell.
    mark = style("$" if "command" in call.arguments else "→", "dim")
    return "".join(f"{mark} {neutral(line)}\n" for line in shown.splitlines())


def _widened(call: ToolCall, agent: Agent) -> str:
    """Ask no more for calls like this one; the line that says so."""
    effect = _effect(call, agent)
    if effect != "net":
        # A command can make any change, but a search would tell strangers what is in the files.
        agent.mode = "edits"
    if effect != "write":
        agent.granted.add(effect)
    return f"mode: {agent.freedom} (/mode ask takes it back)"


def _effect(call: ToolCall, agent: Agent) -> Effect:
    return next(tool.effect for tool in agent.tools if tool.name == call.name)


async def asked(question: str, options: Sequence[str], prompt: Prompt, style: Style) -> str:
    """The user's answer to the agent's question: one of the options, or a line of their own."""
    lines = [f"{number} {neutral(option)}" for number, option in enumerate(options[:9], 1)]
    prompt.print("".join(f"{line}\n" for line in (style(neutral(question), "bold"), *lines)))
    keys = "".join(str(number + 1) for number in range(len(lines)))
    numbers = "1 " if len(lines) == 1 else f"1-{len(lines)} " if lines else ""
    key, text = await prompt.choose(f"{numbers}or o: your own answer", f"{keys}o", {"o": "answer:"})
    return text if key == "o" else options[int(key) - 1]
