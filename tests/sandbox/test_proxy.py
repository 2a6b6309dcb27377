"""The proxy, asked over its socket; the hosts behind it are real and on this machine."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.exchange import BadRequest, Patience, Target
from sandbox.network import Network
from sandbox.proxy import Proxy
from tests.sandbox.hosts import Listener, exchanged, listening, to_this_machine

POST = "POST http://files.localhost/ HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def host() -> AsyncIterator[Listener]:
    async with listening() as listener:
        yield listener


@pytest.fixture
async def proxy(host: Listener) -> AsyncIterator[Proxy]:
    network = Network.allowing([f"files.localhost:{host.port}"], to_this_machine)
    proxy = await Proxy.open(network, Patience(connections=4, head=1, idle=1))
    yield proxy
    await proxy.close()


async def ask(proxy: Proxy, data: bytes) -> bytes:
    return await exchanged(str(proxy.network.socket), data)


async def test_a_plain_request_reaches_an_allowed_host(proxy: Proxy, host: Listener) -> None:
    url = f"http://Files.localhost:{host.port}/a?b"
    head = f"GET {url} HTTP/1.1\r\nHost: elsewhere\r\nProxy-Authorization: x\r\nAccept: y\r\n\r\n"
    answer = await ask(proxy, head.encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer.lower()
    assert answer.endswith(b"\r\n\r\nhello")
    lines = bytes(host.got[0]).split(b"\r\n")
    assert lines[0] == b"GET /a?b HTTP/1.1"
    assert f"Host: Files.localhost:{host.port}".encode() in lines
    assert b"accept: y" in [line.lower() for line in lines]
    assert not any(b"elsewhere" in line or b"roxy" in line for line in lines)


async def test_a_tunnel_carries_bytes_both_ways(proxy: Proxy, host: Listener) -> None:
    reader, writer = await asyncio.open_unix_connection(str(proxy.network.socket))
    writer.write(f"CONNECT files.localhost:{host.port} HTTP/1.1\r\nHost: x\r\n\r\nearly ".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.write(b"late\r\n\r\n")
    assert b"hello" in await reader.readuntil(b"hello")
    writer.write_eof()
    assert await reader.read() == b""
    assert bytes(host.got[0]) == b"early late\r\n\r\n"
    writer.close()


@pytest.mark.parametrize(
    "request_line",
    ["GET http://evil.localhost/ HTTP/1.1", "CONNECT evil.localhost:443 HTTP/1.1"],
)
async def test_a_refusal_names_the_host_and_the_mend(proxy: Proxy, request_line: str) -> None:
    answer = await ask(proxy, f"{request_line}\r\nHost: evil.localhost\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403")
    (refusal,) = proxy.network.drain()
    assert "evil.localhost" in refusal
    assert "--allow evil.localhost" in refusal
    assert answer.endswith(f"\r\n\r\n{refusal}\n".encode())


@pytest.mark.parametrize(
    "place",
    [
        "127.0.0.1:{port}", "localhost:{port}", "2130706433:{port}", "0x7f.1:{port}",
        "[::ffff:127.0.0.1]:{port}", "[::1]:{port}", "0.0.0.0:{port}", "169.254.169.254:80",
        "files.localhost:22", "files.localhost.evil.net:{port}", "files.localhost%00.x:{port}",
    ],
)  # fmt: skip
async def test_no_other_way_to_the_same_machine(proxy: Proxy, host: Listener, place: str) -> None:
    place = place.format(port=host.port)
    for line in (f"CONNECT {place} HTTP/1.1", f"GET http://{place}/ HTTP/1.1"):
        answer = await ask(proxy, f"{line}\r\nHost: files.localhost:{host.port}\r\n\r\n".encode())
        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), answer
    assert host.got == []


async def test_a_name_that_moves_leads_to_the_address_that_was_judged(host: Listener) -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])

    async def moving(name: str) -> list[str]:
        return next(answers)

    network = Network.allowing([f"example.org:{host.port}"], moving)
    assert [str(a) for a in await network.addresses("example.org", host.port)] == ["93.184.216.34"]
    proxy = await Proxy.open(network)
    answer = await ask(
        proxy, f"CONNECT example.org:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    )
    await proxy.close()
    assert answer.startswith(b"HTTP/1.1 403")
    assert host.got == []


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nHost: files.localhost",
        "GET https://files.localhost/ HTTP/1.1\r\nHost: x",
        "GET http://user@files.localhost/ HTTP/1.1\r\nHost: x",
        "GET http://files.localhost\\@evil/ HTTP/1.1\r\nHost: x",
        "GET ftp://files.localhost/ HTTP/1.1\r\nHost: x",
        "CONNECT files.localhost HTTP/1.1\r\nHost: x",
        "CONNECT files.localhost:99999 HTTP/1.1\r\nHost: x",
        "CONNECT http://files.localhost:443 HTTP/1.1\r\nHost: x",
        "CONNECT files.localhost:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 3",
        POST + "Content-Length: 3\r\nTransfer-Encoding: chunked",
        POST + "Content-Length: 3\r\nContent-Length: 4",
        POST + "Transfer-Encoding: gzip, chunked",
        POST + "Transfer-Encoding : chunked",
        "GET http://files.localhost/ HTTP/1.1\r\nHost: x\r\nA: " + "a" * 200_000,
        "nonsense",
    ],
)
async def test_what_is_no_request_to_a_proxy_is_told(
    proxy: Proxy, host: Listener, head: str
) -> None:
    head = head.replace("files.localhost/", f"files.localhost:{host.port}/")
    answer = await ask(proxy, f"{head}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert host.got == []


async def test_a_second_request_in_the_same_bytes_goes_nowhere(
    proxy: Proxy, host: Listener
) -> None:
    one = f"GET http://files.localhost:{host.port}/1 HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await ask(proxy, (one + one.replace("/1", "/2")).encode())
    assert answer.count(b"HTTP/1.1 200") == 1
    assert len(host.got) == 1
    assert b"/2" not in host.got[0]


async def test_a_body_is_framed_anew(proxy: Proxy, host: Listener) -> None:
    head = f"POST http://files.localhost:{host.port}/ HTTP/1.1\r\nHost: x\r\n"
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
    await ask(proxy, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + body)
    sent = bytes(host.got[0])
    assert sent.count(b"HTTP/1.1") == 2  # Ours, and the one that is a piece of the body.
    assert b"%x\r\n%b\r\n" % (len(smuggled), smuggled) in sent


async def test_a_client_that_waits_is_told_to_go_on(proxy: Proxy, host: Listener) -> None:
    host.after = b"body"
    reader, writer = await asyncio.open_unix_connection(str(proxy.network.socket))
    head = f"POST http://files.localhost:{host.port}/ HTTP/1.1\r\nHost: x\r\n"
    writer.write(f"{head}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(b"body")
    assert b"hello" in await reader.read()
    assert bytes(host.got[0]).endswith(b"\r\n\r\nbody")
    writer.close()


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000]
)
async def test_a_host_that_speaks_no_http_is_told(answer: bytes) -> None:
    async with listening(answer) as host:
        place = f"files.localhost:{host.port}"
        proxy = await Proxy.open(Network.allowing([place], to_this_machine))
        got = await ask(proxy, f"GET http://{place}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert got.startswith(b"HTTP/1.1 502")
        await proxy.close()


async def test_a_host_that_is_not_there_is_told(proxy: Proxy, host: Listener) -> None:
    network = Network.allowing(["files.localhost:1"], to_this_machine)
    other = await Proxy.open(network)
    answer = await ask(other, b"CONNECT files.localhost:1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"files.localhost:1 cannot be reached" in answer
    assert network.drain() == ()
    await other.close()


async def test_silence_ends_a_connection(proxy: Proxy, host: Listener) -> None:
    assert (await ask(proxy, b"GET http://fi")).startswith(b"HTTP/1.1 408")
    tunnel = f"CONNECT files.localhost:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    assert (await ask(proxy, tunnel)).startswith(b"HTTP/1.1 200")


async def test_too_many_connections_are_told_and_room_comes_back(
    proxy: Proxy, host: Listener
) -> None:
    path = str(proxy.network.socket)
    held = [await asyncio.open_unix_connection(path) for _ in range(4)]
    assert (await ask(proxy, b"")).startswith(b"HTTP/1.1 503")
    for _, writer in held:
        writer.close()
        await writer.wait_closed()
    good = f"GET http://files.localhost:{host.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    while not (answer := await ask(proxy, good)).startswith(b"HTTP/1.1 200"):
        assert answer.startswith(b"HTTP/1.1 503")


async def test_closing_ends_tunnels_and_leaves_nothing(proxy: Proxy, host: Listener) -> None:
    reader, writer = await asyncio.open_unix_connection(str(proxy.network.socket))
    writer.write(f"CONNECT files.localhost:{host.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    assert proxy.folder.stat().st_mode & 0o777 == 0o700
    await proxy.close()
    await proxy.close()
    assert not proxy.folder.exists()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


@given(st.binary(max_size=300))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_bytes_are_answered_with_an_error_or_nothing(data: bytes) -> None:
    proxy = await Proxy.open(Network.allowing(["example.org"]), Patience(head=0.05))
    try:
        answer = await exchanged(str(proxy.network.socket), data)
    finally:
        await proxy.close()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


@given(st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters=" ")))
def test_a_target_is_read_whole_or_not_at_all(text: str) -> None:
    import h11

    try:
        request = h11.Request(method="GET", target=f"http://{text}", headers=[("Host", "x")])
        target = Target.of(request)
    except (BadRequest, h11.LocalProtocolError):
        return
    port = f":{target.port}" if f":{target.port}" in text else ""
    assert f"{target.host}{port}{target.path}".replace("/?", "?") in (
        text.replace("/?", "?").split("#")[0],
        text.replace("/?", "?").split("#")[0] + "/",
    )
