from __future__ import annotations

import copy
import hashlib
import json
import re
from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
from imcprobe.fingerprint.identify import conclude
from imcprobe.meaning import Advisory, Channel, Hint, State
from imcprobe.model import Observation, Result, Status, Target, Times
from imcprobe.outputs import records
from imcprobe.outputs.records import (
    Head,
    HeadOptions,
    head_record,
    line_of,
    reply_code,
    result_line,
    result_record,
    shown_greeting,
    summary_record,
)
from imcprobe.outputs.schema import json_schema
from imcprobe.outputs.tally import Tally
from imcprobe.safetext import restore
from observed import with_conversation

VALIDATOR = Draft202012Validator(json_schema())
HEAD = Head(
    version="0.1.0",
    started=1_795_000_000.0,
    targets=291,
    ports=(25,),
    targets_digest="sha256:" + "0" * 64,
    options=HeadOptions(1024, 5.0, 30.0, 60.0, True, False, None, None),
)

plain = st.builds(
    Observation,
    st.builds(Target, st.text(), st.integers(0, 65_535)),
    st.one_of(st.none(), st.just("192.0.2.1")),
    st.sampled_from(Status),
    greeting=st.one_of(
        st.binary(),
        st.binary().map(
            lambda tail: b"220 mx (Microsoft Exchange Internet Mail Service 5.5.2650.21) " + tail + b"\r\n"
        ),
    ),
    times=st.builds(Times, st.one_of(st.none(), st.floats(0, 1e6)), st.one_of(st.none(), st.floats(0, 1e6))),
    attempts=st.integers(1, 3),
    error=st.one_of(st.none(), st.text()),
    seen_at=st.one_of(st.none(), st.floats(0, 4e9)),
    source=st.sampled_from([None, "text", "records"]),
)
observations = with_conversation(plain, st.text())


HINT = Hint(Channel.EHLO, "consistent with Exchange 2013", "XSHADOW\x1b[2J", "a transcript")
ADVISORY = Advisory("MS02-037", "CVE-2002-0698", "EHLO overflow", State.NOT_FIXED, "5.5.2656.59", "Q326322")
CONVERSATION: dict[str, Any] = {
    "ehlo": ("mx.example.com Hello", "SIZE 37748736", "auth NTLM LOGIN", "X\x1b[2J \xa0"),
    "tls": Tls(
        implicit=False,
        offered=True,
        negotiated=True,
        verified=False,
        distrust="self-signed",
        version="TLSv1.2",
        cipher="ECDHE-RSA-AES256-SHA384",
        certificate=Certificate(
            b"\x30\x82",
            subject="CN=ex1\x1b[2J",
            issuer="CN=ex1",
            names=("ex1", "ex1.example.com"),
            not_before="2019-01-01T00:00:00Z",
            not_after="2024-01-01T00:00:00Z",
            self_signed=True,
            key="RSA 2048",
            signature="sha1WithRSAEncryption",
        ),
        ehlo=("mx.example.com Hello", "AUTH"),
    ),
    "ntlm": Ntlm(b"NTLMSSP\0", "CORP", "CORP", "EX1", "corp.example.com", windows=(6, 1, 7601)),
    "replies": Replies(helo=None, quit=Reply(221, ("closing connection",))),
    "ptr": ("mx1.example.com", "a\x1bb"),
}


def judged(seen: Observation) -> Result:
    """A result with a hint and an advisory, whatever the tables say."""
    found = conclude(seen).identification
    assert found is not None
    return Result(seen, replace(found, hints=(HINT,), advisories=(ADVISORY,)))


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_every_kind_of_result_has_a_valid_record(each_result: Result) -> None:
    VALIDATOR.validate(result_record(each_result))


def test_the_fast_line_is_the_record_byte_for_byte(each_result: Result) -> None:
    assert result_line(each_result) == line_of(result_record(each_result))


@given(observations)
def test_any_observation_has_a_valid_record_and_the_same_fast_line(seen: Observation) -> None:
    found = conclude(seen)
    record = result_record(found)
    VALIDATOR.validate(record)
    assert result_line(found) == line_of(record)
    assert result_line(found).isascii()


