"""Containers as sandboxes, on a real engine: what holds beyond what holds for every backend."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from sandbox import owner
from sandbox.backend import BACKENDS, open_sandbox
from sandbox.choice import Choice
from sandbox.image import inspect
from sandbox.limits import Limits
from sandbox.network import Network
from sandbox.sandbox import Sandbox, SandboxBroken, SandboxUnavailable
from sandbox.workspace import copy_of
from tests.sandbox.engine import BARE, IMAGE

CHOICE = Choice("docker", IMAGE)

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def client(engine: str) -> Iterator[docker.DockerClient]:
    with contextlib.closing(docker.DockerClient(engine)) as client:
        yield client


@pytest.fixture
async def contained(tmp_path: Path) -> AsyncIterator[Sandbox]:
    root = tmp_path / "workspace"
    root.mkdir()
    sandbox = await open_sandbox(root, backend=CHOICE)
    yield sandbox
    await sandbox.close()


def _known(client: docker.DockerClient) -> dict[str, str]:
    """Containers by whom they belong to."""
    found = cast("list[dict[str, Any]]", client.api.containers(all=True))
    return {each["Id"]: each["Labels"].get(owner.LABEL, "") for each in found}


def _ours(client: docker.DockerClient) -> list[str]:
    """Containers of this process."""
    own = owner.label()[owner.LABEL]
    return [name for name, label in _known(client).items() if label == own]


async def test_a_command_works_in_the_workspace(contained: Sandbox) -> None:
    command = "pwd; cat; echo $WORD >&2; echo made > file; exit 7"
    ended = await contained.run(["sh", "-c", command], stdin=b"given\n", env={"WORD": "said"})
    assert (ended.exit_code, ended.stdout, ended.stderr) == (7, "/workspace\ngiven\n", "said\n")
    made = contained.root / "file"
    assert made.read_text() == "made\n"
    assert made.stat().st_uid == contained.root.stat().st_uid


async def test_the_image_gives_the_programs_and_we_lend_ours(contained: Sandbox) -> None:
    (contained.root / "test_x.py").write_text("def test_x(): pass\n")
    for command in (["rg", "--version"], ["pytest", "-q"], ["python", "-m", "pytest", "-q"]):
        ended = await contained.run(command)
        assert ended.ok, ended.stdout + ended.stderr
    ended = await contained.run([contained.python, "-c", "import sys; print(sys.executable)"])
    assert ended.stdout.strip() == contained.python


async def test_a_container_is_hardened(contained: Sandbox, client: docker.DockerClient) -> None:
    status = (await contained.run(["cat", "/proc/self/status"])).stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    assert "0" not in fields["Uid"].split()
    for path in ("/x", "/usr/x", "/etc/x", "/opt/x", "/opt/sandbox/lent/supervisor.py", "/dev/x"):
        assert not (await contained.run(["sh", "-c", f"echo x >> {path}"])).ok, path
    for attack in ("unshare -r true", "mount -t tmpfs x /tmp", "echo x > /proc/sys/kernel/ostype"):
        assert not (await contained.run(["sh", "-c", attack])).ok, attack
    (found,) = _ours(client)
    told = cast("dict[str, Any]", client.api.inspect_container(found))
    host = cast("dict[str, Any]", told["HostConfig"])
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert (host["Privileged"], host["AutoRemove"], host["IpcMode"]) == (False, True, "private")
    assert host["Memory"] == host["MemorySwap"] > 0
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Type"] == "none"


async def test_scratch_has_a_size_and_so_has_what_an_image_declares(contained: Sandbox) -> None:
    for folder in ("/tmp", "/home/sandbox", "/declared", "/dev/shm"):
        fill = f"head -c 300000000 /dev/zero > {folder}/x"
        ended = await contained.run(["sh", "-c", f"{fill}; rm {folder}/x"])
        assert "No space left" in ended.stderr, folder


async def test_there_is_no_network(contained: Sandbox) -> None:
    interfaces = (await contained.run(["cat", "/proc/net/dev"])).stdout
    assert [line.split(":")[0].strip() for line in interfaces.splitlines()[2:]] == ["lo"]


async def test_the_environment_holds_nothing_of_ours(contained: Sandbox) -> None:
    read = await contained.run(["sh", "-c", "env; cat /proc/*/environ /proc/*/cmdline"])
    assert "PATH=" in read.stdout
    assert str(Path.home()) not in read.stdout.replace(sys.base_prefix, "")


async def test_memory_is_limited_and_said(tmp_path: Path) -> None:
    sandbox = await open_sandbox(tmp_path, backend=CHOICE, limits=Limits(memory_mb=64))
    ended = await sandbox.run(["python3", "-c", "x = b'x' * 300_000_000"])
    assert not ended.ok
    assert ended.killed == "more than 64 MB of memory"
    assert (await sandbox.run(["echo", "well"])).stdout == "well\n"
    await sandbox.close()


async def test_a_flood_of_processes_ends(tmp_path: Path) -> None:
    sandbox = await open_sandbox(tmp_path, backend=CHOICE, limits=Limits(processes=40))
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    ended = await sandbox.run(["python3", "-c", bomb], seconds=1.0)
    assert ended.timed_out
    assert (await sandbox.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"])).stdout.strip() < "8"
    await sandbox.close()


async def test_git_works_but_what_it_runs_cannot_be_planted(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    shutil.rmtree(tmp_path / ".git/hooks")
    sandbox = await open_sandbox(tmp_path, backend=CHOICE, readonly=[Path(".git/HEAD")])
    commit = (
        "echo x > x && git add x && git -c user.name=n -c user.email=e@e commit -qm m && git log"
    )
    ended = await sandbox.run(["sh", "-c", commit])
    assert ended.ok, ended.stderr
    for attack in (
        "echo evil > .git/hooks/pre-commit",
        "echo evil >> .git/config",
        "git config core.fsmonitor evil",
        "mv .git away",
        "mv .git/hooks .git/h",
        "echo x > .git/HEAD",
        "rm -rf .git/hooks",
        "ln .git/config c && echo evil >> c",
    ):
        assert not (await sandbox.run(["sh", "-c", attack])).ok, attack
    assert not list((tmp_path / ".git/hooks").iterdir())
    await sandbox.close()


async def test_a_copy_on_write_workspace_can_be_brought_in() -> None:
    workspace = copy_of({"a/b": "before\n", "tests/t": "kept\n"})
    sandbox = await open_sandbox(workspace.root, backend=CHOICE, readonly=[Path("tests/t")])
    assert (await sandbox.run(["sh", "-c", "cat a/b && echo after > a/b"])).stdout == "before\n"
    for attack in ("echo x > tests/t", "mv tests t", "rm tests/t"):
        assert not (await sandbox.run(["sh", "-c", attack])).ok
    assert "+after" in workspace.diff()
    await sandbox.close()
    workspace.close()


async def test_the_proxy_is_the_only_way_out(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused")
        await writer.drain()
        writer.close()

    place = tmp_path / "proxy.sock"
    async with await asyncio.start_unix_server(answer, place):
        place.chmod(0o600)
        network = Network((), socket=place)
        root = tmp_path / "workspace"
        root.mkdir()
        sandbox = await open_sandbox(root, backend=CHOICE, network=network)
        code = (
            "import urllib.request, urllib.error\n"
            "try: urllib.request.urlopen('http://example.org/')\n"
            "except urllib.error.HTTPError as error: print(error.code, error.read())"
        )
        ended = await sandbox.run(["python3", "-c", code])
        assert ended.stdout == "403 b'refused'\n", ended.stderr
        await sandbox.close()


async def test_nothing_is_left(contained: Sandbox, client: docker.DockerClient) -> None:
    task = asyncio.create_task(contained.run(["sleep", "60"]))
    while not _ours(client):
        await asyncio.sleep(0.05)
    await contained.close()
    assert not _ours(client)
    with pytest.raises(SandboxBroken):
        await task


async def test_a_flood_of_output_does_not_hold_the_end_up(contained: Sandbox) -> None:
    process = await contained.start(["yes"])
    await process.read()
    began = time.monotonic()
    await contained.close()
    assert time.monotonic() - began < 10


_PARENT = """
import asyncio, pathlib, sys
from sandbox.backend import open_sandbox
from sandbox.choice import Choice
async def main():
    sandbox = await open_sandbox(pathlib.Path(sys.argv[1]), backend=Choice("docker", sys.argv[2]))
    await sandbox.start(["sleep", "60"])
    print("runs", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_no_container_outlives_its_owner(tmp_path: Path, client: docker.DockerClient) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path), IMAGE],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout
    assert parent.stdout.readline() == b"runs\n"
    theirs = [name for name, label in _known(client).items() if f" {parent.pid} " in label]
    assert len(theirs) == 1
    parent.kill()
    parent.communicate()
    async with asyncio.timeout(10):
        while set(theirs) & set(_known(client)):
            await asyncio.sleep(0.05)


