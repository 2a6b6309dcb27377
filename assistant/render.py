"""What a turn looks like: answers as they stream, a line a tool call, diffs in colour."""

import json
import re
from collections.abc import Callable

from agent.model import Event, Malformed, Stop, Text, Thinking, Usage
from assistant.markdown import Markdown
from assistant.style import Style
from assistant.untrusted import neutral
from tools.call import JSON, Observation, ToolCall

# The argument that says best what a call is about.
_TELLING = ("path", "command", "pattern", "query", "code", "question", "job")
# The last line of what runs something; other tools put other notes in brackets.
_ENDED = re.compile(r"\[(exit code|killed|stopped|the interpreter has ended).*\]")


class Renderer:
    """Turns events into whole lines for `write`; what is not a whole line yet is `tail`."""

    def __init__(
        self,
        write: Callable[[str], object],
        style: Style,
        aside: Callable[[str], object] | None = None,
    ) -> None:
        """Both take text that ends in a newline; `aside` all that is not the answer itself."""
        self._write = write
        self._aside = aside or write
        self._style = style
        self._markdown = Markdown(style)
        self._partial = ""
        self._thinking = False
        self._open: dict[str, ToolCall] = {}
        self.usage = Usage()

    @property
    def tail(self) -> str:
        """What is going on and not printed yet: the line being written, or the call that runs."""
        if self._partial:
            return neutral(self._partial)
        return "".join(f"… {headline(call)}" for call in list(self._open.values())[:1])

    def __call__(self, event: Event | Observation) -> None:
        """Show an event."""
        match event:
            case Text(text):
                self._stream(text, thinking=False)
            case Thinking(text):
                self._stream(text, thinking=True)
            case ToolCall():
                self._flush()
                self._open[event.id] = event
            case Observation():
                self._observed(event)
            case Malformed():
                self._flush()
                self._line(self._style("a tool call that cannot be read; asking again", "yellow"))
            case Usage():
                self.usage += event
            case Stop():
                self._flush()

    def end(self) -> None:
        """The turn is over: print what was left, forget what was open."""
        self._flush()
        self._open.clear()
        self._markdown = Markdown(self._style)

    def _stream(self, text: str, *, thinking: bool) -> None:
        if thinking != self._thinking:
            self._flush()
            self._thinking = thinking
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            if thinking:
                self._line(self._style(neutral(line), "dim"))
            else:
                self._write(self._markdown.line(neutral(line)) + "\n")

    def _flush(self) -> None:
        if self._partial:
            self._stream("\n", thinking=self._thinking)

    def _observed(self, observation: Observation) -> None:
        call = self._open.pop(observation.call_id, None)
        mark = self._style("✓", "green") if _well(observation) else self._style("✗", "red")
        what = headline(call) if call else observation.name
        self._line(f"{mark} {what} {self._style('· ' + summary(observation), 'dim')}")

    def _line(self, line: str) -> None:
        self._aside(line + "\n")


def headline(call: ToolCall) -> str:
    """The call in a line: its name and what it is about."""
    telling = next((call.arguments[key] for key in _TELLING if key in call.arguments), None)
    text = _one_line(telling) if telling is not None else ""
    return neutral(f"{call.name} {text}".strip())


def summary(observation: Observation, most: int = 100) -> str:
    """What came of a call, in a few words."""
    lines = [line for line in observation.text.splitlines() if line.strip()]
    status = lines.pop() if _status(observation) else ""
    if observation.ok and not status and len(lines) > 1:
        return f"{len(lines)} lines"
    # The last line of a command's output says how it went; the first line of an error does.
    said = (lines[-1] if status else lines[0]).strip() if lines else ""
    return neutral(_one_line(" · ".join(part for part in (status.strip("[]"), said) if part), most))


def _status(observation: Observation) -> str:
    """How a command ended, in the brackets of its last line; empty for other tools."""
    last = observation.text.rstrip().rpartition("\n")[2]
    return last if _ENDED.fullmatch(last) else ""


def _well(observation: Observation) -> bool:
    # A cut output is no failure: its status goes on after the code.
    return observation.ok and _status(observation).split(";")[0].rstrip("]") in ("", "[exit code 0")


def _one_line(value: JSON, most: int = 80) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    first, *rest = text.strip().splitlines() or [""]
    return first[:most] + "…" if rest or len(first) > most else first


def diff(text: str, style: Style, most: int = 1000) -> str:
    """A unified diff in colour, ending in a newline; a long one is cut, and says so."""
    lines = text.splitlines()
    painted = [_painted(neutral(line), style) for line in lines[:most]]
    if len(lines) > most:
        painted.append(style(f"… and {len(lines) - most} lines more", "yellow"))
    return "".join(line + "\n" for line in painted)


def _painted(line: str, style: Style) -> str:
    if line.startswith(("+++", "---")):
        return style(line, "bold")
    if line.startswith("+"):
        return style(line, "green")
    if line.startswith("-"):
        return style(line, "red")
    return style(line, "cyan") if line.startswith("@@") else line
