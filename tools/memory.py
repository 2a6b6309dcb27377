"""What tools keep from one call to the next within one conversation."""

from collections.abc import Awaitable
from typing import Protocol, TypeVar, runtime_checkable

_Kind = TypeVar("_Kind")


@runtime_checkable
class Closing(Protocol):
    """Something kept that holds what must be let go of, such as a process."""

    def close(self) -> Awaitable[None]:
        """Let go of it."""
        ...


class Memory(dict[str, object]):
    """Things by name; those of tools by the name of their class."""

    def of(self, kind: type[_Kind]) -> _Kind:
        """The one thing of this kind, made without arguments when it is first asked for."""
        if kind.__name__ not in self:
            self[kind.__name__] = kind()
        kept = self[kind.__name__]
        if not isinstance(kept, kind):
            raise TypeError(f"{kind.__name__} is the name of two kinds.")
        return kept

    async def close(self) -> None:
        """Let go of everything and forget it, at the end of the conversation."""
        while self:
            _, kept = self.popitem()
            if isinstance(kept, Closing):
                await kept.close()
