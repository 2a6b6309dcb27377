"""The bubblewrap backend: the supervisor is pid 1 of namespaces of its own.

Holds: no network but the proxy's socket, no files but the system (read-only) and the workspace, no
environment but what is given, no capabilities, limits on memory, processes, processors and file
size, and a filter of system calls. Started by root it runs as somebody else, where the file system
of the workspace can show its files under other owners. Does not hold: where the workspace is the
user's own folder its size is watched and not limited (`sandbox.disk`).
"""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from sandbox import mounts
from sandbox.cgroup import Cgroup, Controllers
from sandbox.interpreter import GRAMMARS, Interpreter
from sandbox.launch import Channel, supervisor
from sandbox.limits import Limits
from sandbox.network import Network
from sandbox.protected import parts
from sandbox.running import Running, in_memory
from sandbox.sandbox import SandboxBroken
from sandbox.seccomp import program
from sandbox.warden.client import Denied, warden

_RULES = 3
"""The descriptor of the filter, behind the channel and bubblewrap's complaints."""


@dataclass
class Bubblewrap:
    """Has the warden start `bwrap`, and in it the supervisor."""

    root: Path
    interpreter: Interpreter
    limits: Limits
    program: str
    """Path of `bwrap`."""
    controllers: Controllers
    ripgrep: Path | None = None
    readonly: tuple[Path, ...] = ()
    network: Network | None = None
    """What of it may be reached; None is nothing."""
    stage: int | None = None
    """The warden's number for a copy-on-write workspace."""
    name: str = "bubblewrap"
    workdir: str = mounts.WORKDIR
    lent: str = mounts.LENT
    grammars: str = GRAMMARS
    python: str = field(init=False)
    base: str = field(init=False)
    environment: Mapping[str, str] = field(init=False)
    settings: Mapping[str, object] = field(init=False)

    def __post_init__(self) -> None:
        """What never changes between two starts is put together once.

        Raises:
            SandboxUnavailable: the workspace cannot be protected.
        """
        parts(self.root, self.readonly)
        self.python = self.interpreter.python
        self.base = self.interpreter.supervisor
        self.environment = self._environment()
        self.settings = self._settings()

    async def start(self) -> Channel:
        """Start a fresh supervisor; see `sandbox.launch.Launch.start`.

        Raises:
            SandboxBroken: bubblewrap could not be started.
            SandboxUnavailable: the workspace cannot be protected.
        """
        ours, theirs = socket.socketpair()
        rules, said = in_memory(program()), os.memfd_create("bubblewrap")
        group = self.controllers.group(self.limits)
        try:
            pid, gone = self._launch(group, (theirs.fileno(), theirs.fileno(), said, rules))
        except BaseException as error:
            ours.close()
            os.close(said)
            if isinstance(error, Denied):
                raise SandboxBroken(f"bubblewrap could not be started: {error}.") from error
            raise
        finally:
            theirs.close()
            os.close(rules)
        reader, writer = await asyncio.open_connection(sock=ours)
        running = Running(pid, gone, said, group)

        async def end() -> None:
            writer.close()
            await running.end()

        return Channel(reader, writer, end, group.out_of_memory, complaint=running.complaint)

    def command_line(self, place: str) -> tuple[list[str], list[tuple[str, str]]]:
        """The whole command line, and what of the workspace it takes from below `place`."""
        bound, shows = mounts.workspace(self.root, self.readonly, place)
        machine = [
            *mounts.system(self.limits.memory_mb),
            *mounts.programs(self.ripgrep),
            *self.interpreter.mounts,
        ]
        if self.network:
            machine += ["--ro-bind", str(self.network.socket), mounts.PROXY]
        line = [
            *("--ro-bind", self.program), *_gathered(machine, place), *bound, "--remount-ro", "/",
            "--clearenv", "--chdir", "/", "--seccomp", str(_RULES), "--",
            *supervisor(self.interpreter.supervisor, self.lent),
        ]  # fmt: skip
        return _reachable(line, place)[1:], shows

    def _launch(self, group: Cgroup, given: tuple[int, ...]) -> tuple[int, int]:
        """Have bubblewrap started: its pid, and a pidfd."""
        facts, _ = warden().ask("facts")
        place = cast("dict[str, str]", facts)["place"]
        line, shows = self.command_line(place)
        workspace = str(self.root) if self.stage is None else self.stage
        pid, (gone,) = warden().ask("launch", line, workspace, shows, group.files, given=given)
        return cast("int", pid), gone

    def _environment(self) -> dict[str, str]:
        """What every command finds in its environment."""
        return {
            "PATH": f"{self.interpreter.folder}:/opt/bin:/usr/local/bin:/usr/bin:/bin",
            "HOME": mounts.HOME,
            "USER": "sandbox",
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",  # noqa: S108
            "TERM": "dumb",
            "NO_COLOR": "1",
            # The same code on the same input shows the same output, and leaves no caches behind.
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict(self.interpreter.env),
            **(self.network.environment if self.network else {}),
        }

    def _settings(self) -> dict[str, object]:
        """What the supervisor is told: it watches over what no cgroup limits."""
        limits = self.limits
        rlimits = {"core": 0, "nofile": 4096, "fsize": limits.file_mb * 2**20}
        if self.controllers.pids is None:
            rlimits["nproc"] = limits.processes
        return {
            "watch_memory_mb": 0 if self.controllers.memory else limits.memory_mb,
            "watch_disk": self.stage is None,
            "rlimits": rlimits,
            "reap": "namespace",
            "landlock": False,
            "proxy": mounts.PROXY if self.network else "",
        }


def _gathered(arguments: list[str], place: str) -> list[str]:
    """The same, with all of /opt as one mount: bubblewrap takes its time for each."""
    if not place:
        return arguments
    entries: list[tuple[str, str, bool]] = []
    rest: list[str] = []
    at = 0
    while at < len(arguments):
        option, source, inside = (*arguments[at : at + 3], "", "")[:3]
        if option in ("--ro-bind", "--symlink") and inside.startswith("/opt/"):
            entries.append((inside.removeprefix("/opt/"), source, option == "--symlink"))
            at += 3
        else:
            rest.append(option)
            at += 1
    folder, _ = warden().ask("gather", entries)
    return [*rest, "--ro-bind", cast("str", folder), "/opt"]


def _reachable(arguments: Sequence[str], place: str) -> list[str]:
    """The same, with sources that whoever runs bubblewrap can open."""
    taken = [
        number
        for number, (option, source) in enumerate(zip(("", *arguments), arguments, strict=False))
        if option in ("--bind", "--ro-bind")
        and not (place and source.startswith(f"{place}/"))
        and source.split("/")[1] not in mounts.SHARED
    ]
    kept, _ = warden().ask("keep", [arguments[number] for number in taken])
    result = list(arguments)
    for number, path in zip(taken, cast("list[str]", kept), strict=True):
        result[number] = path
    return result
