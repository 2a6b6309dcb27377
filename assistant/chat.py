"""What a line that was entered leads to: a turn of the conversation, or a slash command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.model import Event, ModelError
from assistant.config import Config
from assistant.consent import asked, consent
from assistant.pictures import named
from assistant.prompt import Prompt
from assistant.render import Renderer
from assistant.session import Session
from assistant.slash import Desk, obey
from assistant.stops import ended_early
from assistant.style import Look, Style
from assistant.terms import Terms
from assistant.untrusted import neutral
from sandbox.refused import Refused
from sandbox.sandbox import SandboxBroken
from tools.call import Observation, ToolCall


@dataclass
class Chat:
    """A session at a prompt."""

    session: Session
    prompt: Prompt
    style: Style
    renderer: Renderer

    @staticmethod
    async def open(
        config: Config, terms: Terms, prompt: Prompt, style: Style, resume: bool
    ) -> "Chat":
        """Open the session behind a prompt.

        Raises:
            Refused: no sandbox, no such model, or a home that cannot be used.
        """
        renderer = Renderer(prompt.print, style)

        def show(event: Event | Observation) -> None:
            renderer(event)
            prompt.redraw()

        def say(line: str) -> None:
            prompt.print(style(prompt.folded(neutral(line)), "dim") + "\n")

        async def ask(question: str, options: Sequence[str]) -> str:
            return await asked(question, options, prompt, style)

        session = await Session.open(config, terms, show, say, resume, ask)
        return Chat(session, prompt, style, renderer)

    async def work(self, text: str) -> None:
        """Do what was entered, to its end; what goes wrong is shown."""
        try:
            if text.startswith("/"):
                await obey(Desk(self.session, self.prompt, self.style), text)
            else:
                await self._ask(text)
        except (Refused, ModelError, SandboxBroken) as error:
            self.renderer.end()
            self._line(str(error), "red")
        finally:
            self.renderer.end()

    @property
    def tail(self) -> str:
        """What is going on in the turn and not printed yet."""
        return self.renderer.tail

    @property
    def status(self) -> str:
        """Model, sandbox, mode, tokens, how much of the last prompt was reused, and cost."""
        usage, agent = self.renderer.usage, self.session.agent
        cost = "no price known" if usage.cost is None else f"${usage.cost:.2f}"
        tokens = f"{usage.input + usage.output:,} tokens"
        if self.renderer.last.input:
            tokens += f" · prefix {self.renderer.last.reused:.0%}"
        terms = self.session.escalation
        if terms and terms.budget.spent and usage.cost is None:
            # The sum is not known, but what was spent on the teacher is.
            cost = f"{terms.teacher} ${terms.budget.spent:.2f}"
        place = f"{self.session.ground.label} · {agent.freedom}"
        return neutral(f"{self.session.label} · {place} · {tokens} · {cost}")

    async def _ask(self, text: str) -> None:
        images = named(text, self.session.ground.terms.root)
        if images:
            self._line(f"with {', '.join(images)}", "dim")
        stop = await self.session.ask(text, self._decide, list(images.values()))
        self.renderer.end()
        if stop != "end":
            self._line(ended_early(stop), "yellow")
        if news := await self.session.follow():
            self._line(news, "green")

    async def _decide(self, waiting: Sequence[ToolCall]) -> Mapping[str, str]:
        return await consent(waiting, self.session.agent, self.prompt, self.style)

    def _line(self, line: str, look: Look) -> None:
        self.prompt.print(self.style(self.prompt.folded(neutral(line)), look) + "\n")
