"""One container from its making to its removal. Blocking: to be called in a thread."""

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sandbox import owner
from sandbox.attached import attach
from sandbox.choice import Choice
from sandbox.image import Image, connected, engine_socket
from sandbox.interpreter import GRAMMARS, LENT, grammars, lent, ripgrep
from sandbox.launch import supervisor
from sandbox.limits import Limits
from sandbox.network import Network
from sandbox.protected import EMPTY, Part, parts
from sandbox.sandbox import SandboxBroken
from sandbox.seccomp import profile
from sandbox.warden.client import Denied, forget, guard, warden
from sandbox.warden.place import SHOWN

if TYPE_CHECKING:
    from docker import APIClient
    from docker.types import Mount

WORKDIR, HOME, PROXY, OURS = "/workspace", "/home/sandbox", "/run/proxy.sock", "/opt/sandbox/lent"
_HERE = Path(__file__).parent / "lent"
_ROOM_MB = 32
"""For the supervisor itself."""
_PROCESSES = 2
"""The supervisor and its relay."""
_GONE = 20
"""Seconds that a removed container may take to be gone."""


@dataclass(frozen=True)
class Plan:
    """What a container is made from."""

    root: Path
    choice: Choice
    image: Image
    limits: Limits
    readonly: tuple[Path, ...] = ()
    network: Network | None = None
    """What of it may be reached, by its proxy's unix socket."""
    stage: int | None = None
    """The warden's number of a copy-on-write workspace."""


