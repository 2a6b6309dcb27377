"""An agent: a model, what it can do, and where it may do it."""

from dataclasses import dataclass, field

from agent.approval import Mode, needs_approval
from agent.model import Model
from tools.call import ToolCall
from tools.schema import ToolSchema
from tools.tool import Context, Effect, Tool, fault, schema


@dataclass
class Agent:
    """All that the graph works with. `model` and `mode` may be replaced between steps."""

    model: Model
    tools: tuple[Tool, ...]
    context: Context
    mode: Mode = "ask"
    granted: set[Effect] = field(default_factory=set[Effect])
    """What the user has said yes to for the whole session, whatever the mode."""

    @property
    def freedom(self) -> str:
        """The mode and what else was granted, for the user: `edits + run`."""
        return " + ".join((self.mode, *sorted(self.granted)))

    @property
    def schemas(self) -> list[ToolSchema]:
        """The tools as the model sees them."""
        return [schema(tool) for tool in self.tools]

    def must_ask(self, call: ToolCall) -> bool:
        """Whether the user has to say yes first; a call that cannot run only yields an error."""
        effects: dict[str, Effect] = {tool.name: tool.effect for tool in self.tools}
        effect = effects.get(call.name, "read")
        waits = effect not in self.granted and needs_approval(self.mode, effect)
        return waits and not fault(call, self.tools)
