"""What a turn looks like: answers as they stream, a line a tool call, diffs in colour."""

import json
import re
from collections.abc import Callable

from agent.model import Event, Malformed, Notice, Stop, Text, Thinking, Usage
from assistant.markdown import Markdown
from assistant.style import Style
from assistant.untrusted import neutral
from tools.call import JSON, Observation, ToolCall

# The argument that says best what a call is about.
_TELLING = ("path", "command", "pattern", "query", "name", "url", "code", "question", "job")
# These say in their first line how it went; of all others that is the last one of a command.
_FIRST = ("start_job", "read_job", "stop_job", "run_tests")
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
        """Of all requests."""
        self.last = Usage()
        """Of the last one."""
        self._answered = False
        """Whether the last request has come to its end."""

    @property
    def tail(self) -> str:
        """What is going on and not printed yet: the line being written, or the call that runs."""
        if self._partial:
            return neutral(self._partial)
        return "".join(f"… {headline(call)}" for call in list(self._open.values())[:1])

    def __call__(self, event: Event | Observation) -> None:
        """Show an event."""
        match event:
            case Text(text) | Thinking(text):
                self._stream(text, thinking=isinstance(event, Thinking))
            case ToolCall():
                self._flush()
                self._open[event.id] = event
            case Observation():
                self._observed(event)
            case Malformed():
                self._misspelt(event)
            case Notice():
                self._warn(event.text)
            case Usage():
                self._used(event)
            case Stop():
                self._flush()
                self._answered = True
            case _:
                pass  # Meant for the record alone.

    def end(self) -> None:
        """The turn is over: print what was left, forget what was open."""
        self._flush()
        self._answered = True
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

    def _misspelt(self, bad: Malformed) -> None:
        done = "read as it was meant" if bad.calls else "asking again"
        self._warn(f"a tool call that is not well-formed; {done}")
        self._open.update({call.id: call for call in bad.calls})

    def _warn(self, text: str) -> None:
        self._flush()
        self._line(self._style(neutral(text), "yellow"))

    def _used(self, usage: Usage) -> None:
        self.usage += usage
        # A request may tell in several pieces.
        self.last = usage if self._answered else self.last + usage
        self._answered = False

    def _observed(self, observation: Observation) -> None:
        call = self._open.pop(observation.call_id, None)
        if observation.final:
            return  # The answer itself comes next.
        mark = self._style("✓", "green") if _well(observation) else self._style("✗", "red")
        what = headline(call) if call else observation.name
        self._line(f"{mark} {what} {self._style('· ' + summary(observation), 'dim')}")

    def _line(self, line: str) -> None:
        self._aside(line + "\n")


def headline(call: ToolCall) -> str:
    """The call in a line: its name and what it is about."""
    if isinstance(edits := call.arguments.get("edits"), list):
        paths = [str(edit.get("path", "")) for edit in edits if isinstance(edit, dict)]
        telling: JSON = ", ".join(dict.fromkeys(paths))
    else:
        # An argument that was left empty tells nothing: of a search for a name in all files, "".
        given = (call.arguments.get(key) for key in _TELLING)
        telling = next((value for value in given if value not in (None, "", ".")), "")
    return neutral(f"{call.name} {_one_line(telling)}".strip())


def summary(observation: Observation, most: int = 100) -> str:
    """What came of a call, in a few words; a failure in a whole sentence."""
    most = most if observation.ok else 3 * most
    lines = [line for line in observation.text.splitlines() if line.strip()]
    if observation.ok and observation.name == "plan":
        return neutral(_one_line(_under_way(lines), most))
    status = lines.pop() if _status(observation) else ""
    first = observation.name in _FIRST
    if observation.ok and not status and not first and len(lines) > 1:
        return f"{len(lines)} lines"
    # Refused connections were told when they happened.
    while status and lines and lines[-1].startswith("[No connection"):
        lines.pop()
    # The last line of a command's output says how it went; the first line of an error does.
    said = (lines[-1] if status and not first else lines[0]).strip() if lines else ""
    # How to see what was cut is said for the model.
    how, cut, _ = status.strip("[]").partition("; to see what was cut")
    parts = (how + ", output cut" if cut else how, said)
    return neutral(_one_line(" · ".join(part for part in parts if part), most))


def _under_way(plan: list[str]) -> str:
    """Where a plan stands."""
    done = sum(line.startswith("[x]") for line in plan)
    step = next((line for line in plan if line.startswith("[>]")), "").partition(". ")[2]
    return f"{done} of {len(plan)} done" + (f", now: {step}" if step else "")


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
