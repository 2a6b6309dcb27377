"""The reduced sandbox: Landlock, seccomp and limits of each process, where namespaces are refused.

Holds: files are read only of the system and written only in the workspace and in a folder that
ends with the sandbox; no sockets at all; no signals to, no memory of, no limits for processes
outside; no capabilities; a filter of system calls. Does not hold: see `RESIDUAL`.

Sources: landlock(7), seccomp(2).
"""

import asyncio
import ctypes
import marshal
import os
import platform
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from sandbox import mounts, refusals, seccomp
from sandbox.cgroup import Controllers
from sandbox.delete import delete
from sandbox.interpreter import GRAMMARS, Interpreter
from sandbox.launch import Channel, entry
from sandbox.limits import Limits
from sandbox.protected import parts
from sandbox.putback import PutBack
from sandbox.running import Running, in_memory
from sandbox.sandbox import SandboxBroken
from sandbox.warden.client import Denied, forget, guard, warden

RESIDUAL = (
    "the names, command lines and states of other processes can be read in /proc",
    "whether a path exists, and its size, owner and times, can be asked anywhere",
    "git's hooks and configuration and protected files are put back after a command, not kept",
    "in a folder of root's, started by root, commands are root's as well, without capabilities",
    "without a cgroup memory is watched and not limited, and root's processes are not counted",
    "space is limited by the disk only: temporary files and the workspace are the machine's",
    "commands have no network, not even among themselves",
)
"""What this sandbox does not keep from commands, or does not give them."""
_OLDEST = 6
"""Landlock's version that keeps signals in: Linux 6.12."""
_READ = 0x1 | 0x4 | 0x8  # Execute, read a file, list a folder.
_USE = 0x2 | 0x4  # Write and read.
_ALL = 0xFFFF
_CHANGE = _ALL & ~(0x40 | 0x800 | 0x8000)  # All but making devices and controlling them.
_TCP, _SCOPES = 0x3, 0x3  # Bind and connect; abstract sockets and signals.
_DEVICES = ("null", "zero", "full", "random", "urandom")
_CREATE = 444


