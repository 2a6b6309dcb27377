"""One spelling for each host, and what an address leads to."""

import contextlib
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.host import kind, parse_host, shown, split_port


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER。example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("my_host", "my_host"),
        ("127.0.0.1", ip_address("127.0.0.1")),
        ("127.1", ip_address("127.0.0.1")),
        ("0x7f.1", ip_address("127.0.0.1")),
        ("0177.0.0.01", ip_address("127.0.0.1")),
        ("2130706433", ip_address("127.0.0.1")),
        ("0", ip_address("0.0.0.0")),
        ("\uff11\uff12\uff17.0.0.1", ip_address("127.0.0.1")),
        ("[::1]", ip_address("::1")),
        ("0:0:0:0:0:0:0:1", ip_address("::1")),
        ("[::ffff:10.0.0.1]", ip_address("10.0.0.1")),
        ("[::FFFF:7f00:1]", ip_address("127.0.0.1")),
    ],
)
def test_one_spelling(text: str, host: object) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "a..b", "-a.example", "a-.example", "a b", "a/b", "user@host", "a%2eb", "a\0b",
        "[fe80::1%eth0]", "[]", "[::1", "1.2.3.4.5", "256.0.0.1", "foo.0x7g.1", "x" * 64, "a.1",
        "example.org\r\nHost: x", ".example.org", "*.example.org", "a." * 127 + "abc",
    ],
)  # fmt: skip
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match=r"no (name|address)|interface"):
        parse_host(text)


@given(st.text(max_size=40))
@example("0x")
def test_any_text_has_one_spelling_or_none(text: str) -> None:
    with contextlib.suppress(ValueError):
        host = parse_host(text)
        assert parse_host(str(host)) == host
        if isinstance(host, str):
            # A resolver would never take it for an address.
            with pytest.raises(OSError, match="illegal"):
                socket.inet_aton(host)


@given(st.ip_addresses())
def test_addresses_are_themselves(address: IPv4Address | IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    assert parse_host(str(address)) == (mapped or address)


@given(st.integers(0, 2**32 - 1), st.sampled_from("xod"))
def test_every_form_of_a_number_is_that_address(number: int, form: str) -> None:
    text = {"x": f"{number:#x}", "o": f"0{number:o}", "d": str(number)}[form]
    assert parse_host(text) == IPv4Address(number)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("93.184.216.34", "public"),
        ("2606:2800:220:1::1", "public"),
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("172.32.0.1", "public"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("169.254.169.254", "reserved"),
        ("100.100.100.200", "reserved"),
        ("168.63.129.16", "reserved"),
        ("fd00:ec2::254", "reserved"),
        ("0.0.0.0", "reserved"),
        ("255.255.255.255", "reserved"),
        ("224.0.0.1", "reserved"),
        ("240.0.0.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("fe80::1", "reserved"),
        ("fec0::1", "reserved"),
        ("ff02::1", "reserved"),
        ("::", "reserved"),
        ("64:ff9b:1::1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "reserved"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::10.0.0.1", "private"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::", "reserved"),
    ],
)
def test_kinds(address: str, what: str) -> None:
    assert kind(ip_address(address)) == what


@given(st.integers(0, 2**32 - 1))
def test_an_address_inside_of_another_counts_as_what_it_is(number: int) -> None:
    inner = IPv4Address(number)
    for outer in (
        f"::ffff:{inner}",
        f"64:ff9b::{inner}",
        f"2002:{number >> 16:x}:{number & 65535:x}::",
    ):
        assert kind(ip_address(outer)) == kind(inner)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_a_place_is_read_as_it_is_shown(address: IPv4Address | IPv6Address, port: int) -> None:
    text, number = split_port(shown(address, port))
    assert (ip_address(text.strip("[]")), number) == (address, port)


@pytest.mark.parametrize("text", ["a:0", "a:65536", "a:-1", "a:x", "a:", "a:\u0661", "a:000080"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(ValueError, match="no port"):
        split_port(text)
