from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.fingerprint.builds import BUILDS
from imcprobe.fingerprint.identify import conclude, identify
from imcprobe.model import (
    Build,
    Caveat,
    Confidence,
    Family,
    Identification,
    Kind,
    Match,
    Observation,
    Release,
    Status,
    Target,
)

IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service {}) ready\r\n"
SP3 = IMS.format("5.5.2650.21").encode()
words = st.sampled_from(
    [
        "220 ",
        "220-",
        "554 ",
        "\r\n",
        " ",
        "(",
        ")",
        "Microsoft Exchange Internet Mail Service ",
        "ESMTP Server ",
        "Internet Mail Connector ",
        "5.5.2650.21",
        "4.0.993.5",
        "9" * 30,
        "Version ",
        "Build ",
        "IMC ",
        "mx ",
        "*",
        "Microsoft ESMTP MAIL Service",
        ", Version: 6.0.3790.4675",
        "\udcff",
        "\ud800",
        "X-Mailer: ",
    ]
)
nearly = st.lists(words).map("".join)


def seen(data: bytes, status: Status = Status.SUCCESS, source: str | None = None) -> Observation:
    return Observation(Target("192.0.2.1"), "192.0.2.1", status, greeting=data, source=source)


def concluded(
    data: bytes, status: Status = Status.SUCCESS, source: str | None = None
) -> Identification | None:
    return conclude(seen(data, status, source)).identification


@given(st.one_of(st.binary(), st.text(alphabet=st.characters()), nearly))
def test_nothing_makes_it_raise(data: bytes | str) -> None:
    identify(data)


@given(
    st.one_of(st.binary(), nearly.map(lambda text: text.encode("utf-8", "ignore"))), st.sampled_from(Status)
)
def test_no_observation_makes_it_raise(data: bytes, status: Status) -> None:
    conclude(seen(data, status))


@given(nearly)
def test_a_release_is_never_named_without_its_product_s_name(text: str) -> None:
    answer = identify(text)
    if answer is not None and answer.releases:
        small = text.casefold()
        assert "internet mail" in small or "imc" in small
        assert answer.build is not None


@pytest.mark.parametrize("row", BUILDS, ids=lambda row: str(row.build))
def test_every_row_is_named_from_a_greeting_with_its_build(row: Release) -> None:
    form = IMS if row.version == "5.5" else "220 mx Microsoft Exchange Internet Mail Service {} ready\r\n"
    if row.version.startswith("4.0"):
        form = "220 mx Microsoft Exchange Internet Mail Connector {} ready\r\n"
    answer = identify(form.format(row.build))
    assert answer is not None
    assert row in answer.releases
    if row.kind is Kind.RELEASE:
        assert answer.match in (Match.EXACT, Match.AMBIGUOUS)


def test_bytes_and_text_are_the_same() -> None:
    assert identify(SP3) == identify(SP3.decode())


def test_bytes_that_are_no_utf_8_change_nothing() -> None:
    answer = identify(
        b"220 mx.example.com \xff\xfe ESMTP (Microsoft Exchange Internet Mail Service 5.5.2653.13) \xff"
    )
    assert answer is not None
    assert answer.match is Match.EXACT


@pytest.mark.parametrize(
    ("build", "cpe"),
    [
        ("5.5.2650.21", "5.5:sp3"),
        ("5.5.1960.3", "5.5:-"),
        ("5.5.2656.59", "5.5:sp4"),
        ("5.5.2652.50", "5.5:sp3"),
        ("5.5.2232.0", "5.5:*"),
        ("5.5.9999.1", "5.5:*"),
        ("5.5.1700.1", "5.5:*"),
        ("5.5.2650", "5.5:*"),
        ("5.5.2650.24", "5.5:*"),
        ("5.0.2653.13", "5.5:*"),
    ],
)
def test_the_cpe_name_has_the_service_pack_where_it_is_certain(build: str, cpe: str) -> None:
    answer = identify(IMS.format(build))
    assert answer is not None
    assert answer.cpe == (f"cpe:2.3:a:microsoft:exchange_server:{cpe}:*:*:*:*:*:*",)


@pytest.mark.parametrize(
    ("build", "pack"),
    [
        ("5.5.2650.21", "SP4"),
        ("5.5.2653.13", None),
        ("5.5.2650", "SP4"),
        ("5.5.1960.3", "SP1"),
        ("5.5.x", None),
    ],
)
def test_the_next_service_pack_is_named(build: str, pack: str | None) -> None:
    answer = identify(IMS.format(build))
    assert answer is not None
    assert answer.superseded_by == pack


def test_support_is_that_of_the_product() -> None:
    answer = identify(SP3)
    assert answer is not None
    assert answer.support is not None
    assert (answer.support.state, answer.support.date) == ("ended", "2006-01-10")
    postfix = identify("220 mx.example.com ESMTP Postfix\r\n")
    assert postfix is not None
    assert postfix.support is None


def test_a_greeting_of_ten_megabytes_is_no_trouble() -> None:
    assert identify(SP3[:-2] + b"a" * 10_000_000) is not None


# What a live connection adds.


def test_the_whole_reply_counts() -> None:
    answer = concluded(SP3)
    assert answer is not None
    assert (answer.build, answer.caveats) == ("5.5.2650.21", ())


@pytest.mark.parametrize("tail", [b"250-evil\r\n250 INJECTED\r\n", b"220 Postfix ESMTP\r\n", b"x"])
def test_bytes_behind_the_greeting_are_a_caveat_and_nothing_else(tail: bytes) -> None:
    plain, answer = concluded(SP3), concluded(SP3 + tail)
    assert plain is not None
    assert answer is not None
    assert answer.caveats == (Caveat.EARLY_DATA,)
    assert (answer.releases, answer.host, answer.confidence) == (plain.releases, plain.host, plain.confidence)


