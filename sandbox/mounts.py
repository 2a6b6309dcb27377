"""What commands see of the machine, as lists of bubblewrap arguments."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sandbox.interpreter import GRAMMARS, grammars
from sandbox.limits import Limits
from sandbox.protected import EMPTY, parts

WORKDIR = "/workspace"
HOME = "/home/sandbox"
LENT = "/opt/sandbox/lent"
PROXY = "/run/proxy.sock"
SHARED = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "proc", "nix")
"""Top folders with files that every user of a machine can reach."""
_OURS = Path(__file__).parent / "lent"
"""Files of our own that are lent to every sandbox."""
_ETC = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types",
    "nsswitch.conf", "protocols", "services", "ethertypes", "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip
_ISOLATION = (
    "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
    "--unshare-cgroup-try", "--uid", "1000", "--gid", "1000", "--disable-userns",
    "--cap-drop", "ALL", "--as-pid-1", "--die-with-parent", "--new-session",
    "--hostname", "sandbox",
)  # fmt: skip
_MB = 2**20


def system(memory_mb: int = Limits.memory_mb) -> tuple[str, ...]:
    """Namespaces, the read-only system, /proc, /dev and private temporary folders.

    What is in those counts as memory, of which they can take a fifth.
    """
    arguments: list[str] = [*_ISOLATION, "--ro-bind", "/usr", "/usr"]
    for top in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", top)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--ro-bind-try", "/nix/store", "/nix/store", "--perms", "0755", "--dir", "/etc"]
    for file in _ETC:
        arguments += ["--ro-bind-try", f"/etc/{file}", f"/etc/{file}"]
    for file in ("passwd", "group", "hosts"):
        arguments += ["--ro-bind", str(_OURS / file), f"/etc/{file}"]
    arguments += ["--proc", "/proc"]
    for entry in ("sys", "sysrq-trigger", "irq", "bus"):
        # Started as root we are root to the kernel, so without this sysctls could be written.
        arguments += ["--ro-bind-try", f"/proc/{entry}", f"/proc/{entry}"]
    arguments += ["--dev", "/dev", "--dir", "/run", "--dir", "/var"]
    for folder, mode, part in (("/tmp", "1777", 8), ("/dev/shm", "1777", 32), (HOME, "0700", 32)):  # noqa: S108
        arguments += ["--size", str(memory_mb * _MB // part), "--perms", mode, "--tmpfs", folder]
    return (*arguments, "--symlink", "../tmp", "/var/tmp")  # noqa: S108


def programs(ripgrep: Path | None) -> tuple[str, ...]:
    """Files of ours, and commands in /opt/bin: `pytest`, and `rg` where there is one."""
    arguments = ["--ro-bind", str(_OURS), LENT]
    arguments += ["--ro-bind", str(_OURS / "pytest"), "/opt/bin/pytest"]
    for name, source in grammars().items():
        arguments += ["--ro-bind", str(source), f"{GRAMMARS}/{name}"]
    if ripgrep is not None:
        arguments += ["--ro-bind", str(ripgrep), "/opt/bin/rg"]
    return tuple(arguments)


def workspace(
    root: Path, readonly: Sequence[Path], place: str
) -> tuple[list[str], list[tuple[str, str]]]:
    """The workspace, with git's hooks and configuration and `readonly` kept from changes.

    Parts of it are taken from below `place`, where the warden shows them after following no link:
    pairs of a path in the workspace and a name there. Without a place they are where they are.

    Raises:
        SandboxUnavailable: the repository is laid out so that it cannot be protected.
    """
    shows: list[tuple[str, str]] = []

    def source(path: str) -> str:
        shows.append((path, str(len(shows))))
        return f"{place}/show/{shows[-1][1]}" if place else str(root / path)

    arguments = ["--bind", source(""), WORKDIR]
    for part in parts(root, readonly):
        inside = f"{WORKDIR}/{part.path}"
        if part.source is None:
            arguments += ["--perms", "0555", "--tmpfs", inside, "--remount-ro", inside]
        elif part.source == EMPTY:
            arguments += ["--ro-bind", str(EMPTY), inside]
        else:
            arguments += ["--ro-bind" if part.readonly else "--bind", source(part.path), inside]
    return arguments, shows


def bubblewrap() -> str | None:
    """Where the program is."""
    found = shutil.which("bwrap")
    return os.path.realpath(found) if found else None
