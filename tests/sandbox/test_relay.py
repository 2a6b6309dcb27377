"""The relay, as the process that a sandbox runs, in front of a real proxy."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import sandbox
from sandbox.network import Network
from sandbox.proxy import Proxy
from tests.sandbox.hosts import Listener, listening, to_this_machine

RELAY = Path(sandbox.__file__ or "").parent / "lent/relay.py"


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
async def relay(network: Network) -> AsyncIterator[int]:
    """Its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", RELAY, network.socket, str(number), pass_fds=[number]
        )
        yield int(listener.getsockname()[1])
        process.kill()
        await process.wait()


async def fetched(relay: int, *urls: str) -> list[str]:
    """What Python's own client gets through the relay, each in a process of its own."""
    code = "import sys,urllib.request as u;print(u.urlopen(sys.argv[1]).read().decode())"
    env = {"http_proxy": f"http://127.0.0.1:{relay}", "LANG": "C.UTF-8"}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, url, env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )
        for url in urls
    ]  # fmt: skip
    return [(await process.communicate())[0].decode() for process in processes]


async def test_a_client_reaches_what_is_allowed_and_nothing_else(
    relay: int, host: Listener, network: Network
) -> None:
    good, bad = f"http://files.localhost:{host.port}/", "http://evil.localhost/"
    answers = await fetched(relay, good, bad)
    assert answers[0] == "hello\n"
    assert "403" in answers[1]
    (refusal,) = network.drain()
    assert "evil.localhost:80" in refusal


async def test_many_at_once_each_get_their_own_bytes(relay: int, host: Listener) -> None:
    async def one(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay)
        writer.write(f"CONNECT files.localhost:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        data = b"%d" % number * 200_000 + b"\r\n\r\n"
        writer.write(data)
        await reader.readuntil(b"hello")
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        return data

    sent = await asyncio.gather(*(one(number) for number in range(30)))
    assert sorted(map(bytes, host.got)) == sorted(sent)


async def test_a_slow_reader_gets_every_byte(relay: int, network: Network, host: Listener) -> None:
    network.socket.unlink()
    got = asyncio.Queue[bytes]()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)  # Until every buffer on the way is full.
        got.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_unix_server(slow, network.socket)
    reader, writer = await asyncio.open_connection("127.0.0.1", relay)
    data = bytes(range(256)) * 40_000
    writer.write(data)
    writer.write_eof()
    assert await got.get() == data
    assert await reader.read() == b""
    writer.close()
    server.close()


async def test_a_client_that_leaves_takes_nobody_with_it(relay: int, host: Listener) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", relay)
        writer.write(b"CONNECT files.loc")
        writer.transport.abort()
    assert await fetched(relay, f"http://files.localhost:{host.port}/") == ["hello\n"]


async def test_a_proxy_that_is_gone_ends_connections_and_not_the_relay(
    relay: int, network: Network
) -> None:
    network.socket.unlink()
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
