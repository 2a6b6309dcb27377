"""The sections of the settings that are the command's own: what can be set, and what it is then."""

from dataclasses import dataclass
from typing import Literal

from agent.approval import Mode
from agent.router import When
from assistant.bounds import Unfit, check
from sandbox.choice import Choice
from sandbox.limits import Limits

Tools = Literal["auto", "compact", "full"]
"""`auto`: small local models get the few tools that they were trained on, all others everything."""


@dataclass(frozen=True)
class Chat:
    """Settings of `assistant chat`."""

    model: str = "student"
    mode: Mode = "ask"
    tools: Tools = "auto"


@dataclass(frozen=True)
class Sandbox(Limits):
    """What keeps commands from doing harm, and how much of the machine they may use."""

    backend: Literal["auto", "bubblewrap", "docker", "landlock"] = "auto"
    """`auto` is the first that works here. None at all is a flag of one session, no setting."""
    image: str = "python:3.11-slim"
    """Docker's: what commands run in."""
    runtime: str = ""
    """Docker's: `runsc` is gVisor; empty is the engine's own choice."""

    def __post_init__(self) -> None:
        """Refuse what no command could run with."""
        check(self)
        if not self.image.strip():
            raise Unfit("image must name an image of Docker's, not ''")

    @property
    def choice(self) -> Choice:
        """As backends are chosen."""
        return Choice("" if self.backend == "auto" else self.backend, self.image, self.runtime)


@dataclass(frozen=True)
class Network:
    """What of the network commands and `web_fetch` may reach."""

    allow: tuple[str, ...] = ()
    """Domains such as `docs.python.org`, `*.python.org` or `localhost:8080`; none is off."""


@dataclass(frozen=True)
class Web:
    """How the web is searched."""

    search: str = ""
    """`ddgs`, `brave` (with BRAVE_API_KEY), or the address of a SearXNG server; empty is off."""


@dataclass(frozen=True)
class Escalation:
    """Whether another model takes over where the student does not get on."""

    teacher: str = ""
    """A model, as for `chat`; empty: nobody takes over."""
    when: When = "ask"
    """By itself: `never`, after your yes (`ask`), or `always`. /escalate works in any case."""
    cost: float | None = 0.5
    """US dollars that it may spend in one session."""

    def __post_init__(self) -> None:
        """Refuse a cap that would hold nothing."""
        if self.cost is not None and not self.cost >= 0:
            raise Unfit(f"cost must be 0 or more, not {self.cost!r}")


@dataclass(frozen=True)
class Collect:
    """Settings of `assistant collect`."""

    teacher: str = "reference"
    jobs: int = 2
    cost: float = 1.0
    """US dollars that one run may spend."""
