"""What tools keep from one call to the next within one conversation."""

from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Protocol, TypeVar, cast, runtime_checkable

_Kind = TypeVar("_Kind")


@runtime_checkable
class Closing(Protocol):
    """Something kept that holds what must be let go of, such as a process."""

    def close(self) -> Awaitable[None]:
        """Let go of it."""
        ...


class Memory(dict[type, object]):
    """Things by their class."""

    def of(self, kind: type[_Kind]) -> _Kind:
        """The one thing of this kind, made without arguments when it is first asked for."""
        if kind not in self:
            self[kind] = kind()
        return cast("_Kind", self[kind])

    async def close(self) -> None:
        """Let go of everything and forget it, at the end of the conversation."""
        async with AsyncExitStack() as stack:
            while self:
                _, kept = self.popitem()
                if isinstance(kept, Closing):
                    # One that fails keeps none of the others.
                    stack.push_async_callback(kept.close)