def test_a_refusal_names_no_release() -> None:
    answer = concluded(SP3.replace(b"220", b"554"), Status.APPLICATION_ERROR)
    assert answer is not None
    assert (answer.family, answer.product, answer.releases) == (Family.REFUSED, "Exchange Server", ())
    assert not answer.exchange


@pytest.mark.parametrize("status", [Status.IO_TIMEOUT, Status.CONNECTION_CLOSED, Status.CONNECTION_RESET])
@pytest.mark.parametrize("cut", [b"", b"220", SP3[:60], SP3[:-2], SP3[:-20]])
def test_half_a_line_says_nothing(status: Status, cut: bytes) -> None:
    assert concluded(cut, status) is None


def test_the_whole_lines_of_an_unfinished_greeting_say_what_they_say_with_a_doubt() -> None:
    answer = concluded(SP3.replace(b"220 ", b"220-") + b"220 mo", Status.IO_TIMEOUT)
    assert answer is not None
    assert answer.releases[0].build == Build(5, 5, 2650, 21)
    assert (answer.caveats, answer.confidence) == ((Caveat.TRUNCATED,), Confidence.LOW)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (SP3, Status.PROTOCOL_ERROR),
        (SP3[4:], Status.SUCCESS),
        (SP3[:-2], Status.SUCCESS),
        (b"", Status.SUCCESS),
        (b"", Status.CONNECTION_REFUSED),
        (b"220-vsFTPd\r\n220 x", Status.IO_TIMEOUT),
        (b"SSH-2.0\r\n", Status.CONNECTION_CLOSED),
    ],
)
def test_a_live_connection_must_speak_smtp(data: bytes, status: Status) -> None:
    assert concluded(data, status) is None


def test_stored_text_may_lack_its_code() -> None:
    assert concluded(SP3[4:], source="text") == identify(SP3[4:])


def test_stored_records_are_judged_like_live_ones() -> None:
    assert concluded(SP3[4:], source="records") is None


@pytest.mark.parametrize(
    "piece", [b"by x (", b"by ", b"imc (", b"* ", b"(", b"a.", b"with esmtp (", b"\r", b" \t"]
)
@pytest.mark.parametrize("start", [b"220 ", b"", b"internet mail service imc ftp postfix "])
def test_no_text_makes_it_slow(piece: bytes, start: bytes) -> None:
    hostile = start + piece * (60_000 // len(piece))
    began = time.process_time()
    identify(hostile)
    assert time.process_time() - began < (0.4 if sys.gettrace() is None else 4)


NAMES = (
    "Internet Mail Service (by x with smtp (microsoft exchange internet mail service with "
    "microsoft exchange (imc  with internet mail service (microsoft exchange internet mail connector imc "
)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (NAMES, " 999.9"),
        (f"220 x {NAMES}", " 5.5.999.9"),
        (f"{NAMES}\n", f"{NAMES}{'999.9 ' * 8}\n"),
        ("220-", "imc (\n220-"),
        ("", "imc (\n"),
        ("(imc internet mail service\n", "by x ("),
        ("imc ftp\n", "\udcff\n"),
    ],
    ids=["numbers", "builds", "lines of numbers", "coded lines", "lines", "hosts", "ends of lines"],
)
def test_a_greeting_costs_little_however_often_it_names_a_product_or_a_number(start: str, piece: str) -> None:
    hostile = start + piece * (64_000 // len(piece))
    began = time.process_time()
    for _ in range(5):
        identify(f"{hostile}\r\n")
    # On an idle core some 15 ms; numbers alone took 1.2 s when each of them was read for each name.
    assert time.process_time() - began < (0.4 if sys.gettrace() is None else 4)


def test_a_build_is_read_near_the_product_s_name_and_nowhere_else_in_its_line() -> None:
    for blanks, build in ((199, "5.5.2650.21"), (200, None)):
        answer = identify(
            f"220 mx Microsoft Exchange Internet Mail Service{'.' * (blanks - 1)} 5.5.2650.21 x\r\n"
        )
        assert answer is not None
        assert (answer.family, answer.build) == (Family.EXCHANGE_IMS, build)


def test_a_number_that_is_further_away_is_never_read_in_part() -> None:
    for blanks in range(190, 220):
        answer = identify(
            f"220 mx Microsoft Exchange Internet Mail Service{'.' * blanks} 5.5.2650.21999 x\r\n"
        )
        assert answer is not None
        assert answer.build in ("5.5.2650.21999", None)


def test_a_product_is_found_at_the_sixteenth_place_of_its_word() -> None:
    for others, family in ((15, Family.EXCHANGE_IMC), (16, Family.SMTP)):
        answer = identify(f"220-imcs{'.' * 100}\r\n" * others + "220 mx ESMTP (IMC 4.0.838.14) ready\r\n")
        assert answer is not None
        assert answer.family is family


def test_letters_that_change_their_length_when_small_hide_no_product() -> None:
    answer = identify(
        f"220 {chr(0x130) * 300} Microsoft Exchange Internet Mail Service 5.5.2650.21 ready\r\n"
    )
    assert answer is not None
    assert answer.match is Match.EXACT


@pytest.mark.parametrize(
    ("build", "pack"),
    [
        ("5.5.2650.14", "SP4"),
        ("5.0.1458.48", "SP2"),
        ("5.5.2232.4", "SP2"),
        ("5.5.2653.23", None),
        ("5.5.2653.17", "SP4"),
        ("5.5.2653.22", "SP4"),
    ],
)
def test_a_component_s_number_is_superseded_by_the_pack_after_its_own_release(
    build: str, pack: str | None
) -> None:
    answer = identify(IMS.format(build))
    assert answer is not None
    assert answer.superseded_by == pack
