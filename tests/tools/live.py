"""Calls of single tools on a sandbox that keeps its supervisor."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.bare import Bare
from sandbox.limits import Limits
from sandbox.supervised import Supervised
from tools.call import JSON, Observation, ToolCall
from tools.tool import Context, Tool, execute


@asynccontextmanager
async def live(folder: Path, limits: Limits) -> AsyncGenerator[Context]:
    """A context on an empty workspace, closed as a conversation closes it."""
    root = folder / "workspace"
    root.mkdir(parents=True)
    context = Context(Supervised(root, Bare(root, limits), limits), root)
    try:
        yield context
    finally:
        await context.memory.close()
        await context.sandbox.close()


async def use(context: Context, tool: Tool, **arguments: JSON) -> Observation:
    """Call a tool as a model does."""
    return await execute(ToolCall("1", tool.name, arguments), [tool], context)