def test_what_a_conversation_showed_is_in_the_record() -> None:
    greeting = b"220 mx.example.com ESMTP\r\n"
    result = judged(Observation(Target("h"), None, Status.SUCCESS, greeting, **CONVERSATION))
    record = result_record(result)
    VALIDATOR.validate(record)
    assert record["keywords"] == {"SIZE": ["37748736"], "AUTH": ["NTLM", "LOGIN"], r"X\x1b[2J": [r"\xc2\xa0"]}
    assert record["tls"] == {
        "implicit": False,
        "offered": True,
        "negotiated": True,
        "verified": False,
        "distrust": "self-signed",
        "version": "TLSv1.2",
        "cipher": "ECDHE-RSA-AES256-SHA384",
        "certificate": {
            "subject": r"CN=ex1\x1b[2J",
            "issuer": "CN=ex1",
            "names": ["ex1", "ex1.example.com"],
            "not_before": "2019-01-01T00:00:00Z",
            "not_after": "2024-01-01T00:00:00Z",
            "self_signed": True,
            "key": "RSA 2048",
            "signature": "sha1WithRSAEncryption",
            "sha256": hashlib.sha256(b"\x30\x82").hexdigest(),
            "base64": "MII=",
            "error": None,
        },
        "ehlo": ["mx.example.com Hello", "AUTH"],
        "error": None,
    }
    assert record["ntlm"] == {
        "target": "CORP",
        "netbios_domain": "CORP",
        "netbios_computer": "EX1",
        "dns_domain": "corp.example.com",
        "dns_computer": None,
        "dns_forest": None,
        "windows": "6.1.7601",
        "base64": "TlRMTVNTUAA=",
    }
    told = {"code": 221, "lines": ["closing connection"]}
    assert record["replies"] == {"helo": None, "help": None, "starttls": None, "auth": None, "quit": told}
    assert record["ptr"] == ["mx1.example.com", r"a\x1bb"]
    assert record["identification"]["hints"] == [
        {
            "channel": "ehlo",
            "reading": "consistent with Exchange 2013",
            "evidence": r"XSHADOW\x1b[2J",
            "source": "a transcript",
        }
    ]
    assert record["identification"]["advisories"] == [
        {
            "id": "MS02-037",
            "cve": "CVE-2002-0698",
            "fixed_in": "5.5.2656.59",
        }
    ]
    assert result_line(result) == line_of(record)


@pytest.mark.parametrize("name", CONVERSATION)
def test_what_is_alike_but_for_a_conversation_has_a_record_of_its_own(name: str) -> None:
    plain = conclude(Observation(Target("h"), None, Status.SUCCESS, b"220 mx.example.com ESMTP\r\n"))
    other = plain._replace(observation=plain.observation._replace(**{name: CONVERSATION[name]}))
    both = [line_of(result_record(each)) for each in (plain, other)]
    assert records.result_lines([plain, other, plain, other]) == both * 2
    assert both[0] != both[1]


def test_the_record_has_the_bytes_twice_as_text_and_exactly(each_result: Result) -> None:
    record = result_record(each_result)
    greeting = each_result.observation.greeting
    assert b64decode(record["greeting_base64"] or "") == greeting
    assert restore(record["greeting"] or "") == re.sub(rb"\r?\n\Z", b"", greeting)


@pytest.mark.parametrize(
    ("greeting", "shown"),
    [
        (b"220 x\r\n", "220 x"),
        (b"220 x\n", "220 x"),
        (b"220 x\r", r"220 x\x0d"),
        (b"220 x\r\n\r\n", r"220 x\x0d\x0a"),
        (b"\n", ""),
    ],
)
def test_a_greeting_is_shown_without_its_last_line_end_and_with_any_other(
    greeting: bytes, shown: str
) -> None:
    assert shown_greeting(greeting) == shown


def test_head_and_summary_are_valid(all_results: list[Result]) -> None:
    tally = Tally()
    for each in all_results:
        tally.add(each)
    VALIDATOR.validate(head_record(HEAD))
    VALIDATOR.validate(head_record(Head("0.1.0", 0.0, 0, source="text")))
    summary = summary_record(tally, 10.25, complete=True)
    VALIDATOR.validate(summary)
    assert sum(summary["by_status"].values()) == summary["targets"] == len(all_results)


