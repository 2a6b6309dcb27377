"""When a tool call waits for the user's yes."""

from typing import Literal

from tools.tool import Effect

Mode = Literal["ask", "edits", "auto"]
"""`ask`: all but reading waits. `edits`: so do commands and the network. `auto`: nothing waits."""

DENIED = "The user did not allow this: {}"
"""What the model is told of a no, with the reason."""

_WAITING: dict[Mode, frozenset[Effect]] = {
    "ask": frozenset({"write", "run", "net"}),
    "edits": frozenset({"run", "net"}),
    "auto": frozenset(),
}


def needs_approval(mode: Mode, effect: Effect) -> bool:
    """Whether a call with this effect must be asked for; reading never is."""
    return effect in _WAITING[mode]
