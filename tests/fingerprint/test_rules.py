"""Rules of the core that are easily lost: bounds to the unit, orders, and what is no answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from imcprobe.addresses import read_ranges
from imcprobe.errors import InputError, TargetError
from imcprobe.fingerprint.ehlo import telling, with_keywords
from imcprobe.fingerprint.identify import conclude, identify
from imcprobe.fingerprint.reply import is_single
from imcprobe.knowledge.keywords import GENERATIONS
from imcprobe.model import Family, Match, Observation, Status, Target
from imcprobe.outputs.formats import FORMATS
from imcprobe.outputs.records import Head
from imcprobe.safetext import quoted, restore, safe
from imcprobe.sources.records import read_records
from imcprobe.targets import parse

if TYPE_CHECKING:
    from imcprobe.knowledge.keywords import KeywordRow
    from imcprobe.targets import Targets

NAMED = b"Microsoft Exchange Internet Mail Service 5.5.2650.21"
LATER = "220 mx.example.com Microsoft ESMTP MAIL Service ready at now\r\n"
LONGEST_REPLY = 65_536


# Targets


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (parse(["a.example.com"]), parse(["b.example.com"])),
        (parse(["a.example.com"]), parse([])),
        (parse(["10.0.0.1", "a.example.com"]), parse(["10.0.0.1"])),
        (parse(["h"], exclude=["a.example.com"]), parse(["h"], exclude=["b.example.com"])),
        (parse(["a.example.com:26"]), parse(["a.example.com:27"])),
    ],
    ids=["another", "none", "beside an address", "excluded", "port"],
)
def test_the_digest_knows_names(one: Targets, other: Targets) -> None:
    assert one.digest != other.digest


def test_ports_of_their_own_come_after_the_common_ones_and_in_order() -> None:
    targets = parse(["10.0.0.1:587", "10.0.0.1:26", "10.0.0.1:465", "10.0.0.2"], ports=(2525, 25))
    assert [target.port for target in targets] == [2525, 25, 26, 465, 587]


def test_octet_ranges_may_fall_into_65536_pieces_and_no_more() -> None:
    assert len(read_ranges("0-255.0-255.0.1-2") or []) == 65_536
    with pytest.raises(
        TargetError, match=r"0-40\.0-39\.0-39\.1-2 falls into 65,600 pieces\. Give networks\."
    ):
        read_ranges("0-40.0-39.0-39.1-2")


def test_a_zone_is_as_long_as_the_name_of_an_interface_may_be() -> None:
    assert list(parse([f"fe80::1%{'e' * 15}"])) == [Target(f"fe80::1%{'e' * 15}")]
    with pytest.raises(TargetError):
        parse([f"fe80::1%{'e' * 16}"])


# What is shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u2800b", r"a\xe2\xa0\x80b"),
        ("a\u20dd", r"a\xe2\x83\x9d"),
        ("a\u0488", r"a\xd2\x88"),
        ("\u115f\u1160\uffa0", r"\xe1\x85\x9f\xe1\x85\xa0\xef\xbe\xa0"),
    ],
    ids=["braille blank", "enclosing circle", "enclosing Cyrillic sign", "fillers"],
)
def test_blank_letters_and_enclosing_marks_are_written_as_bytes(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert restore(shown) == text.encode()


@pytest.mark.parametrize(
    ("text", "shown"), [("a" * 80, f'"{"a" * 80}"'), ("a" * 81, f'"{"a" * 79}\u2026"'), ("\x1b", r'"\x1b"')]
)
def test_a_message_quotes_eighty_characters_at_the_most(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_a_target_is_quoted_no_longer_in_its_message() -> None:
    with pytest.raises(TargetError) as caught:
        parse(["x " * 100])
    assert str(caught.value) == f'"{"x " * 39}x\u2026" is not an address, network, range or host name.'


# EHLO


def products(*keywords: str) -> str | None:
    found = identify(LATER)
    assert found is not None
    return with_keywords(found, telling(["mx.example.com Hello", *keywords])).product


@pytest.mark.parametrize(
    ("row", "keyword"),
    [
        (row, keyword)
        for row in GENERATIONS
        if Family.EXCHANGE_2007 in row.families
        for keyword in sorted(row.absent)
    ],
    ids=lambda value: value if isinstance(value, str) else value.generation,
)
def test_a_keyword_that_must_be_absent_rules_a_generation_out(row: KeywordRow, keyword: str) -> None:
    name = f"Exchange 2007 or later, consistent with {row.generation}"
    assert products(*row.present) == name
    assert products(*row.present, keyword) != name


@pytest.mark.parametrize(
    "keywords",
    [
        ["XEXCH50", "X-LINK2STATE"],
        ["XEXCH50", "X-LINK2STATE", "XRDST"],
        ["XEXCH50", "X-LINK2STATE", "XRDST", "SMTPUTF8"],
    ],
    ids=" ".join,
)
def test_keywords_of_no_generation_narrow_nothing(keywords: list[str]) -> None:
    assert products(*keywords) == "Exchange 2007 or later"


# Greetings


@pytest.mark.parametrize(
    "other", ["mx.example.com ESMTP Postfix", "mx.example.com Microsoft ESMTP MAIL Service ready at now"]
)
def test_a_line_that_names_the_service_without_a_build_wins_over_another_server(other: str) -> None:
    service = "Microsoft Exchange Internet Mail Service"
    for first, last in ((service, other), (other, service)):
        found = identify(f"220-{first}\r\n220 {last}\r\n")
        assert found is not None
        assert (found.family, found.product, found.build) == (Family.EXCHANGE_IMS, "Exchange Server", None)


@pytest.mark.parametrize("code", [200, 211, 221, 250, 300, 334, 354, 399])
def test_a_code_that_neither_greets_nor_refuses_says_nothing(code: int) -> None:
    assert identify(b"%d %b\r\n" % (code, NAMED)) is None


@pytest.mark.parametrize("code", [400, 421, 450, 500, 554, 599])
def test_a_code_from_400_on_is_a_refusal(code: int) -> None:
    found = identify(b"%d %b\r\n" % (code, NAMED))
    assert found is not None
    assert (found.family, found.releases) == (Family.REFUSED, ())


@pytest.mark.parametrize(
    "start", ["HTTP/1.1 400", "SSH-2.0-x", "+OK", "-ERR", "* OK", "* BYE", "* PREAUTH", "2200"]
)
def test_the_words_of_another_protocol_are_no_smtp_whatever_follows(start: str) -> None:
    assert identify(f"{start} mx.example.com ESMTP\r\n") is None
    assert identify(f"{start} {NAMED.decode()} ready\r\n") is None


@pytest.mark.parametrize("status", [Status.IO_TIMEOUT, Status.CONNECTION_CLOSED, Status.CONNECTION_RESET])
@pytest.mark.parametrize(
    ("code", "concluded"), [(220, True), (221, False), (250, False), (421, False), (554, False)]
)
def test_an_unfinished_reply_says_something_only_when_it_greets(
    status: Status, code: int, concluded: bool
) -> None:
    data = b"%d-%b ready\r\n%d-m" % (code, NAMED, code)
    found = conclude(Observation(Target("192.0.2.1"), "192.0.2.1", status, greeting=data)).identification
    assert (found is not None) is concluded


# Bounds


def test_the_fast_look_ends_where_a_reply_must() -> None:
    longest = b"220 " + b"a" * (LONGEST_REPLY - 6) + b"\r\n"
    assert is_single(longest)
    assert not is_single(longest[:-2] + b"a\r\n")


@pytest.mark.parametrize(
    ("length", "match"), [(LONGEST_REPLY, Match.EXACT), (LONGEST_REPLY + 1, Match.NONE), (10_000_000, None)]
)
def test_of_a_long_greeting_the_first_64_kilobytes_count(length: int, match: Match | None) -> None:
    tail = NAMED + b" "
    found = identify(b"220 " + b"a" * (length - 5 - len(tail)) + b" " + tail)
    assert found is not None
    assert (found.family is Family.EXCHANGE_IMS) is (match is not None)
    assert found.match is (match or Match.NONE)


def stored(attempts: int = 1, milliseconds: float | None = None) -> bytes:
    """A file of one record that says so."""
    writer = FORMATS["jsonl"]()
    seen = Observation(Target("192.0.2.1"), "192.0.2.1", Status.SUCCESS, b"220 x\r\n")
    record = json.loads(writer.row(conclude(seen)))
    times = {"connect_ms": None, "greeting_ms": milliseconds}
    record |= {"attempts": attempts, "times": times}
    return f"{writer.start(Head('0.1.0', 0.0, 1))}{json.dumps(record)}\n".encode()


def test_a_stored_record_may_say_a_thousand_attempts_and_almost_a_week() -> None:
    (seen,) = read_records(stored(attempts=1000, milliseconds=604_799_999.9), "a.jsonl")
    assert (seen.attempts, seen.times.greeting_ms) == (1000, 604_799_999.9)


@pytest.mark.parametrize(
    "data",
    [stored(attempts=1001), stored(milliseconds=604_800_000.0), stored(milliseconds=-0.1)],
    ids=["attempts", "a week", "before the beginning"],
)
def test_a_stored_record_that_says_more_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl line 2 is no result record of imcprobe"):
        list(read_records(data, "a.jsonl"))
