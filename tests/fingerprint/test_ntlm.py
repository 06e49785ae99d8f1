from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spnego._ntlm_raw.messages import (
    AvId,
    Challenge,
    FileTime,
    Negotiate,
    NegotiateFlags,
    TargetInfo,
    Version,
)

from challenges import HEAD, NT_4, REAL, WINDOWS_2003, WITH_PAIRS, WITHOUT_PAIRS, built, pair
from imcprobe.evidence import Ntlm
from imcprobe.fingerprint.ntlm import (
    MAX_LINE,
    MAX_MESSAGE,
    MAX_NAME,
    NEGOTIATE,
    challenge_of,
    decode,
    hints,
    windows_name,
)
from imcprobe.knowledge.nt import NT, NtRelease
from imcprobe.meaning import Channel
from imcprobe.safetext import to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("netbios_domain", "netbios_computer", "dns_domain", "dns_computer", "dns_forest")


def read(message: bytes) -> Ntlm:
    found = decode(message)
    assert found is not None
    return found


def test_negotiate_is_what_nmap_sends_without_claiming_to_be_a_windows() -> None:
    nmap = base64.b64decode("TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbEdAAAADw==")
    assert nmap[:32] + bytes(7) + b"\x0f" == NEGOTIATE


def test_negotiate_has_no_credentials_domain_or_workstation() -> None:
    message = Negotiate.unpack(NEGOTIATE)
    assert (message.domain_name, message.workstation) == (None, None)
    assert not message.flags & (
        NegotiateFlags.oem_domain_name_supplied | NegotiateFlags.oem_workstation_supplied
    )
    assert message.flags & NegotiateFlags.version
    assert message.flags & NegotiateFlags.request_target


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (WITHOUT_PAIRS, Ntlm(WITHOUT_PAIRS, target="Server", windows=(6, 0, 6000))),
        (
            WITH_PAIRS,
            Ntlm(
                WITH_PAIRS,
                target="Server",
                netbios_domain="Domain",
                netbios_computer="Server",
                windows=(6, 0, 6000),
            ),
        ),
        (NT_4, Ntlm(NT_4, target="EXAMPLE")),
        (
            WINDOWS_2003,
            Ntlm(
                WINDOWS_2003,
                target="EXAMPLE-001",
                netbios_domain="EXAMPLE-001",
                netbios_computer="EXAMPLE-001",
                dns_domain="example-001",
                dns_computer="example-001",
                windows=(5, 2, 3790),
            ),
        ),
    ],
    ids=["MS-NLMP 4.2.3.3", "MS-NLMP 4.2.4.3", "Q262945", "MS-SMTPNTLM 4.2"],
)
def test_a_documented_challenge_is_read_as_documented(message: bytes, said: Ntlm) -> None:
    assert decode(message) == said
    assert decode(challenge_of(base64.b64encode(message).decode()) or b"") == said


_name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_pair = st.fixed_dictionaries(
    {},
    optional={
        AvId.nb_computer_name: _name,
        AvId.nb_domain_name: _name,
        AvId.dns_computer_name: _name,
        AvId.dns_domain_name: _name,
        AvId.dns_tree_name: _name,
        AvId.flags: st.integers(0, 7),
        AvId.timestamp: st.just(FileTime.now()),
        AvId.target_name: _name,
        AvId.channel_bindings: st.binary(min_size=16, max_size=16),
    },
)
_version = st.builds(
    Version, st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535), st.integers(0, 255)
)


@settings(max_examples=300, deadline=None)
@given(
    flags=st.integers(0, 0xFFFFFFFF).map(lambda bits: bits & ~NegotiateFlags.version),
    challenge=st.binary(min_size=8, max_size=8),
    target=st.none() | _name,
    pairs=_pair,
    version=st.none() | _version,
)
def test_of_any_valid_challenge_it_reads_what_pyspnego_reads(
    flags: int, challenge: bytes, target: str | None, pairs: dict[AvId, object], version: Version | None
) -> None:
    info = TargetInfo()
    for kind, value in pairs.items():
        info[kind] = value
    message = Challenge(flags, challenge, target, info or None, version, encoding="utf-8").pack()
    theirs, ours = Challenge.unpack(message, encoding="utf-8"), read(message)
    named: dict[AvId, object] = theirs.target_info or {}
    assert ours.challenge == message
    assert ours.target == theirs.target_name == target
    assert ours.netbios_computer == named.get(AvId.nb_computer_name)
    assert ours.netbios_domain == named.get(AvId.nb_domain_name)
    assert ours.dns_computer == named.get(AvId.dns_computer_name)
    assert ours.dns_domain == named.get(AvId.dns_domain_name)
    assert ours.dns_forest == named.get(AvId.dns_tree_name)
    if version is None:
        assert ours.windows is None
    else:
        assert theirs.version is not None
        assert ours.windows == (theirs.version.major, theirs.version.minor, theirs.version.build)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"NTLMSSP\0",
        NEGOTIATE,
        b"NTLMSSP\0\3\0\0\0" + WITH_PAIRS[12:],
        b"ntlmssp\0" + WITH_PAIRS[8:],
        b" " + WITH_PAIRS,
        HEAD[:-1],
        WITH_PAIRS + bytes(MAX_MESSAGE),
    ],
    ids=["empty", "signature", "NEGOTIATE", "AUTHENTICATE", "small letters", "moved", "type cut", "too long"],
)
def test_what_is_no_challenge_is_none(message: bytes) -> None:
    assert decode(message) is None


