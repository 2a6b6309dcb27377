"""What attempts aim at: files, processes, sockets and a terminal of the host, made for one run."""

import contextlib
import ctypes
import os
import resource
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

_KEEP = "assistant-escape-"
_VICTIM = (
    "import os, sys, time\nhidden = bytes(reversed(sys.argv[2].encode()))\n"
    "held = bytes(reversed(hidden))\nprint(hex(id(held) + 32), flush=True)\ntime.sleep(600)\n"
)
_HOME = (
    ".ssh/id_rsa", ".aws/credentials", ".bashrc", ".netrc", ".config/assistant/config.toml",
)  # fmt: skip


class Target:
    """The host's side of a run. `token` is on the host only."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(12)
        # Not below a folder that others cannot enter: ordinary users run this too.
        self.base = Path(tempfile.mkdtemp(prefix=_KEEP, dir="/var/tmp"))
        self.outside, self.home = self.base / "outside", self.base / "home"
        self.root, self.canary = self.base / "workspace", self.base / "canary"
        self.shared = Path("/dev/shm", self.base.name)
        self.system = [Path(top, self.base.name) for top in ("/usr/local/share", "/etc", "/tmp")]
        self._threads = _Listeners(self)
        self._stray: list[Path] = []
        self.terminal = self._own_terminal()
        self.segment = _segment(self.token)
        self.victim = self._victim()
        self.restore()
        self.workspace()

    def restore(self) -> None:
        """Put everything outside of the workspace in order."""
        for folder in (self.outside, self.home):
            shutil.rmtree(folder, ignore_errors=True)
        (self.outside / "folder").mkdir(parents=True)
        for name in ("secret", "file", "folder/inner"):
            (self.outside / name).write_text(self.token)
        for name in _HOME:
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home / name).write_text(self.token)
        (self.home / ".git-credentials").write_text(f"https://me:{self.token}@example.org\n")
        (self.base / ".env").write_text(f"KEY={self.token}\n")
        self.shared.write_text(self.token)
        for path in (self.canary, *self.system, *self._stray):
            path.unlink(missing_ok=True)
        if self.victim.poll() is not None or self._touched():
            self.victim.kill()
            self.victim.wait()
            self.victim = self._victim()
        self._threads.heard.clear()
        self._baseline = self._state()

    def workspace(self, name: str = "workspace") -> Path:
        """A new workspace: a repository with a nested one, links that lead out, a set-uid file."""
        self.root = self.base / name
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)
        subprocess.run(["git", "init", "-q", str(self.root / "nested")], check=True)
        inner = self.root / ".git/modules/sub/hooks"
        inner.mkdir(parents=True)
        (self.root / "file").write_text("own\n")
        (self.root / "link").symlink_to(self.outside / "secret")
        (self.root / "linked").symlink_to(self.outside)
        (self.root / "writable").symlink_to(self.outside / "file")
        shutil.copy("/usr/bin/id", self.root / "id")
        (self.root / "id").chmod(0o4755)
        home = self.root / ".assistant"
        home.mkdir()
        (home / "config.toml").write_text("")
        return self.root

    def told(self) -> dict[str, object]:
        """What a probe may know: places, but no secret."""
        return {
            "base": str(self.base), "outside": str(self.outside), "home": str(self.home),
            "root": str(self.root), "shared": str(self.shared), "canary": str(self.canary),
            "system": [str(path) for path in self.system], "victim": self.victim.pid,
            "address": self.address, "terminal": os.ttyname(self.terminal[1]),
            "segment": self.segment[0], "handle": _handle(self.outside / "secret"),
            "parent": os.getpid(), **self._threads.places,
        }  # fmt: skip

    def heard(self, name: str) -> bool:
        """Whether one of the host's sockets got a message with this in it."""
        return any(name in text for text in self._threads.heard)

    def typed(self) -> str:
        """What came out of the host's terminal, or waits to be read there as if typed."""
        found = b""
        for end in self.terminal:
            os.set_blocking(end, False)
            with contextlib.suppress(OSError):
                found += os.read(end, 4096)
        return found.decode(errors="replace")

    def outside_changed(self) -> bool:
        """Whether anything outside of the workspace is not as it was before."""
        return self._state() != self._baseline

    def harm(self) -> list[str]:
        """What is wrong on the host, whatever the attempt was."""
        found: list[str] = []
        if self.outside_changed():
            found.append("files outside changed")
        if self.victim.poll() is not None or self._touched():
            found.append("a process outside was touched")
        if self.canary.exists():
            found.append("code ran on the host")
        for folder, _, files in os.walk(self.root):
            for path in (Path(folder, name) for name in files if name != "id"):
                state = path.lstat()
                if state.st_mode & 0o6000 or path.is_block_device() or path.is_char_device():
                    found.append(f"{path.name} is privileged")
        return found

    def close(self) -> None:
        """Remove all of it."""
        self._threads.close()
        self.victim.kill()
        self.victim.wait()
        ctypes.CDLL(None).shmctl(self.segment[1], 0, None)
        for end in self.terminal:
            os.close(end)
        self.shared.unlink(missing_ok=True)
        for path in (*self.system, *self._stray):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.base, ignore_errors=True)

    @property
    def address(self) -> str:
        """An address of this machine that is not the loopback's, if it has one."""
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with probe, contextlib.suppress(OSError):
            probe.connect(("192.0.2.123", 9))
            return str(probe.getsockname()[0])
        return "127.0.0.1"

    def _victim(self) -> "subprocess.Popen[bytes]":
        """A process of ours with the token in its memory, command line and environment."""
        line = [sys.executable, "-S", "-c", _VICTIM, "--escape-key", self.token]
        env = {"ESCAPE_KEY": self.token}
        victim = subprocess.Popen(line, env=env, cwd=self.base, stdout=subprocess.PIPE)
        assert victim.stdout
        self._threads.places["held"] = int(victim.stdout.readline(), 16)
        victim.stdout.close()
        return victim

    def _touched(self) -> bool:
        pid = self.victim.pid
        files = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        return os.getpriority(os.PRIO_PROCESS, pid) != os.getpriority(os.PRIO_PROCESS, 0) or (
            files != resource.getrlimit(resource.RLIMIT_NOFILE)
        )

    def _own_terminal(self) -> tuple[int, int]:
        """A terminal of our own; the leader of a session without one gets it as its own."""
        master, slave = os.openpty()
        if os.getsid(0) == os.getpid():
            os.close(os.open(os.ttyname(slave), os.O_RDWR))
        return master, slave

    def _state(self) -> Mapping[str, object]:
        places = [self.shared, self.base / ".env", *self.system]
        for top in (self.outside, self.home):
            places += sorted(top.rglob("*"))
        return {
            str(path): (path.lstat().st_mode, path.is_file() and path.read_bytes())
            for path in places
            if path.exists()
        } | {"core_pattern": Path("/proc/sys/kernel/core_pattern").read_bytes()}


