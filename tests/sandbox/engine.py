"""A Docker engine for tests, started by hand where none is named, and images for it."""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import docker
from docker.errors import DockerException

from sandbox.choice import Choice
from sandbox.interpreter import ripgrep

NAMED = "ASSISTANT_TEST_ENGINE"
"""An environment variable: the socket of an engine that runs, as `unix:///…`."""
IMAGE = "assistant-test:latest"
BARE = "assistant-test-bare:latest"
"""An image without Python."""
_PROGRAMS = (
    "bash", "sh", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "echo",
    "env", "false", "find", "git", "grep", "head", "hostname", "id", "kill", "ln", "ls", "mkdir",
    "mkfifo", "mknod", "mount", "mv", "nproc", "ps", "pwd", "readlink", "rm", "rmdir", "sed",
    "seq", "sleep", "sort", "stat", "tail", "tee", "test", "timeout", "touch", "tr", "true",
    "truncate", "umount", "uname", "unshare", "wc", "which", "whoami", "xargs", "yes",
)  # fmt: skip
_LEFT_OUT = (
    "pydoc_data",
    "lib2to3",
    "turtledemo",
    "site-packages",
    "dist-packages",
    "test",
    "idlelib",
    "tkinter",
    "ensurepip",
)


class NoEngine(Exception):
    """There is no engine and none can be started; the reason."""


@contextlib.contextmanager
def running() -> Generator[str]:
    """The address of an engine that has `IMAGE` and `BARE`, a fresh one also the default image.

    Raises:
        NoEngine: nothing can be done.
    """
    if address := os.environ.get(NAMED):
        fill(address)
        yield address
        return
    program = shutil.which("dockerd")
    if program is None or os.geteuid() != 0:
        raise NoEngine(f"no engine: {NAMED} is not set, and dockerd needs to be installed and root")
    # A short path: a socket's has room for 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
    try:
        with _daemon(program, folder) as address:
            fill(address)
            with contextlib.closing(docker.DockerClient(address)) as client:
                client.images.get(IMAGE).tag(Choice().image)
            yield address
    finally:
        subprocess.run(["umount", "-l", folder / "data"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
        _forget_groups()


@contextlib.contextmanager
def _daemon(program: str, folder: Path) -> Generator[str]:
    address = f"unix://{folder}/sock"
    line = [
        "setpriv", "--pdeathsig=TERM", program, "--iptables=false", "--bridge=none",
        f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid",
        f"--host={address}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            line, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _wait(daemon, address, folder / "log")
        yield address
    finally:
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()


def _wait(daemon: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and daemon.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(address.removeprefix("unix://"))
            with contextlib.closing(docker.DockerClient(address, timeout=5)) as client:
                client.ping()
                return
        except (DockerException, OSError):
            time.sleep(0.1)
    last = log.read_text(encoding="utf-8").splitlines()[-1:]
    raise NoEngine(f"dockerd does not start here: {last}")


def fill(address: str) -> None:
    """See to it that an engine has the two images."""
    with contextlib.closing(docker.DockerClient(address)) as client:
        known = {tag for image in client.images.list() for tag in image.tags}
        if IMAGE not in known:
            prefix = Path(sys.base_prefix)
            path = f"ENV PATH={prefix}/bin:/usr/local/bin:/usr/bin:/bin"
            _load(client, IMAGE, _files(_with_python(prefix)), [path, "VOLUME /declared"])
        if BARE not in known:
            _load(client, BARE, _files([Path("/bin/sh")]), [])


def _load(client: docker.DockerClient, tag: str, data: bytes, changes: list[str]) -> None:
    name, _, version = tag.partition(":")
    client.api.import_image_from_data(data, repository=name, tag=version, changes=changes)


def _with_python(prefix: Path) -> Iterable[Path]:
    """The interpreter that this one is made from, without packages, and everyday programs."""
    for name in _PROGRAMS:
        if found := shutil.which(name):
            yield Path(found)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield prefix / "bin" / version
    yield prefix / "bin/python3"
    for here, folders, names in os.walk(prefix / "lib" / version):
        folders[:] = [name for name in folders if not name.startswith((*_LEFT_OUT, "config-"))]
        yield from (Path(here, name) for name in names if ".opt-" not in name)


def _files(paths: Iterable[Path]) -> bytes:
    """An archive of files with the libraries they need, and the folders that systems have."""
    paths = list(paths)
    programs = [ripgrep() or Path("/bin/sh")]
    programs += [path for path in paths if os.access(path, os.X_OK) or ".so" in path.name]
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    words = {word for line in told.splitlines() for word in line.split()}
    libraries = {Path(word) for word in words if word.startswith("/") and not word.endswith(":")}
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", dereference=True) as archive:
        for top in ("bin", "sbin", "lib", "lib64"):
            link = tarfile.TarInfo(top)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{top}"
            archive.addfile(link)
        for folder, mode in (("tmp", 0o1777), ("etc", 0o755), ("opt", 0o755), ("run", 0o755)):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, mode
            archive.addfile(info)
        for path in sorted({*paths, *libraries}):
            place = Path(os.path.realpath(path.parent)) / path.name
            if not place.is_relative_to("/usr") and str(place).startswith(("/bin", "/lib")):
                place = Path(f"/usr{place}")
            archive.add(path, arcname=str(place), recursive=False)
    return data.getvalue()


def _forget_groups() -> None:
    """Remove the groups that an engine leaves; empty ones only."""
    for folder in sorted(Path("/sys/fs/cgroup").glob("*/docker"), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