def places(record: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every object of a record, as the way to it."""
    found: list[tuple[Any, ...]] = [way] if isinstance(record, dict) else []
    inside = (
        record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    )
    return found + [place for key, value in inside for place in places(value, (*way, key))]


def at(record: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        record = record[key]
    return record


def test_a_record_with_another_key_or_one_less_is_refused(each_result: Result) -> None:
    record = result_record(each_result)
    for way in places(record):
        more = copy.deepcopy(record)
        at(more, way)["extra"] = 1
        assert not VALIDATOR.is_valid(more)
        if way == ("keywords",):  # which a server chooses
            continue
        less = copy.deepcopy(record)
        inside = at(less, way)
        del inside[sorted(inside)[len(inside) // 2]]
        assert not VALIDATOR.is_valid(less)


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("status",), "failed"),
        (("port",), "25"),
        (("port",), 70_000),
        (("code",), 42),
        (("greeting_base64",), "a b"),
        (("greeting_base64",), "A"),
        (("greeting_base64",), None),
        (("greeting",), None),
        (("greeting",), "\x1b[2J"),
        (("error",), "a\nb"),
        (("timestamp",), "9999-99-99T99:99:99.999Z"),
        (("timestamp",), "2026-11-2\u0664T00:00:00.000Z"),
        (("identification", "support", "state"), "over"),
        (("identification", "support", "date"), "soon"),
        (("identification", "cpe"), ["cpe:2.3:a:microsoft:exchange_server:"]),
        (("timestamp",), "yesterday"),
        (("attempts",), 0),
        (("ehlo",), None),
        (("keywords",), None),
        (("keywords",), {"SIZE": "1"}),
        (("keywords",), {"SI\x1bZE": []}),
        (("keywords",), {"SIZE": ["\x1b"]}),
        (("tls",), {}),
        (("tls", "implicit"), None),
        (("tls", "offered"), 1),
        (("tls", "verified"), "yes"),
        (("tls", "version"), "\x1b"),
        (("tls", "certificate", "subject"), "\x1b"),
        (("tls", "certificate", "names"), None),
        (("tls", "certificate", "names"), ["\x1b"]),
        (("tls", "certificate", "not_before"), "2019-01-01"),
        (("tls", "certificate", "not_after"), "2019-01-01T00:00:00.000Z"),
        (("tls", "certificate", "sha256"), "0" * 63),
        (("tls", "certificate", "base64"), None),
        (("ntlm", "windows"), [6, 1, 7601]),
        (("ntlm", "windows"), "6.1"),
        (("ntlm", "dns_computer"), "\x1b"),
        (("replies", "quit"), {"code": 42, "lines": []}),
        (("replies", "helo"), {"code": 250, "lines": "x"}),
        (("replies", "helo"), {"code": 250, "lines": ["\x1b"]}),
        (("ptr",), "mx.example.com"),
        (("ptr",), ["\x1b"]),
        (("identification", "hints", 0, "channel"), "greeting"),
        (("identification", "hints", 0, "evidence"), "\x1b"),
        (("identification", "advisories", 0, "fixed_in"), None),
        (("identification", "advisories", 0, "cve"), "CVE-1999"),
        (("times", "greeting_ms"), "12 ms"),
        (("identification", "family"), "exchange"),
        (("identification", "match"), "maybe"),
        (("identification", "confidence"), "certain"),
        (("identification", "caveats"), ["forgeable"]),
        (("identification", "releases", 0, "kind"), "beta"),
        (("identification", "releases", 0, "service_pack"), "3"),
        (("identification", "cpe"), ["cpe:/a:microsoft"]),
        (("identification", "advisories"), ["x"]),
        (("type",), "results"),
    ],
)
def test_a_value_outside_its_list_is_refused(way: tuple[Any, ...], value: Any) -> None:
    greeting = b"220 mx (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready\r\n"
    seen = Observation(Target("h"), "192.0.2.1", Status.SUCCESS, greeting=greeting, seen_at=0.0)
    record = result_record(judged(seen._replace(**CONVERSATION)))
    assert VALIDATOR.is_valid(record)
    at(record, way[:-1])[way[-1]] = value
    assert not VALIDATOR.is_valid(record)


def test_a_head_of_another_schema_is_refused() -> None:
    assert not VALIDATOR.is_valid(head_record(HEAD) | {"schema": "imcprobe/2"})
    assert not VALIDATOR.is_valid(head_record(HEAD) | {"source": "banana"})


def test_what_was_not_observed_is_null() -> None:
    record = result_record(Result(Observation(Target("h", 0), None, Status.INVALID_INPUT)))
    nothing = (
        "ip",
        "port",
        "code",
        "greeting",
        "greeting_base64",
        "name",
        "identification",
        "ehlo",
        "keywords",
    )
    for key in (*nothing, "tls", "ntlm", "replies", "ptr", "error", "timestamp"):
        assert record[key] is None
    assert record["times"] == {"connect_ms": None, "greeting_ms": None}


@pytest.mark.parametrize(
    ("greeting", "code"),
    [
        (b"220 x\r\n", 220),
        (b"554-x", 554),
        (b"220\r\n", 220),
        (b"220", None),
        (b"220x", None),
        (b"999 x", None),
    ],
)
def test_a_code_is_what_rfc_5321_calls_one(greeting: bytes, code: int | None) -> None:
    assert reply_code(greeting) == code


def test_the_remembered_json_is_bounded_and_never_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MAX_REMEMBERED", 3)
    for number in range(10):
        greeting = b"220 mx%d (Microsoft Exchange Internet Mail Service 5.5.2650.%d) x\r\n" % (number, number)
        found = conclude(Observation(Target("h"), None, Status.SUCCESS, greeting=greeting))
        assert json.loads(result_line(found)) == result_record(found)
        assert len(records._remembered) <= 3


@given(st.integers(0, 4_000_000_000), st.integers(0, 999))
def test_a_timestamp_that_is_read_back_is_written_the_same(seconds: int, milliseconds: int) -> None:
    written = records.timestamp(seconds + milliseconds / 1000)
    assert written.endswith(f".{milliseconds:03d}Z")
    assert records.timestamp(datetime.fromisoformat(written).timestamp()) == written


def test_long_greetings_of_a_hostile_network_are_not_remembered() -> None:
    records._remembered.clear()
    for number in range(50):
        greeting = b"220 mx%d " % number + b"x" * 60_000 + b"\r\n"
        result_line(conclude(Observation(Target("h"), None, Status.SUCCESS, greeting=greeting)))
    assert not records._remembered
