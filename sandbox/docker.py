"""The Docker backend: one hardened container a workspace, in an image of the user's choice.

Holds: no network, a read-only root, no capabilities, no new privileges, our filter of system
calls, limits on memory, processes and processors, and a user that is not root. The container's
first process is the supervisor and the attached streams are its channel: it ends with them, and
the container with it. Does not hold: whoever may talk to the engine is root on the machine; and
where the workspace is the user's own folder its size is watched and not limited (`sandbox.disk`).
"""

import asyncio
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox.attached import Attached
from sandbox.choice import Choice
from sandbox.container import HOME, OURS, PROXY, WORKDIR, Container, Plan
from sandbox.conversation import finished
from sandbox.image import Image, inspect
from sandbox.interpreter import GRAMMARS, LENT
from sandbox.launch import Channel
from sandbox.limits import Limits
from sandbox.sandbox import SandboxBroken, SandboxUnavailable
from sandbox.supervised import Supervised
from sandbox.temporary import scratch


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
            "proxy": PROXY if self.plan.network else "",
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

        return Channel(
            attached.reader, attached.writer, end, container.out_of_memory, complaint=attached.said
        )


_proven: dict[Choice, Image] = {}
"""What is known of those whose canary lived in this process."""
_CANARY = """
import importlib.util, sys
open("canary", "x").write("alive")
print(sys.executable, importlib.util.find_spec("pytest") is not None)
"""


async def proven(choice: Choice) -> Image:
    """Run one command in a container of the image, once; what is known of it then.

    Raises:
        SandboxUnavailable: it does not work; a sentence to show.
    """
    try:
        if choice not in _proven:
            image = await asyncio.to_thread(inspect, choice)
            _proven[choice] = await _tried(choice, image)
    except SandboxBroken as error:
        reason = " ".join(str(error).split())
        if "executable file not found" in reason:
            raise SandboxUnavailable(
                f"No sandbox: the image {choice.image} has no python3; choose one that has."
            ) from error
        raise SandboxUnavailable(
            f"No sandbox: Docker does not work here ({reason.rstrip('.')}); "
            f"make `{_trial(choice)}` work."
        ) from error
    return _proven[choice]


def _trial(choice: Choice) -> str:
    """What a person can try to see whether the engine works."""
    runtime = ["--runtime", choice.runtime] if choice.runtime else []
    return shlex.join(["docker", "run", "--rm", *runtime, choice.image, "python3", "-V"])


def known(choice: Choice) -> Image:
    """What `proven` found.

    Raises:
        SandboxUnavailable: it was not asked.
    """
    if choice not in _proven:
        raise SandboxUnavailable(f"No sandbox: the image {choice.image} was not tried before.")
    return _proven[choice]


async def _tried(choice: Choice, image: Image) -> Image:
    with scratch() as folder:
        limits = Limits(seconds=20)
        sandbox = Supervised(folder, Docker(Plan(folder, choice, image, limits)), limits)
        try:
            # An image that has pytest must not be asked about ours.
            completed = await sandbox.run(["python3", "-c", _CANARY], env={"PYTHONPATH": ""})
        finally:
            await sandbox.close()
        python, _, pytest = completed.stdout.strip().rpartition(" ")
        if not completed.ok or not python:
            raise SandboxBroken(completed.stderr or f"exit code {completed.exit_code}")
        if not Path(folder, "canary").exists():
            raise SandboxUnavailable(
                "No sandbox: Docker's engine does not see the files of this machine; "
                "use one that runs here."
            )
    return replace(image, python=python, pytest=pytest == "True")


def _environment(plan: Plan) -> dict[str, str]:
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
        **(plan.network.environment if plan.network else {}),
    }
