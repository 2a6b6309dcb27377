"""Which hosts may be reached: an allow-list, enforced on addresses and not only on names.

A name is looked up on the host, every address it has is judged, and the connection goes to an
address that was judged: a name that changes its address in between leads nowhere. A name that is
not allowed is never looked up. Not covered: what an allowed host is told, and hosts behind it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from sandbox.host import Address, Host, is_local, kind, parse_host, shown, split_port
from sandbox.refused import Refused

RELAY_PORT = 3128
"""Where `lent/relay.py` listens inside a sandbox."""
_USUAL = (80, 443)
_LOOKUP = 10.0
_CONNECT = 15.0
"""Seconds."""
_KEPT = 20
"""Refusals that are told in words between two drains; the rest is counted."""

Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""From a name to its addresses. Raises OSError."""


class Blocked(Exception):
    """A connection that the rules refuse; a sentence with the host, the reason and the mend."""


@dataclass(frozen=True)
class Rule:
    """One entry of the allow-list."""

    host: Host
    port: int | None = None
    """None is 80 and 443."""
    below: bool = False
    """It means all names that end in this one, but not the name itself."""

    @staticmethod
    def parse(text: str) -> "Rule":
        """Read `example.org`, `*.example.org`, `localhost:8080`, `10.0.0.5` or `[::1]:8080`.

        Raises:
            Refused: it is nothing of this kind.
        """
        scheme, found, address = text.partition("://")
        if found and scheme.isalpha():
            name = address.partition("/")[0]
            raise Refused(
                f"Cannot allow '{text}': it is a page's address; write the domain alone: {name}"
            )
        try:
            name, port = split_port(text.strip())
            below = name.startswith("*.")
            host = parse_host(name.removeprefix("*."))
        except ValueError as error:
            raise Refused(
                f"Cannot allow '{text}': {error}; write a domain such as docs.python.org, "
                "*.python.org or localhost:8080."
            ) from None
        if below and (not isinstance(host, str) or "." not in host):
            raise Refused(f"Cannot allow '{text}': it is too wide; write one such as *.python.org")
        return Rule(host, port, below)

    def __str__(self) -> str:
        """As the user writes it."""
        host = f"*.{self.host}" if self.below else str(self.host)
        if self.port is None:
            return host
        return shown(self.host, self.port) if not self.below else f"{host}:{self.port}"

    def matches(self, host: Host, port: int) -> bool:
        """Whether it speaks of this host and port."""
        if port != self.port and (self.port is not None or port not in _USUAL):
            return False
        if self.below:
            return isinstance(host, str) and host.endswith(f".{self.host}")
        return host == self.host

    def admits(self, address: Address) -> bool:
        """Whether the host may have this address: one that is not public has to be meant."""
        what = kind(address)
        if what == "public" or self.host == address:
            return True
        if self.below or what == "reserved":
            return False
        local = is_local(self.host)
        return local or (what == "private" and self.port is not None)


async def look_up(name: str) -> Sequence[str]:
    """The addresses of a name, by the machine's own resolver.

    Raises:
        OSError: it has none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _nobody(sentence: str) -> None:
    """Nobody is told."""


@dataclass
class Network:
    """What one session may reach. Told of refusals by the proxy, asked for them by the sandbox."""

    rules: tuple[Rule, ...]
    resolve: Resolve = look_up
    socket: Path = Path()
    """Of the proxy; to be bound into sandboxes."""
    tell: Callable[[str], None] = _nobody
    """Told of every refusal that is new since the last `drain`."""
    refusals: int = 0
    """All that were ever refused."""
    _untold: list[str] = field(default_factory=list[str])
    _unkept: int = 0

    @staticmethod
    def allowing(domains: Sequence[str], resolve: Resolve = look_up) -> "Network":
        """A network of these domains, written as `Rule.parse` reads them.

        Raises:
            Refused: one cannot be read.
        """
        return Network(tuple(Rule.parse(text) for text in domains), resolve)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables by which commands in a sandbox find the proxy.

        What listens inside the sandbox itself is reached directly, unless that name is allowed.
        """
        proxy = f"http://127.0.0.1:{RELAY_PORT}"
        # Clients take a name for all that end in it, so `files.localhost` counts as localhost.
        hosts = [f".{rule.host}" for rule in self.rules]
        direct = ",".join(
            name
            for name in ("localhost", "127.0.0.1", "::1")
            if not any(host.endswith(f".{name}") for host in hosts)
        )
        found = {f"{scheme}_proxy": proxy for scheme in ("http", "https", "all")}
        found["no_proxy"] = direct
        upper = {name.upper(): value for name, value in found.items()}
        return {**found, **upper, "NODE_USE_ENV_PROXY": "1"}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """Every address of an allowed host; all of them may be connected to.

        Raises:
            Blocked: the rules refuse it, or it has no address.
        """
        try:
            target = parse_host(host)
        except ValueError as error:
            raise Blocked(f"No connection: {error}.") from None
        rules = [rule for rule in self.rules if rule.matches(target, port)]
        place = shown(target, port)
        if not rules:
            mend = str(target) if port in _USUAL else place
            raise Blocked(
                f"No connection to {place}: it is not on the allow-list; "
                f"only the user can allow it, with --allow {mend}."
            )
        found = [target] if not isinstance(target, str) else await self._looked_up(target)
        for address in found:
            if not any(rule.admits(address) for rule in rules):
                raise Blocked(
                    f"No connection to {place}: it leads to {address}, a {kind(address)} address, "
                    f"which only the user can allow, with --allow {shown(address, port)}."
                )
        return found

    async def connect(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to an allowed host, by an address that was judged just now.

        Raises:
            Blocked: the rules refuse it, or it has no address.
            OSError: it does not answer.
        """
        problem: OSError | None = None
        for address in await self.addresses(host, port):
            try:
                async with asyncio.timeout(_CONNECT):
                    return await asyncio.open_connection(str(address), port)
            except OSError as error:  # TimeoutError is one
                problem = error
        raise problem or OSError(f"{host} has no address")

    def refuse(self, sentence: str) -> None:
        """Note what was refused, for the agent and the user."""
        self.refusals += 1
        if sentence in self._untold:
            return
        if len(self._untold) < _KEPT:
            self._untold.append(sentence)
            self.tell(sentence)
        else:
            self._unkept += 1

    def drain(self) -> tuple[str, ...]:
        """What was refused since the last call, each once, in order."""
        told, unkept = self._untold, self._unkept
        self._untold, self._unkept = [], 0
        return (*told, f"{unkept} more connections were refused.") if unkept else tuple(told)

    async def _looked_up(self, name: str) -> Sequence[Address]:
        try:
            async with asyncio.timeout(_LOOKUP):
                found = await self.resolve(name)
            # A scope such as `%eth0` follows link-local addresses only.
            addresses = [ip_address(text.partition("%")[0]) for text in found]
        except (OSError, ValueError, UnicodeError):
            addresses = []
        if not addresses:
            raise Blocked(f"No connection to {name}: the name has no address; correct it.")
        return list(dict.fromkeys(addresses))
