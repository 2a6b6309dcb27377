"""Calls of single tools in a sandbox that is closed as a conversation closes it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.backend import open_sandbox
from sandbox.limits import Limits
from tools.call import JSON, Observation, ToolCall
from tools.tool import Context, Tool, execute


@asynccontextmanager
async def live(folder: Path, limits: Limits) -> AsyncGenerator[Context]:
    """A context on an empty workspace, in the backend that is chosen here."""
    root = folder / "workspace"
    root.mkdir(parents=True)
    context = Context(await open_sandbox(root, limits=limits), root)
    try:
        yield context
    finally:
        await context.memory.close()
        await context.sandbox.close()


async def use(context: Context, tool: Tool, **arguments: JSON) -> Observation:
    """Call a tool as a model does."""
    return await execute(ToolCall("1", tool.name, arguments), [tool], context)
