"""Names and addresses of hosts: one spelling each, and what kind of place an address is.

A name that a resolver would take for an address (`0x7f.1`, `2130706433`, full-width digits) is that
address here too, and an IPv4 address inside of an IPv6 one counts as what it is.
"""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal, TypeAlias

import idna

Address: TypeAlias = IPv4Address | IPv6Address
Host: TypeAlias = str | IPv4Address | IPv6Address
"""A name in lower case, as ASCII and without a final dot; or an address."""

Kind = Literal["public", "private", "loopback", "reserved"]
"""`reserved` is all that nobody reaches by accident: link-local, metadata, multicast and so on."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_METADATA = {
    ip_address(text)
    for text in (
        "100.100.100.200", "168.63.129.16", "169.254.169.254", "192.0.0.192", "fd00:ec2::254",
    )
}  # fmt: skip
"""Where clouds tell a machine its secrets; some of these look public or private."""
_UNICAST = IPv6Network("2000::/3")
_UNIQUE_LOCAL = IPv6Network("fc00::/7")
# Of offices and of providers; `is_private` says true for many more.
_PRIVATE = [
    IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
]
_EMBEDDING = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
"""Their last 32 bits are an IPv4 address: NAT64, and the old compatible form."""
_LOCAL = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def parse_host(text: str) -> Host:
    """The one spelling of a host, IPv6 with or without brackets.

    Raises:
        ValueError: it is neither a name nor an address; the text says why.
    """
    bracketed = text.startswith("[") and text.endswith("]")
    if bracketed or ":" in text:
        return _ipv6(text[1:-1] if bracketed else text)
    name = text.lower() if text.isascii() else _ascii(text)
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text!r} is no name of a host")
    # What browsers and resolvers do: a last part that is a number makes the whole an address.
    return _ipv4(name) if _NUMBER.fullmatch(labels[-1]) else name


def split_port(text: str) -> tuple[str, int | None]:
    """`host:port`, `[address]:port` or a bare host, as the host's text and its port.

    Raises:
        ValueError: the port is no number from 1 to 65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):
        return text, None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is no port")
    return host, int(port)


def kind(address: Address) -> Kind:
    """What an address leads to; whatever is not known to be public is not."""
    if address in _METADATA:
        return "reserved"
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return kind(inner)
        if address.is_global and address in _UNICAST:
            return "public"
        if address.is_loopback:
            return "loopback"
        return "private" if address in _UNIQUE_LOCAL else "reserved"
    if address.is_loopback:
        return "loopback"
    if address.is_global and not (address.is_multicast or address.is_reserved):
        return "public"
    return "private" if any(address in network for network in _PRIVATE) else "reserved"


def is_local(host: Host) -> bool:
    """Whether it can only mean something of this machine or its network: also every address."""
    return not isinstance(host, str) or "." not in host or host.endswith(_LOCAL)


def shown(host: Host, port: int) -> str:
    """`host:port` as in a URL."""
    return f"[{host}]:{port}" if isinstance(host, IPv6Address) else f"{host}:{port}"


def _ascii(text: str) -> str:
    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f"{text!r} is no name of a host ({error})") from error


def _ipv4(name: str) -> IPv4Address:
    try:
        # The forms that resolvers take: octal, hexadecimal, and fewer than four parts.
        return IPv4Address(socket.inet_aton(name))
    except OSError as error:
        raise ValueError(f"{name!r} is no address") from error


def _ipv6(text: str) -> Address:
    if "%" in text:
        raise ValueError(f"{text!r} names a network interface")
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address") from error
    return address.ipv4_mapped or address


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to this one would end at."""
    if int(address) < 2:  # `::` and `::1`
        return None
    if any(address in network for network in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
