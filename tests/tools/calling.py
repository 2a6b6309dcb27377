"""The type of the fixture `call`."""

from collections.abc import Awaitable, Callable

from tools.call import Observation

Call = Callable[..., Awaitable[Observation]]
