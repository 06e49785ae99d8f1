"""What DNS says of domains and addresses: mail hosts, reverse names; and what it cannot do to a scan."""

from __future__ import annotations

import asyncio
import errno
import io
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import imcprobe
from imcprobe.errors import ImcprobeError, TargetError
from imcprobe.probe.names import MAX_MAIL_HOSTS, MAX_REVERSE_NAMES, mail_hosts, reverse_names
from imcprobe.probe.sockets import is_literal

if TYPE_CHECKING:
    NameServer = Any

pytest.importorskip("dns")
from dns.asyncresolver import Resolver
from dns.name import Name

GARBAGE = b"\xff" * 40
HIDDEN = "import sys; sys.modules['dns'] = None; "


async def test_mail_hosts_come_in_the_order_of_preference(name_server: NameServer) -> None:
    name_server.records["example.com MX"] = [
        "20 b.example.net.",
        "10 MX2.example.com.",
        "20 a.example.net.",
        "10 mx1.example.com.",
    ]
    found = await imcprobe.mail_hosts("Example.COM.", resolver=name_server.resolver)
    assert found == ("mx1.example.com", "mx2.example.com", "a.example.net", "b.example.net")


async def test_a_host_with_two_preferences_comes_once_where_it_is_first(name_server: NameServer) -> None:
    name_server.records["example.com MX"] = ["10 a.example.com.", "20 b.example.com.", "30 A.example.com."]
    assert await mail_hosts("example.com", resolver=name_server.resolver) == (
        "a.example.com",
        "b.example.com",
    )


@pytest.mark.parametrize("address", ["example.com A", "example.com AAAA"])
async def test_without_mail_hosts_a_domain_with_an_address_takes_its_mail_itself(
    name_server: NameServer, address: str
) -> None:
    name_server.records[address] = ["192.0.2.1" if address.endswith(" A") else "2001:db8::1"]
    assert await mail_hosts("example.com", resolver=name_server.resolver) == ("example.com",)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({"example.com MX": ["0 ."]}, "says that it takes no mail (null MX, RFC 7505)."),
        ({"example.com TXT": ['"x"']}, "has no mail hosts and no address. Nothing takes its mail."),
        ({}, "does not exist in DNS. Check its spelling."),
        ({"example.com MX": "SERVFAIL"}, ": no name server could answer (SERVFAIL)."),
        ({"example.com MX": "REFUSED"}, ": no name server could answer (REFUSED)."),
        ({"example.com MX": "YXDOMAIN"}, "cannot be looked up: The DNS query name is too long"),
        ({"example.com MX": None}, ": no answer from the name servers in time. Try again."),
        ({"example.com MX": GARBAGE}, ": no answer from the name servers in time. Try again."),
        ({"example.com MX": ["10 192.0.2.1.", "20 10.0.0.1-50."]}, "what its MX records name are no host"),
        (
            {"example.com MX": [f"10 mx{number}.example.com." for number in range(1000)]},
            "has 1,000 mail hosts, more than 64. Name those that you mean.",
        ),
    ],
)
async def test_a_domain_without_mail_hosts_is_told_in_one_line(
    name_server: NameServer, records: dict[str, Any], said: str
) -> None:
    limit = 0.3 if records.get("example.com MX", "") in (None, GARBAGE) else 10.0
    name_server.records |= records
    with pytest.raises(ImcprobeError) as raised:
        await mail_hosts("example.com", resolver=name_server.resolver, limit=limit)
    assert said in str(raised.value)
    assert str(raised.value).startswith('"example.com"')
    assert not isinstance(raised.value, imcprobe.UsageError)
    assert "\n" not in str(raised.value)


async def test_a_name_server_that_cannot_be_reached_is_told(name_server: NameServer) -> None:
    from dns.nameserver import Do53Nameserver

    class Away(Do53Nameserver):
        async def async_query(self, *_arguments: Any, **_more: Any) -> Any:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    resolver = name_server.resolver
    resolver.nameservers = [Away("192.0.2.53")]
    with pytest.raises(ImcprobeError, match=r'^"example.com": .* answer \(Network is unreachable\)\.$'):
        await mail_hosts("example.com", resolver=resolver)
    resolver.nameservers = []
    with pytest.raises(ImcprobeError, match=r"could answer \(none is left to ask\)\.$"):
        await mail_hosts("example.com", resolver=resolver)


async def test_what_is_no_host_name_is_passed_over(name_server: NameServer) -> None:
    """Nobody's DNS makes imcprobe connect to a network, or show what it must not."""
    bad = ["10.0.0.0-255", "10.0-255.1.1", "192.0.2.1", "a\\032b.example.com", "\\027[2Jx", "fe80::1%1", "."]
    label = "x" * 63
    bad += [f"{label}.{label}.{label}.{'y' * 61}", "a:25", "10.0.0.0/8", "\\255\\254.example.com"]
    name_server.records["example.com MX"] = [f"5 {name.rstrip('.')}." for name in bad] + [
        "10 mx.example.com."
    ]
    found = await mail_hosts("example.com", resolver=name_server.resolver)
    assert found == (f"{label}.{label}.{label}.{'y' * 61}", "mx.example.com")


async def test_as_many_hosts_as_there_may_be(name_server: NameServer) -> None:
    name_server.records["example.com MX"] = [f"10 mx{at}.example.com." for at in range(MAX_MAIL_HOSTS)]
    assert len(await mail_hosts("example.com", resolver=name_server.resolver)) == MAX_MAIL_HOSTS