class _Listeners:
    """Sockets of the host: each answers with the token and remembers what it was told."""

    def __init__(self, target: Target) -> None:
        self.heard: list[str] = []
        self.places: dict[str, object] = {}
        self._token = target.token.encode()
        self._selector = selectors.DefaultSelector()
        for name, family, kind, place in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 0)),
            ("tcp6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 0)),
            ("agent", socket.AF_UNIX, socket.SOCK_STREAM, str(target.base / "agent.sock")),
            ("docker", socket.AF_UNIX, socket.SOCK_STREAM, str(target.base / "docker.sock")),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\0" + target.base.name),
        ):
            with contextlib.suppress(OSError):
                self._listen(name, family, kind, place)
        self._end, end = socket.socketpair()
        self._selector.register(end, selectors.EVENT_READ, "end")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _listen(self, name: str, family: int, kind: int, place: object) -> None:
        listener = socket.socket(family, kind)
        listener.bind(place)  # pyright: ignore[reportArgumentType]
        if kind == socket.SOCK_STREAM:
            listener.listen()
        self._selector.register(listener, selectors.EVENT_READ, name)
        there = listener.getsockname()
        self.places[name] = there[1] if isinstance(there, tuple) else place

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data == "end":
                    return
                assert isinstance(key.fileobj, socket.socket)
                with contextlib.suppress(OSError):
                    self._answer(key.fileobj)

    def _answer(self, listener: socket.socket) -> None:
        if listener.type == socket.SOCK_DGRAM:
            data, sender = listener.recvfrom(4096)
            self.heard.append(data.decode(errors="replace"))
            listener.sendto(self._token, sender)
            return
        client, _ = listener.accept()
        with client:
            client.settimeout(1)
            self.heard.append(client.recv(4096).decode(errors="replace"))
            client.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + self._token)

    def close(self) -> None:
        self._end.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._end.close()
        self._selector.close()


def _segment(token: str) -> tuple[int, int]:
    """A System V shared memory segment that holds the token: its key and its number."""
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    key = secrets.randbelow(2**30) + 1
    number = libc.shmget(key, 4096, 0o1666)
    place = libc.shmat(number, None, 0)
    ctypes.memmove(place, token.encode(), len(token))
    libc.shmdt(ctypes.c_void_p(place))
    return key, number


def _handle(path: Path) -> str:
    """The file handle of a path, hex: whoever may open by handle needs no path."""
    buffer = ctypes.create_string_buffer(136)
    ctypes.memmove(buffer, (128).to_bytes(4, "little"), 4)
    mount = ctypes.c_int()
    libc = ctypes.CDLL(None)
    found = libc.name_to_handle_at(-100, bytes(path), buffer, ctypes.byref(mount), 0)
    return buffer.raw[: 8 + int.from_bytes(buffer.raw[:4], "little")].hex() if not found else ""
