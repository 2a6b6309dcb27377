"""Which hosts may be reached: rules, addresses, refusals."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.host import kind
from sandbox.network import Blocked, Network, Rule
from sandbox.refused import Refused


class Names:
    """A resolver that remembers what it was asked."""

    def __init__(self, **addresses: str) -> None:
        self.addresses = {n.replace("_", "."): a.split() for n, a in addresses.items()}
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if name not in self.addresses:
            raise OSError("unknown")
        return self.addresses[name]


PUBLIC = "93.184.216.34"


def network(*allow: str, **addresses: str) -> Network:
    return Network.allowing(allow, Names(**addresses))


async def reaches(net: Network, host: str, port: int = 443) -> bool:
    try:
        return bool(await net.addresses(host, port))
    except Blocked:
        return False


@pytest.mark.parametrize(
    ("rule", "host", "port", "reached"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "EXAMPLE.org.", 80, True),
        ("example.org", "example.org", 22, False),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "badexample.org", 443, False),
        ("example.org", "example.org.evil.net", 443, False),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("*.example.org", "www.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
        ("*.bücher.example", "www.BÜCHER.example", 443, True),
        (PUBLIC, PUBLIC, 443, True),
        (PUBLIC, "1572395042", 443, True),
        ("example.org", PUBLIC, 443, False),
        ("*.216.34.example", "93.184.216.34", 443, False),
    ],
)
async def test_rules(rule: str, host: str, port: int, reached: bool) -> None:
    async def anywhere(name: str) -> Sequence[str]:
        return [PUBLIC]

    assert await reaches(Network.allowing([rule], anywhere), host, port) is reached


@pytest.mark.parametrize(
    ("rule", "address", "reached"),
    [
        # A name that anybody may have registered leads to no place of ours...
        ("example.org", "10.0.0.1", False),
        ("example.org", "127.0.0.1", False),
        ("example.org", "169.254.169.254", False),
        ("*.example.org", "10.0.0.1", False),
        # ...but a private address is meant where the user says the port of that very name.
        ("example.org:443", "10.0.0.1", True),
        ("*.example.org:443", "10.0.0.1", False),
        ("example.org:443", "127.0.0.1", False),
        ("example.org:443", "169.254.169.254", False),
        ("example.org:443", "::ffff:127.0.0.1", False),
        ("example.org:443", "0.0.0.0", False),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("wiki", "10.0.0.1", True),
        ("wiki.lan", "192.168.0.7", True),
        ("metadata.google.internal", "169.254.169.254", False),
    ],
)
async def test_addresses_that_are_not_public(rule: str, address: str, reached: bool) -> None:
    async def there(name: str) -> Sequence[str]:
        return [address]

    name = Rule.parse(rule).host if not rule.startswith("*.") else f"www.{rule[2:]}".split(":")[0]
    assert await reaches(Network.allowing([rule], there), str(name)) is reached


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "10.0.0.5", "::1", "fe80::1"])
async def test_an_address_is_reached_where_that_very_one_is_named(address: str) -> None:
    place = f"[{address}]" if ":" in address else address
    assert await reaches(network(f"{place}:8080"), address, 8080)
    assert not await reaches(network(f"{place}:8080"), address)
    assert not await reaches(network("example.org", "localhost"), address)


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    net = network("example.org", example_org=f"{PUBLIC} 10.0.0.1")
    with pytest.raises(Blocked, match=r"example.org:443.*10\.0\.0\.1, a private address.*--allow"):
        await net.addresses("example.org", 443)


async def test_a_name_that_is_not_allowed_is_never_looked_up() -> None:
    names = Names(secret_evil_net=PUBLIC)
    net = Network.allowing(["example.org"], names)
    with pytest.raises(
        Blocked, match=r"secret\.evil\.net:443.*allow-list.*--allow secret.evil.net"
    ):
        await net.addresses("secret.evil.net", 443)
    assert names.asked == []


async def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(Blocked, match=r"example\.org.*no address"):
        await network("example.org").addresses("example.org", 443)


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "*.org", "https://example.org/", "a b", "x:99999", "*.10.0.0.1", "a/8"]
)
def test_what_cannot_be_allowed_is_a_sentence(text: str) -> None:
    with pytest.raises(Refused, match="Cannot allow") as refusal:
        Rule.parse(text)
    assert "\n" not in str(refusal.value)


def test_the_address_of_a_page_is_told_from_its_domain() -> None:
    with pytest.raises(Refused, match=r"write the domain alone: example\.org$"):
        Rule.parse("https://example.org/a/b")


@given(st.text(max_size=30))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = Rule.parse(text)
    except Refused:
        return
    assert rule.matches(rule.host, rule.port or 443) is not rule.below


@given(st.ip_addresses())
async def test_a_wildcard_leads_to_public_addresses_only(address: object) -> None:
    async def there(name: str) -> Sequence[str]:
        return [str(address)]

    reached = await reaches(Network.allowing(["*.example.org"], there), "www.example.org")
    assert reached == (kind(address) == "public")  # type: ignore[arg-type]


def test_refusals_are_told_once_and_all_are_counted() -> None:
    net = network()
    for n in [*range(25), *range(25)]:
        net.refuse(f"No {n}.")
    told = net.drain()
    assert told[:2] == ("No 0.", "No 1.")
    assert len(told) == 21
    assert told[-1] == "10 more connections were refused."
    assert net.refusals == 50
    assert net.drain() == ()


def test_what_listens_inside_is_reached_directly_unless_it_is_allowed() -> None:
    assert network("example.org").environment["no_proxy"] == "localhost,127.0.0.1,::1"
    assert network("localhost:8080").environment["NO_PROXY"] == "127.0.0.1,::1"
    assert network("a.localhost").environment["no_proxy"] == "127.0.0.1,::1"
    assert network().environment["https_proxy"] == "http://127.0.0.1:3128"