def version() -> int:
    """Which version of Landlock the kernel has; 0 is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE, None, ctypes.c_size_t(0), 1)))


def missing() -> str | None:
    """What this machine lacks, in words; None where nothing."""
    if platform.machine() not in ("x86_64", "aarch64"):
        return f"there is no filter of system calls for {platform.machine()}"
    if version() < _OLDEST:
        return f"the kernel has version {version()} of Landlock and {_OLDEST} is needed"
    return None


@dataclass
class Landlock:
    """Has the warden start our interpreter, which confines itself and becomes the supervisor."""

    root: Path
    interpreter: Interpreter
    limits: Limits
    controllers: Controllers
    ripgrep: Path | None = None
    readonly: tuple[Path, ...] = ()
    name: str = "landlock (reduced)"
    workdir: str = field(init=False)
    python: str = field(init=False)
    base: str = field(init=False)
    lent: str = str(Path(__file__).parent / "lent")
    grammars: str = field(init=False)
    environment: Mapping[str, str] = field(init=False)
    settings: Mapping[str, object] = field(init=False)
    _private: Path = field(init=False)
    """A folder for what commands need beside the workspace; it ends with the supervisor."""
    _putback: PutBack = field(init=False)

    def __post_init__(self) -> None:
        """What never changes between two starts is put together once."""
        self._private = Path(tempfile.gettempdir(), f"assistant-landlock-{secrets.token_hex(8)}")
        self._putback = PutBack(self.root, parts(self.root, self.readonly))
        self.workdir = str(self.root)
        self.base = self.interpreter.supervisor
        self.grammars = self._moved(GRAMMARS)
        self.python = self._moved(self.interpreter.python)
        self.environment = self._environment()
        limits = self.limits
        self.settings = {
            "watch_memory_mb": 0 if self.controllers.memory else limits.memory_mb,
            "watch_disk": True,
            "rlimits": {"fsize": limits.file_mb * 2**20}
            | ({} if self.controllers.pids else {"nproc": _threads() + limits.processes}),
            "reap": "descendants",
            "landlock": True,
        }

    async def start(self) -> Channel:
        """Start a fresh supervisor; see `sandbox.launch.Launch.start`.

        Raises:
            SandboxBroken: it could not be started.
        """
        guard("tree", str(self._private))
        await asyncio.to_thread(self._furnish)
        ours, theirs = socket.socketpair()
        plan, said = in_memory(marshal.dumps(self._plan())), os.memfd_create("landlock")
        group = self.controllers.group(self.limits)
        line = entry(self.base, self.lent, "landlock")
        given = (theirs.fileno(), theirs.fileno(), said, plan)
        try:
            pid, (gone,) = warden().ask(
                "launch", list(line), self.workdir, [], group.files, given=given
            )
        except BaseException as error:
            ours.close()
            os.close(said)
            self._clear()
            if isinstance(error, Denied):
                raise SandboxBroken(f"No supervisor could be started: {error}.") from error
            raise
        finally:
            theirs.close()
            os.close(plan)
        reader, writer = await asyncio.open_connection(sock=ours)
        running = Running(cast("int", pid), gone, said, group)

        async def end() -> None:
            writer.close()
            await running.end()
            self._put_back()
            await asyncio.to_thread(self._clear)

        return Channel(reader, writer, end, group.out_of_memory, self._put_back, running.complaint)

    def _put_back(self) -> None:
        try:
            self._putback.restore()
        except OSError as error:
            reason = f"What commands must not change could not be put back: {error}."
            raise SandboxBroken(reason) from error

    def _clear(self) -> None:
        delete(self._private)
        forget("tree", str(self._private))

    def _moved(self, path: str) -> str:
        """Where something that others find below /opt is here."""
        return f"{self._private}{path}" if path.startswith("/opt/") else path

    def _environment(self) -> dict[str, str]:
        programs = f"{self._private}/opt/bin:/usr/local/bin:/usr/bin:/bin"
        return {
            "PATH": f"{Path(self.python).parent}:{programs}",
            "HOME": f"{self._private}/home",
            "USER": "sandbox",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._private / "tmp"),
            "TERM": "dumb",
            "NO_COLOR": "1",
            "GIT_CONFIG_NOSYSTEM": "1",  # Git gives up where it may not read that file.
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **{name: self._moved(value) for name, value in self.interpreter.env},
        }

    def _lends(self) -> tuple[str, ...]:
        return (*mounts.programs(self.ripgrep), *self.interpreter.mounts)

    def _furnish(self) -> None:
        """Make the private folder: what others have below /opt as links, a home, a /tmp."""
        owner = self.root.stat()
        self._private.mkdir(mode=0o700)
        made = [self._private]
        for name in ("home", "tmp"):
            made.append(self._private / name)
            made[-1].mkdir(mode=0o700)
        for source, inside in (*_pairs(self._lends(), _BINDS), *_pairs(self._lends(), _LINKS)):
            if inside.startswith("/opt/"):
                link = Path(self._moved(inside))
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)
        # Makes an interpreter that is linked there one without the packages of where it is from.
        told = f"home = {Path(self.base).parent}\ninclude-system-site-packages = false\n"
        (self._private / "opt/pyvenv.cfg").write_text(told, encoding="utf-8")
        if os.geteuid() == 0:
            for path in made:
                os.chown(path, owner.st_uid, owner.st_gid)

    def _plan(self) -> dict[str, object]:
        """What `lent/landlock.py` is told."""
        owner = self.root.stat()
        changed = [self.workdir, *(str(self._private / name) for name in ("home", "tmp"))]
        read = ["/proc", "/sys/devices/system", self.lent, str(self._private / "opt")]
        read += [inside for _, inside in _pairs(mounts.system(), _BINDS)]
        read += [source for source, _ in _pairs(self._lends(), _BINDS)]
        rules = [(path, _CHANGE) for path in changed]
        rules += [(path, _READ) for path in read if not path.startswith("/proc/")]
        rules += [(f"/dev/{name}", _USE) for name in _DEVICES]
        return {
            "owner": (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None,
            "handled": (_ALL, _TCP, _SCOPES),
            "rules": rules,
            "filter": seccomp.program(rules=(*refusals.COMMON, *refusals.SHARED)),
            "watched": seccomp.watching(refusals.WATCHED),
            "names": seccomp.numbers(refusals.WATCHED),
            "roots": changed,
        }


_BINDS = ("--ro-bind", "--ro-bind-try")
_LINKS = ("--symlink",)


def _pairs(arguments: Sequence[str], options: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The two values behind each of these options of bubblewrap."""
    for number, argument in enumerate(arguments):
        if argument in options:
            yield arguments[number + 1], arguments[number + 2]


def _threads() -> int:
    """How many threads the user has: that is what RLIMIT_NPROC counts."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        told = dict(line.split(":", 1) for line in lines if ":" in line)
        if told["Uid"].split()[0] == str(os.getuid()):
            count += int(told["Threads"])
    return count