@dataclass
class Container:
    """A container of ours; its name is guarded before it is made."""

    plan: Plan
    name: str = field(default_factory=lambda: f"assistant-{os.getpid()}-{secrets.token_hex(6)}")
    _groups: tuple[Path, ...] = field(init=False, default=())
    _killed: int = field(init=False, default=0)
    _brought: bool = field(init=False, default=False)
    """Whether the workspace comes in later, with its owner shown as who the container runs as."""

    def start(self) -> socket.socket:
        """Make it, attach to it and start it; the attached connection.

        Raises:
            SandboxBroken: the engine refused.
            SandboxUnavailable: there is no engine, or the workspace cannot be protected.
        """
        guard("container", (engine_socket(), self.name))
        self._brought = _is_brought(self.plan)
        try:
            inner = _made(self.plan)
            with connected() as client:
                self._create(client.api, inner)
                connection = attach(engine_socket(), self.name)
                try:
                    client.api.start(self.name)
                    pid = _pid(client.api, self.name)
                    self._groups = _memory_groups(pid)
                    if self._brought:
                        self._bring(pid, inner)
                except BaseException:
                    connection.close()
                    raise
        except BaseException:
            self.remove()
            raise
        return connection

    def _bring(self, pid: int, inner: Sequence[Part]) -> None:
        """Mount the workspace in the container, whose supervisor still waits for its first word.

        Raises:
            SandboxBroken: it cannot be mounted.
        """
        plan = self.plan
        workspace = str(plan.root) if plan.stage is None else plan.stage
        places = [(part.path, part.readonly) for part in inner]
        lends = [(str(plan.network.socket), PROXY)] if plan.network else []
        try:
            warden().ask("bring", pid, workspace, places, lends)
        except Denied as error:
            reason = f"The workspace cannot be brought into a container: {error}."
            raise SandboxBroken(reason) from error

    def _create(self, api: "APIClient", inner: Sequence[Part]) -> None:
        plan = self.plan
        api.create_container(
            plan.image.id,
            [],
            name=self.name,
            hostname="sandbox",
            entrypoint=list(supervisor("python3", OURS)),
            user="{}:{}".format(*self._user()),
            environment={"PATH": plan.image.path},
            labels=owner.label(),
            working_dir="/",
            healthcheck={"test": ["NONE"]},
            stdin_open=True,  # With detach=False also: no longer than we are attached.
            detach=False,
            host_config=api.create_host_config(**_host(plan, self._scratch(), self._mounts(inner))),
        )

    def _user(self) -> tuple[int, int]:
        """Who the container runs as: somebody else than root, and files keep their owner."""
        return (SHOWN, SHOWN) if self._brought else _owner(self.plan.root)

    def _scratch(self) -> dict[str, str]:
        """Folders in memory; what an image declares as a volume would be on the engine's disk."""
        user, group = self._user()
        options = "rw,exec,nosuid,nodev"
        size = self.plan.limits.memory_mb * 1024 // 32  # As `mounts.system` has it.
        late = (WORKDIR, "/run") if self._brought else ()
        return {
            **dict.fromkeys(self.plan.image.volumes, f"{options},size={size}k,mode=1777"),
            "/tmp": f"{options},size={4 * size}k,mode=1777",  # noqa: S108
            HOME: f"{options},size={size}k,mode=0700,uid={user},gid={group}",
            **dict.fromkeys(late, f"{options},size=1m,mode=0755"),
        }

    def _mounts(self, inner: Sequence[Part]) -> "list[Mount]":
        """What we lend; and the workspace with what of it is read-only, where it is not late."""
        from docker.types import Mount

        plan = self.plan
        mounts = [Mount(inside, str(path), "bind", True) for inside, path in _lends().items()]
        if self._brought:
            return mounts
        mounts.append(Mount(WORKDIR, str(plan.root), "bind"))
        for part in inner:
            source = str(plan.root / part.path)
            mounts.append(Mount(f"{WORKDIR}/{part.path}", source, "bind", part.readonly))
        if plan.network:
            mounts.append(Mount(PROXY, str(plan.network.socket), "bind"))
        return mounts

    def remove(self) -> None:
        """Kill it with all that is in it and wait until it is gone. Safe to call twice."""
        from docker import errors

        with connected() as client:
            try:
                _force_out(client.api, self.name)
            except errors.APIError:
                # It may have ended by itself between the engine's look and its kill.
                _force_out(client.api, self.name)
            with contextlib.suppress(errors.NotFound):
                client.api.wait(self.name, timeout=_GONE, condition="removed")
        forget("container", (engine_socket(), self.name))

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something in it since the last call."""
        killed = sum(_kills(group) for group in self._groups)
        before, self._killed = self._killed, max(killed, self._killed)
        return killed > before


def _force_out(api: "APIClient", name: str) -> None:
    """Have a container killed and removed, unless that goes on already or is done."""
    from docker import errors

    try:
        api.remove_container(name, force=True, v=True)
    except errors.NotFound:
        pass
    except errors.APIError as error:
        if error.status_code != 409:  # It is being removed, as its process has ended.
            raise


def _pid(api: "APIClient", name: str) -> int:
    """The number of its first process, on the machine."""
    told = cast("dict[str, Any]", api.inspect_container(name))
    return int(told["State"]["Pid"])


def _host(plan: Plan, scratch: dict[str, str], mounts: "list[Mount]") -> dict[str, Any]:
    """How a container may use the machine."""
    memory = (plan.limits.memory_mb + _ROOM_MB) * 2**20
    return {
        "network_mode": "none",
        "ipc_mode": "private",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", f"seccomp={json.dumps(profile())}"],
        "pids_limit": plan.limits.processes + _PROCESSES,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": round(plan.limits.cpus * 10**9) or None,
        "shm_size": plan.limits.memory_mb * 2**20 // 32,
        "tmpfs": scratch,
        "mounts": mounts,
        "log_config": {"Type": "none", "Config": {}},
        "auto_remove": True,
        "runtime": plan.choice.runtime or None,
    }


def _owner(root: Path) -> tuple[int, int]:
    """Who a folder belongs to, for root; for everybody else it is they themselves."""
    state = root.stat()
    return (state.st_uid, state.st_gid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def _is_brought(plan: Plan) -> bool:
    """Whether we can mount in containers ourselves: as root, in those that share our kernel."""
    if plan.stage is not None:
        return True
    answer, _ = warden().ask("droppable", str(plan.root))
    return bool(answer) and plan.choice.runtime in ("", "runc")


def _lends() -> dict[str, Path]:
    """Files of ours, by where they are inside."""
    lends = {OURS: _HERE, "/opt/bin/pytest": _HERE / "pytest", "/opt/bin/python": _HERE / "python"}
    lends |= {f"{LENT}/{name}": path for name, path in lent().items()}
    lends |= {f"{GRAMMARS}/{name}": path for name, path in grammars().items()}
    program = ripgrep()
    return lends if program is None else {**lends, "/opt/bin/rg": program}


def _made(plan: Plan) -> tuple[Part, ...]:
    """What is protected; what is not there yet is made, since nothing can be mounted on nothing.

    Raises:
        SandboxUnavailable: the workspace cannot be protected.
    """
    inner = parts(plan.root, plan.readonly)
    for part in inner:
        place = plan.root / part.path
        if part.source is None and not place.exists():
            place.mkdir()
        elif part.source == EMPTY and not place.exists():
            place.touch()
        else:
            continue
        if os.geteuid() == 0:
            os.chown(place, *_owner(plan.root))
    return inner


def _memory_groups(pid: int) -> tuple[Path, ...]:
    """Where the kernel tells of memory, for the group that a process is in."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    paths = {names: path.lstrip("/") for _, names, path in (line.split(":", 2) for line in lines)}
    first = Path("/sys/fs/cgroup/memory", paths.get("memory", ""), "memory.oom_control")
    second = Path("/sys/fs/cgroup", paths.get("", ""), "memory.events")
    return tuple(path for path in (first, second) if path.exists())


def _kills(file: Path) -> int:
    """How many processes were killed for memory."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
