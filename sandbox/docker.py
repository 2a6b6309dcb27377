"""The Docker backend: one hardened container a workspace, in an image of the user's choice.

Holds: no network, a read-only root, no capabilities, no new privileges, our filter of system
calls, limits on memory, processes and processors, and a user that is not root. The container's
first process is the supervisor and the attached streams are its channel: it ends with them, and
the container with it. Does not hold: whoever may talk to the engine is root on the machine; and
the size of a workspace that is the user's own folder is not limited.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.attached import Attached
from sandbox.container import HOME, OURS, PROXY, WORKDIR, Container, Plan
from sandbox.conversation import finished
from sandbox.interpreter import GRAMMARS, LENT
from sandbox.launch import Channel
from sandbox.network import RELAY_PORT
from sandbox.protected import forget_common_directory


@dataclass
class Docker:
    """Starts the supervisor as the first process of a container."""

    plan: Plan
    name: str = "docker"
    workdir: str = WORKDIR
    base: str = "python3"
    lent: str = OURS
    grammars: str = GRAMMARS
    python: str = field(init=False, default="")
    environment: Mapping[str, str] = field(init=False, default_factory=dict[str, str])
    settings: Mapping[str, object] = field(init=False, default_factory=dict[str, object])

    def __post_init__(self) -> None:
        """The interpreter is the image's own; a virtual environment's would not run in it."""
        self.python = self.plan.image.python
        self.environment = _environment(self.plan)
        self.settings = {
            "reap": "namespace",
            "watch_memory_mb": 0,
            "rlimits": {"fsize": self.plan.limits.file_mb * 2**20},
            "watch_disk": self.plan.stage is None,
            "proxy": "" if self.plan.proxy is None else PROXY,
        }

    async def start(self) -> Channel:
        """Start a fresh container; see `sandbox.launch.Launch.start`.

        Raises:
            SandboxBroken: the engine did not start it.
            SandboxUnavailable: there is no engine any more, or no image.
        """
        container = Container(self.plan)
        starting = asyncio.ensure_future(asyncio.to_thread(container.start))
        try:
            attached = await Attached.of(await asyncio.shield(starting))
        except asyncio.CancelledError:
            connection = await finished(starting)
            connection.close()
            await finished(asyncio.to_thread(container.remove))
            raise

        async def end() -> None:
            # The other way round the engine waits for us to read.
            await attached.close()
            await asyncio.to_thread(container.remove)
            settle()

        def settle() -> None:
            forget_common_directory(self.plan.root)

        return Channel(
            attached.reader, attached.writer, end, container.out_of_memory, settle, attached.said
        )


def _environment(plan: Plan) -> dict[str, str]:
    proxy = f"http://127.0.0.1:{RELAY_PORT}"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    return {
        # An image's own pytest comes before ours.
        "PATH": f"{plan.image.path}:/opt/bin",
        "HOME": HOME,
        "USER": "sandbox",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **({} if plan.image.pytest else {"PYTHONPATH": LENT}),
        **({} if plan.proxy is None else dict.fromkeys(names, proxy)),
    }