@pytest.mark.parametrize("message", REAL)
def test_a_challenge_that_is_cut_short_says_what_it_still_has(message: bytes) -> None:
    whole = read(message)
    for end in range(len(HEAD), len(message)):
        found = read(message[:end])
        for name in (*NAMES, "target", "windows"):
            assert getattr(found, name) in (None, getattr(whole, name))
        assert (found.windows == whole.windows) == (end >= 56 or whole.windows is None)


@pytest.mark.parametrize(
    "place",
    [(2, len(WITH_PAIRS) - 1), (2, 0xFFFFFFFF), (2, 0), (2, 31), (0xFFFF, 56), (3, 56)],
    ids=["ends outside", "far outside", "signature", "header", "too long", "odd"],
)
@pytest.mark.parametrize(("at", "names"), [(12, ("target",)), (40, NAMES)], ids=["target", "information"])
def test_what_a_field_points_to_outside_of_the_payload_is_none(
    place: tuple[int, int], at: int, names: tuple[str, ...]
) -> None:
    length, offset = place
    message = bytearray(WITH_PAIRS)
    struct.pack_into("<HHI", message, at, length, length, offset)
    found, whole = read(bytes(message)), read(WITH_PAIRS)
    assert {getattr(found, name) for name in names} == {None}
    assert at == 12 or found.target == whole.target
    assert at == 40 or found.netbios_domain == whole.netbios_domain


@pytest.mark.parametrize(
    ("info", "domain", "computer"),
    [
        (pair(2, b"D\0") + pair(1, b"C\0") + bytes(4), "D", "C"),
        (pair(2, b"D\0") + pair(1, b"C\0"), "D", "C"),
        (pair(2, b"D\0") + bytes(4) + pair(1, b"C\0"), "D", None),
        (pair(2, b"D\0") + pair(1, b"C\0")[:-1], "D", None),
        (pair(2, b"D\0") + b"\1\0\xff", "D", None),
        (pair(2, b"D\0") + pair(2, b"E\0"), "E", None),
        (pair(2, b"D") + pair(1, b"C\0"), None, "C"),
        (pair(2, b"") + pair(1, b"C\0"), None, "C"),
        (pair(77, b"x") + pair(1, b"C\0"), None, "C"),
        (pair(2, "x".encode("utf-16-le") * (MAX_NAME + 1)) + pair(1, b"C\0"), None, "C"),
        (pair(2, "x".encode("utf-16-le") * MAX_NAME), "x" * MAX_NAME, None),
        (pair(1, b"") * 2000, None, None),
    ],
    ids=[
        "whole",
        "no end",
        "behind the end",
        "cut value",
        "cut head",
        "twice",
        "odd",
        "empty",
        "unknown",
        "too long for a name",
        "as long as a name may be",
        "many",
    ],
)
def test_a_list_of_pairs_is_read_as_far_as_it_goes(
    info: bytes, domain: str | None, computer: str | None
) -> None:
    found = read(built(info))
    assert (found.netbios_domain, found.netbios_computer) == (domain, computer)
    assert (found.target, found.windows) == ("E", (6, 1, 7601))


def test_a_version_counts_only_with_its_flag_and_in_its_place() -> None:
    assert read(built()).windows == (6, 1, 7601)
    assert read(built(flags=1)).windows is None
    moved = bytearray(built())
    struct.pack_into("<I", moved, 16, 48)  # the name where the version should be
    assert read(bytes(moved)).windows is None