def test_what_dead_owners_left_is_removed(client: docker.DockerClient) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    boot, pids, _, started = owner.label()[owner.LABEL].split()
    left = client.containers.create(
        IMAGE, "true", labels={owner.LABEL: f"{boot} {pids} {dead.pid} {started}"}
    )
    foreign = client.containers.create(
        IMAGE, "true", labels={owner.LABEL: f"{boot} pid:[1] {dead.pid} {started}"}
    )
    mine = client.containers.create(IMAGE, "true", labels=owner.label())
    inspect(CHOICE)
    known = set(_known(client))
    assert left.id not in known
    assert {foreign.id, mine.id} <= known
    for each in (foreign, mine):
        each.remove()


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("no-such-image:1", "get it with `docker pull no-such-image:1`."),
        (BARE, "has no python3; choose one that has."),
    ],
)
async def test_an_image_that_will_not_do_is_a_sentence(
    tmp_path: Path, image: str, sentence: str
) -> None:
    with pytest.raises(SandboxUnavailable, match="No sandbox: the image") as caught:
        await open_sandbox(tmp_path, backend=Choice("docker", image))
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("unix:///nonexistent.sock", "start it, for example with `sudo systemctl start docker`."),
        ("tcp://example.org:2376", "unset DOCKER_HOST, or let it name a unix:// socket."),
    ],
)
async def test_an_engine_that_cannot_be_had_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, host: str, sentence: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    said = await BACKENDS["docker"].canary(Choice("docker", "another"))
    assert said
    assert said.startswith("No sandbox: ")
    assert said.endswith(sentence)
