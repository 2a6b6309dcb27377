"""Money of one request: what it may cost, and what it did, booked as soon as that is known."""

from collections.abc import Callable
from dataclasses import replace

from agent.model import Event, ModelError, Text, Thinking, Usage

_BYTES = 4
"""Of a request or an answer for one token, roughly: for what a provider has not told (yet)."""
_FEWEST = 16
"""Tokens: a shorter answer is none, and OpenAI refuses the limit."""


Price = Callable[[Usage], float | None]
"""US dollars for tokens; None where no price is known."""


def affordable(name: str, most: int, cap: float, sent: int, price: Price) -> int:
    """How long an answer may be, in tokens, so that its request costs no more than a cap.

    Args:
        name: of the model, for people.
        most: tokens that it may have in any case.
        cap: US dollars.
        sent: bytes of the prompt, of which the tokens are estimated; none count as cached.
        price: of the model.

    Raises:
        ModelError: no answer can be afforded, or no price is known.
    """
    prompt, whole = price(Usage(sent // _BYTES)), price(Usage(sent // _BYTES, most))
    if prompt is None or whole is None:
        raise ModelError(
            f"No price is known for {name}, so models.call_cost cannot be held: leave it out."
        )
    fits = int(most * (cap - prompt) / (whole - prompt)) if whole > prompt else most
    if fits < _FEWEST:
        raise ModelError(
            f"A request to {name} would cost ${prompt:.4f} or more, and models.call_cost allows "
            f"${cap:.4f}: raise it, or start a new conversation."
        )
    return min(most, fits)


class Meter:
    """Of one response. Each booking is what came since the one before, so that they add up."""

    def __init__(self, sent: int, price: Price) -> None:
        """`sent`: bytes of the request."""
        self._sent = sent
        self._price = price
        self._said = 0
        self._pieces = 0
        self._booked = Usage()

    def heard(self, event: Event) -> None:
        """Count what the model has said."""
        if isinstance(event, Text | Thinking):
            self._said += len(event.text.encode())

    def piece(self) -> None:
        """Count an event of the stream: about a token at least, of whatever it is one."""
        self._pieces += 1

    def opened(self) -> Usage:
        """The response has begun: the prompt will be paid for, whatever comes."""
        return self.told(self._priced(Usage(self._sent // _BYTES)))

    def told(self, total: Usage) -> Usage:
        """What the provider has told so far, with its price."""
        new, self._booked = total - self._booked, total
        return new

    def cut(self, total: Usage) -> Usage:
        """The response broke: what `total`, which was told, lacks is estimated."""
        said = max(self._said // _BYTES, self._pieces)
        prompt = 0 if total.input else self._sent // _BYTES
        return self.told(total + self._priced(Usage(prompt, max(said - total.output, 0))))

    def _priced(self, usage: Usage) -> Usage:
        return replace(usage, cost=self._price(usage))