@pytest.mark.parametrize(
    ("target", "flags", "said"),
    [
        (b"\x00\xd8E\0", 1, "\ufffdE"),
        (b"\x80\xdcE\0", 1, "\ufffdE"),
        (b"\x3d\xd8\x00\xde", 1, "\U0001f600"),
        (b"\x1b\0\x2e\x20", 1, "\x1b\u202e"),
        (b"EX\xe9", 2, "EX\udce9"),
        ("EX\u00e9".encode(), 2, "EX\u00e9"),
        (b"x" * (MAX_NAME + 1), 2, None),
    ],
    ids=["high half", "low half", "both halves", "control and bidi", "code page", "UTF-8", "long"],
)
def test_text_is_kept_and_can_always_be_written(target: bytes, flags: int, said: str | None) -> None:
    found = read(built(target=target, flags=flags))
    assert found.target == said
    if said is not None:
        assert to_bytes(said).decode("utf-8", "surrogateescape") == said


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", HEAD]))
def test_whatever_the_bytes_it_never_raises(data: bytes, head: bytes) -> None:
    found = decode(head + data)
    assert (found is None) == (not (head + data).startswith(HEAD))
    if found is not None:
        hints(found)


@settings(max_examples=2000, deadline=None)
@given(
    st.sampled_from(REAL),
    st.lists(st.tuples(st.integers(12, 180), st.sampled_from([0, 1, 0x7F, 0x80, 0xD8, 0xFF])), max_size=6),
    st.integers(12, 200),
)
def test_of_a_challenge_with_other_bytes_in_it_every_name_is_bounded_and_can_be_written(
    message: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    changed = bytearray(message)
    for at, byte in changes:
        changed[at % len(changed)] = byte
    found = decode(bytes(changed[:end]))
    for name in ("target", *NAMES) if found else ():
        text = getattr(found, name)
        assert text is None or 0 < len(text) <= MAX_NAME
        assert text is None or text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ntlm supported",
        "NTLM supported.",
        "TlRM TVNT",
        "TlRMTVNTUAA",
        "TlRMTVNTUAA=\n",
        " TlRMTVNTUAA=",
        "TlRMTVNTUAA==",
        "TlRMTVNTUAA=TlRM",
        "TlRM-_NT",
        "TlRMTVNTUAÄ=",
        "\udc80\udcff",
        "=",
        "A" * (MAX_LINE + 4),
    ],
)
def test_what_is_no_base64_is_no_challenge(text: str) -> None:
    assert challenge_of(text) is None


def test_base64_gives_its_bytes() -> None:
    assert challenge_of("TlRMTVNTUAA=") == b"NTLMSSP\0"
    assert challenge_of("A" * MAX_LINE) == bytes(MAX_MESSAGE)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()))
def test_whatever_the_text_of_the_reply_it_never_raises(text: str) -> None:
    found = challenge_of(text)
    assert found is None or base64.b64encode(found)[:-4].decode() == text[:-4]


@pytest.mark.parametrize("row", NT, ids=lambda row: ".".join(map(str, row.version)))
def test_each_windows_is_named_with_the_exchange_releases_that_it_carries(row: NtRelease) -> None:
    (hint,) = hints(Ntlm(b"", windows=row.version))
    assert windows_name(row.version) == row.name
    assert hint.channel is Channel.NTLM
    assert hint.reading == f"consistent with {row.name}, which carries {row.carries}"
    assert hint.evidence == ".".join(map(str, row.version))
    assert hint.source == row.source
    assert row.carries.startswith("Exchange ")


def test_rows_are_sorted_and_unique() -> None:
    versions = [row.version for row in NT]
    assert versions == sorted(set(versions))


def test_a_challenge_tells_its_windows() -> None:
    (hint,) = hints(read(built()))
    assert hint.reading == (
        "consistent with Windows Server 2008 R2 SP1, which carries Exchange 2007 (from SP3), 2010 or 2013"
    )
    assert hint.evidence == "6.1.7601"


def test_without_version_and_target_information_it_is_consistent_with_nt_4() -> None:
    (hint,) = hints(read(NT_4))
    assert hint.reading == "consistent with Windows NT 4.0"
    assert hint.evidence == "flags 0x400182b5"
    assert "one transcript" in hint.source


@pytest.mark.parametrize(
    "change",
    [
        lambda: WITHOUT_PAIRS,
        lambda: built(flags=1, info=pair(2, b"D\0")),
        lambda: NT_4[:31],
        lambda: HEAD,
        lambda: WITHOUT_PAIRS[:50],
    ],
    ids=["a version not in the table", "information", "no room for flags", "head alone", "version cut off"],
)
def test_what_says_no_more_gives_no_hint(change: Callable[[], bytes]) -> None:
    assert hints(read(change())) == ()
    assert windows_name((6, 0, 6000)) is None