async def test_a_domain_may_be_written_in_its_own_letters(name_server: NameServer) -> None:
    name_server.records["xn--bcher-kva.example MX"] = ["10 mx.example.com."]
    found = await mail_hosts("b\u00fccher.example", resolver=name_server.resolver)
    assert found == ("mx.example.com",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", '"" is no domain. Give one like example.com.'),
        ("user@example.com", '"user@example.com" is no domain'),
        ("10.0.0.1", '"10.0.0.1" is no domain'),
        ("10.0.0.0/8", '"10.0.0.0/8" is no domain'),
        ("10.0.0.1-50", '"10.0.0.1-50" is no domain'),
        ("fe80::1%eth0", '"fe80::1%eth0" is no domain'),
        ("example.com:25", '"example.com:25" is no domain'),
        ("a..example", '"a..example" is no domain'),
        ("\u00fc..example", "is no domain"),
        ("\u1e9e.example", "may be two domains"),
        ("stra\u00dfe.example", "may be two domains. Write the one you mean as xn--...."),
        ("\x1b[2J", "is no domain"),
        ("\udcff.example", "is no domain"),
        ("x" * 256, "is too long for a domain."),
    ],
)
async def test_what_is_no_domain_is_said_before_anybody_is_asked(
    name_server: NameServer, text: str, said: str
) -> None:
    with pytest.raises(TargetError) as raised:
        await mail_hosts(text, resolver=name_server.resolver)
    assert said in str(raised.value)
    assert str(raised.value).isprintable()
    assert not name_server.asked


@pytest.mark.parametrize("config", ["", "# nothing\n", "nameserver mx.example.com\n"])
async def test_a_machine_that_knows_no_name_server_is_told(
    monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    monkeypatch.setattr("dns.asyncresolver.default_resolver", None)
    monkeypatch.setattr("dns.asyncresolver.Resolver", lambda: Resolver(io.StringIO(config)))
    with pytest.raises(ImcprobeError, match=r"^this machine knows no name server\. Name one in "):
        await mail_hosts("example.com")


# What reverse DNS calls an address.


@pytest.mark.parametrize(
    ("address", "question"),
    [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa PTR"),
        ("127.0.0.1", "1.0.0.127.in-addr.arpa PTR"),
        ("fe80::1%eth0", f"1.{'0.' * 28}8.e.f.ip6.arpa PTR"),
    ],
)
async def test_an_address_has_names(name_server: NameServer, address: str, question: str) -> None:
    name_server.records[question] = ["mx.example.com.", "a.example.com."]
    assert await reverse_names(address, name_server.resolver) == ("a.example.com", "mx.example.com")


@pytest.mark.parametrize("answer", [[], "NXDOMAIN", "SERVFAIL", "YXDOMAIN", None, GARBAGE, ["."]])
async def test_an_address_may_have_none(name_server: NameServer, answer: Any) -> None:
    limit = 0.3 if answer in (None, GARBAGE) else 10.0
    name_server.records["1.2.0.192.in-addr.arpa PTR"] = answer
    assert await reverse_names("192.0.2.1", name_server.resolver, limit=limit) == ()


async def test_names_of_an_address_are_bounded_and_byte_for_byte(name_server: NameServer) -> None:
    many = [f"mx{number}.example.com." for number in range(500)]
    name_server.records["1.2.0.192.in-addr.arpa PTR"] = ["\\255\\027.example.com.", *many]
    found = await reverse_names("192.0.2.1", name_server.resolver)
    assert len(found) == MAX_REVERSE_NAMES
    name_server.records["1.2.0.192.in-addr.arpa PTR"] = ["\\255\\027\\000.\\195\\188.example.com."]
    assert await reverse_names("192.0.2.1", name_server.resolver) == ("\udcff\x1b\x00.\u00fc.example.com",)


# The extra.


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("call", "option"),
    [
        ("asyncio.run(imcprobe.mail_hosts('example.com'))", "mail_hosts"),
        ("asyncio.run(imcprobe.check('127.0.0.1', options=imcprobe.ProbeOptions(ptr=True)))", "ptr"),
    ],
)
def test_the_library_without_the_extra_says_which(call: str, option: str) -> None:
    done = run_python(f"{HIDDEN}import asyncio, imcprobe; {call}")
    last = done.stderr.splitlines()[-1]
    assert (
        last == f"imcprobe.errors.UsageError: {option} needs the \"dns\" extra: pip install 'imcprobe[dns]'"
    )


# Whatever a stranger puts into his DNS.

LABELS = st.one_of(
    st.binary(min_size=1, max_size=63),
    st.text("0123456789-./:%abcx", min_size=1, max_size=12).map(str.encode),
)


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(LABELS, max_size=3)), max_size=6))
def test_only_host_names_come_out_of_dns(records: list[tuple[int, list[bytes]]]) -> None:
    """Nobody makes imcprobe connect to an address, a network or a port that he chose: each is one name."""
    found: tuple[str, ...] = ()
    with suppress(ImcprobeError):
        found = asyncio.run(mail_hosts("example.com", resolver=cast("Any", _Saying(records))))
    for host in found:
        (target,) = imcprobe.parse([host])
        assert target == imcprobe.Target(host)
        assert not is_literal(host)


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(LABELS, max_size=3)), max_size=6))
def test_every_name_of_an_address_can_be_taken(records: list[tuple[int, list[bytes]]]) -> None:
    found = asyncio.run(reverse_names("192.0.2.1", cast("Any", _Saying(records))))
    assert all(0 < len(name.encode("utf-8", "surrogateescape")) <= 255 for name in found)


class _Saying:
    """A resolver that answers every question with these names."""

    def __init__(self, records: list[tuple[int, list[bytes]]]) -> None:
        self.records = [(preference, Name([*labels, b""])) for preference, labels in records]

    async def resolve(self, *_arguments: object, **_more: object) -> list[object]:
        return [
            SimpleNamespace(preference=preference, exchange=name, target=name)
            for preference, name in self.records
        ]
