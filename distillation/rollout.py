"""One run of the agent on one task, from a fresh workspace to a verdict."""

import asyncio
from collections.abc import Awaitable, Callable

from agent.agent import Agent
from agent.conversation import Conversation, begin
from agent.episode import Episode
from agent.limits import EpisodeLimits
from agent.model import Model, ModelError
from agent.store import Store
from agent.task import Task
from sandbox.backend import copies, open_sandbox
from sandbox.check import Verdict
from sandbox.choice import AUTO, Choice
from sandbox.refused import Refused
from sandbox.sandbox import SandboxBroken
from sandbox.verify import verify
from sandbox.workspace import Workspace, copy_of
from tools.registry import default_tools
from tools.tool import Context

Rollout = Callable[[Task, Model, Store, EpisodeLimits], Awaitable[Episode]]
"""One run, from a task to an episode that has ended."""


async def rollout(
    task: Task,
    model: Model,
    store: Store,
    limits: EpisodeLimits,
    choice: Choice = AUTO,
    runs: int = 2,
) -> Episode:
    """Run `model` on `task` in a fresh sandboxed workspace, record it, and judge the result.

    `choice`: of the sandbox, for the agent and for the check. `runs`: times that a check runs; what
    passes once and fails once teaches nothing. The verdict is `unknown` then, and where the sandbox
    broke. There is none at all where the model never got to finish: it could not answer (`stop`
    begins with `error:`) or money ran out (`budget`).

    Raises:
        Refused: this machine has no sandbox, or no room for a workspace.
    """
    start = task.files | task.check.protected
    try:
        plain = not await copies(choice)
        workspace = await asyncio.to_thread(copy_of, start, plain=plain)
    except OSError as error:
        raise Refused(
            f"No workspace for {task.id} can be made ({error.strerror}): free disk space."
        ) from error
    try:
        conversation, stop, verdict = await _played(task, model, store, limits, choice, workspace)
        if verdict is None and not stop.startswith(("error:", "budget")):
            verdict = await verify(task.check, workspace.root, start, runs=runs, choice=choice)
        return conversation.close(stop, await asyncio.to_thread(workspace.diff), verdict)
    finally:
        await asyncio.to_thread(workspace.close)


async def _played(
    task: Task,
    model: Model,
    store: Store,
    limits: EpisodeLimits,
    choice: Choice,
    workspace: Workspace,
) -> tuple[Conversation, str, Verdict | None]:
    """The conversation, why it stopped, and a verdict where there can be no better one."""
    tools = default_tools()
    sandbox = await open_sandbox(workspace.root, backend=choice)
    try:
        agent = Agent(model, tools, Context(sandbox, workspace.root), mode="auto")
        conversation = Conversation(agent, store, begin(agent, store, task), limits=limits)
        try:
            return conversation, await conversation.ask(task.prompt), None
        except ModelError as error:
            return conversation, f"error: {error}", None
        except SandboxBroken as error:
            return conversation, "sandbox broken", Verdict("unknown", (str(error),))
    finally:
        await sandbox.close()
