from __future__ import annotations

import json
import time
import tracemalloc
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcprobe.errors import InputError
from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
from imcprobe.fingerprint.certificate import MAX_NAMES, MAX_TEXT
from imcprobe.fingerprint.identify import conclude, identify
from imcprobe.fingerprint.reply import MAX_REPLY_BYTES, MAX_REPLY_LINES
from imcprobe.model import Observation, Status, Target, Times
from imcprobe.outputs.formats import FORMATS
from imcprobe.outputs.records import Head
from imcprobe.outputs.tally import Tally
from imcprobe.safetext import decode, to_bytes
from imcprobe.sources.detect import read_stored
from imcprobe.sources.records import MAX_LINE, read_records
from imcprobe.sources.text import read_text

IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready"
HEADER = "Received: by EX1 with SMTP (Microsoft Exchange Internet Mail Service\r\n\tVersion 5.0.1458.49)\r\n"


def greetings(text: str | bytes) -> list[tuple[str, bytes]]:
    data = text if isinstance(text, bytes) else text.encode()
    return [(seen.target.host, seen.greeting) for seen in read_text(to_bytes(decode(data)), "f")]


def test_a_line_is_a_greeting_and_named_by_file_and_line() -> None:
    assert greetings(f"{IMS}\r\n\n220 b\n220 c") == [
        ("f line 1", f"{IMS}\r\n".encode()),
        ("f line 3", b"220 b\n"),
        ("f line 4", b"220 c"),
    ]


def test_lines_of_one_reply_belong_together() -> None:
    assert greetings("220-a\n220-b\n220 c\n220 d\n") == [
        ("f line 1", b"220-a\n220-b\n220 c\n"),
        ("f line 4", b"220 d\n"),
    ]


def test_a_reply_that_is_not_gone_on_with_ends_there() -> None:
    assert greetings("220-a\nother\n") == [("f line 1", b"220-a\n"), ("f line 2", b"other\n")]


def test_a_folded_header_is_one() -> None:
    assert greetings(HEADER + "220 x\n") == [("f line 1", HEADER.encode()), ("f line 3", b"220 x\n")]


def test_a_greeting_that_begins_with_a_blank_is_no_fold() -> None:
    assert [place for place, _ in greetings("220 x\n Microsoft ESMTP MAIL Service\n")] == [
        "f line 1",
        "f line 2",
    ]


def test_utf_16_is_read_and_other_bytes_are_kept() -> None:
    assert greetings(f"{IMS}\n".encode("utf-16")) == [("f line 1", f"{IMS}\n".encode())]
    assert greetings(b"220 \xe9\n") == [("f line 1", b"220 \xe9\n")]


@given(st.binary())
def test_of_any_bytes_nothing_is_lost_but_blank_lines(data: bytes) -> None:
    kept = b"".join(greeting for _, greeting in greetings(data))
    lines = to_bytes(decode(data)).split(b"\n")
    assert kept.replace(b"\n", b"") == b"".join(line for line in lines if line.strip())


CONVERSATION: dict[str, Any] = {
    "tls": Tls(
        offered=True,
        negotiated=True,
        verified=False,
        distrust="self-signed \x1b",
        version="TLSv1.2",
        cipher="AES256-SHA",
        certificate=Certificate(
            b"\x30\x82\xff",
            subject="CN=ex1\udcff\\,x",
            names=("ex1", "a\x1bb"),
            not_before="2019-01-01T00:00:00Z",
            self_signed=True,
            key="RSA 1024",
        ),
        ehlo=("mx \x1b[2J\\", "AUTH NTLM"),
        error="after 30 s\x07",
    ),
    "ntlm": Ntlm(b"NTLMSSP\0\xff", "CORP", dns_computer="ex1.example.com\x1b", windows=(6, 1, 7601)),
    "replies": Replies(help=Reply(214, ("a\x1b", "")), quit=Reply(221, ("closing connection",))),
    "ptr": ("mx.example.com", "a\x1bb"),
}
OBSERVATIONS = [
    Observation(
        Target("mx.example.com", 2525),
        "192.0.2.1",
        Status.SUCCESS,
        f"{IMS}\r\n\xff\x00".encode("latin-1"),
        ehlo=("mx \x1b[2J\\", "HELP"),
        times=Times(1.5, 12.5),
        seen_at=1_795_000_000.5,
    )._replace(**CONVERSATION),
    Observation(Target("a\x1bb line 3", 0), None, Status.INVALID_INPUT, error="no\x07"),
    Observation(Target("::1"), "::1", Status.IO_TIMEOUT, b"220", error="after 30 s"),
]


def stored(form: str, source: str | None = None) -> bytes:
    writer = FORMATS[form]()
    text = writer.start(Head("0.1.0", 0.0, len(OBSERVATIONS), source=source))
    text += "".join(writer.row(conclude(seen)) for seen in OBSERVATIONS)
    return (text + writer.end(Tally(), 1.0, complete=True)).encode()


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_what_was_written_is_read_back_as_it_was_seen(form: str) -> None:
    for mark in (b"\xef\xbb\xbf", b""):
        kind, found = read_stored(mark + stored(form), "today")
        assert kind == "records"
    again = list(found)
    for seen, read in zip(OBSERVATIONS, again, strict=True):
        assert read.source == ("records" if seen.target.port else "text")
        for name in (
            "target",
            "address",
            "status",
            "greeting",
            "ehlo",
            "times",
            "error",
            "seen_at",
            "attempts",
            *CONVERSATION,
        ):
            assert getattr(read, name) == getattr(seen, name)


TEXT = list(
    read_text(b"mx.example.com ESMTP (Microsoft Exchange Internet Mail Service 5.5.2650.21) x\n", "f")
)


def judged(data: bytes) -> list[object]:
    return [conclude(seen).identification for seen in read_records(data, "f")]


def test_text_that_was_stored_is_judged_as_text_again_beside_a_scan_and_behind_one() -> None:
    form = FORMATS["jsonl"]()
    text = form.start(Head("0.1.0", 0.0, 1, source="text")) + "".join(
        form.row(conclude(each)) for each in TEXT
    )
    before = [conclude(seen).identification for seen in (*OBSERVATIONS, *TEXT)]
    assert judged(stored("jsonl") + text.encode()) == before
    assert judged(stored("jsonl", "text") + form.row(conclude(TEXT[0])).encode()) == before


def test_a_second_head_must_have_the_schema_too() -> None:
    head = stored("jsonl").splitlines()[0].replace(b"imcprobe/1", b"imcprobe/2")
    with pytest.raises(InputError, match="f has no schema imcprobe/1"):
        list(read_records(stored("jsonl") + head + b"\n", "f"))


def test_blank_lines_and_a_missing_line_end_lose_no_record() -> None:
    data = stored("jsonl").replace(b"\n", b"\n\n")
    assert len(list(read_stored(b"\n" + data, "f")[1])) == len(OBSERVATIONS)
    with pytest.raises(InputError, match="f line 4 is no record"):
        list(read_stored(b"\n\n" + stored("jsonl").splitlines()[0] + b"\nx\n", "f")[1])
    *first, _ = stored("jsonl").splitlines()
    assert len(list(read_records(b"\n".join(first), "f"))) == len(OBSERVATIONS)


@pytest.mark.parametrize(
    ("greeting", "status"),
    [
        (IMS, Status.SUCCESS),
        (IMS[4:], Status.SUCCESS),
        ("554 no", Status.APPLICATION_ERROR),
        ("garbage", Status.PROTOCOL_ERROR),
        ("250 hello", Status.PROTOCOL_ERROR),
    ],
)
def test_stored_text_has_the_status_that_a_probe_would_give(greeting: str, status: Status) -> None:
    (seen,) = read_text(f"{greeting}\n".encode(), "f")
    assert seen.status is status


@pytest.mark.parametrize(
    "data", [b"220 " + b"a" * 1_000_000 + b"\r\n", b"220-" + b"b" * 90_000 + b"\r\n220 c\r\n"]
)
def test_what_is_longer_than_a_reply_may_be_is_cut_and_no_greeting_of_its_own(data: bytes) -> None:
    found = list(read_text(data + f"{IMS}\r\n".encode(), "f"))
    assert [len(seen.greeting) for seen in found] == [MAX_REPLY_BYTES, len(IMS) + 2]


def test_a_continuation_needs_the_same_code_and_may_be_indented() -> None:
    assert len(greetings("220-a\n2201 b\n")) == 2
    ((_, whole),) = greetings("  220-a\n   220 Microsoft Exchange Internet Mail Service 5.0.1460.8 x\n")
    found = identify(whole)
    assert found is not None
    assert found.build == "5.0.1460.8"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "f is JSON, but no scan of imcprobe"),
        (b'{"scan":1,"results":[]}', "f is JSON, but no scan of imcprobe"),
        (b"{not json", "f is no record of imcprobe"),
        (b'{"type":"scan","schema":"imcprobe/9"}\n', "f has no schema imcprobe/1"),
        (b"[" * 100_000, "f is no record of imcprobe"),
    ],
)
def test_what_is_no_scan_of_imcprobe_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(read_records(data, "f"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("status", "maybe"), ("greeting_base64", "***"), ("target", 5), ("port", "x"), ("times", None),
     ("timestamp", "x"), ("ehlo", 5), ("attempts", None), ("ip", 7), ("times", {"connect_ms": "x"}),
     ("times", {"connect_ms": float("nan"), "greeting_ms": None}), ("attempts", True), ("port", True),
     ("times", {"connect_ms": float("inf"), "greeting_ms": None}),
     ("times", {"connect_ms": True, "greeting_ms": None}),
     ("timestamp", "0001-01-01T00:00:00.000Z"), ("timestamp", "2026-11-24T00:00:00+23:59"), ("error", 0),
     ("port", -5), ("port", 10**400), ("ehlo", "abc"), ("attempts", 0), ("port", 0), ("port", False),
     ("port", ""), ("greeting_base64", False), ("greeting_base64", {}), ("greeting_base64", ["MjIw"]),
     ("greeting_base64", "MjIw" * 100_000), ("status", []), ("status", {}), ("status", None),
     ("status", "x" * 1_000_000), ("target", "x" * 40_000), ("target", None), ("target", "\ud800"),
     ("target", ["mx"]), ("ip", "x" * 40_000), ("ip", "\udcff"), ("error", "x" * 40_000), ("error", {}),
     ("ehlo", ["x"] * 4_001), ("ehlo", ["x" * 300_000]), ("ehlo", ["x" * 3_000] * 100), ("ehlo", [7]),
     ("ehlo", [None]), ("ehlo", [["x"]]), ("ehlo", {"x": 1}), ("ehlo", ["\ud800"]), ("port", 25.0),
     ("port", [25]), ("attempts", 10**400), ("attempts", float("nan")), ("times", "x"), ("times", []),
     ("times", {}), ("times", {"connect_ms": 10**400, "greeting_ms": None}), ("timestamp", 5),
     ("timestamp", "2026-99-99T00:00:00.000Z"), ("timestamp", []), ("greeting_base64", "\ud800"),
     *product(("tls", "ntlm", "replies"), (7, "x", [], {}, False, "")),
     ("ptr", 7), ("ptr", "x"), ("ptr", {}), ("ptr", [7]), ("ptr", [None]), ("ptr", ["x" * 300_000])],
)  # fmt: skip
def test_a_damaged_record_is_named_with_its_line(key: str, value: object) -> None:
    head, first, *_ = stored("jsonl").splitlines()
    record = json.loads(first) | {key: value}
    data = b"\n".join([head, json.dumps(record).encode(), b""])
    with pytest.raises(InputError, match="f line 2 is no result record of imcprobe"):
        list(read_records(data, "f"))


LONG = "x" * 1_100_000


@pytest.mark.parametrize(
    ("way", "value"),
    [("tls.implicit", None), ("tls.implicit", 0), ("tls.offered", 1), ("tls.offered", "yes"),
     ("tls.negotiated", None), ("tls.verified", []), ("tls.distrust", 7), ("tls.version", "x" * 40_000),
     ("tls.cipher", {}), ("tls.certificate", []), ("tls.certificate", "x"), ("tls.ehlo", "x"),
     ("tls.ehlo", ["x" * 300_000]), ("tls.ehlo", ["x"] * 4_001), ("tls.error", False),
     ("tls.certificate.base64", None), ("tls.certificate.base64", "***"), ("tls.certificate.base64", "M"),
     ("tls.certificate.base64", "MjIw" * 100_000), ("tls.certificate.subject", 7),
     ("tls.certificate.subject", LONG), ("tls.certificate.issuer", ["x"]), ("tls.certificate.names", None),
     ("tls.certificate.names", "x"), ("tls.certificate.names", [None]), ("tls.certificate.names", [LONG]),
     ("tls.certificate.names", [""] * 52_000), ("tls.certificate.not_before", "2019-01-01"),
     ("tls.certificate.not_before", ""), ("tls.certificate.not_after", 0),
     ("tls.certificate.not_after", "2019-01-01T00:00:00Z\n"), ("tls.certificate.self_signed", 1),
     ("tls.certificate.key", "x" * 40_000), ("tls.certificate.signature", 7), ("tls.certificate.error", 7),
     ("ntlm.base64", None), ("ntlm.base64", "MjIw" * 100_000), ("ntlm.target", 7), ("ntlm.target", LONG),
     ("ntlm.dns_computer", []), ("ntlm.windows", "6.1"), ("ntlm.windows", "6.1.7601.1"), ("ntlm.windows", 6),
     ("ntlm.windows", [6, 1, 7601]), ("ntlm.windows", "6.1.123456"), ("ntlm.windows", "6.1.\u0661"),
     ("ntlm.windows", ""), ("replies.quit", "221"), ("replies.quit", []), ("replies.quit", {}),
     ("replies.quit.code", "221"), ("replies.quit.code", 199), ("replies.quit.code", 600),
     ("replies.quit.code", True), ("replies.quit.code", None), ("replies.quit.lines", None),
     ("replies.quit.lines", "x"), ("replies.quit.lines", [7]), ("replies.quit.lines", ["x" * 300_000])],
)  # fmt: skip
@pytest.mark.parametrize("is_there", [True, False], ids=["changed", "missing"])
def test_a_damaged_conversation_is_named_with_its_line(way: str, value: object, is_there: bool) -> None:
    head, first, *_ = stored("jsonl").splitlines()
    record = json.loads(first)
    *places, key = way.split(".")
    inside = record
    for place in places:
        inside = inside[place]
    inside[key] = value
    if not is_there:
        del inside[key]
    with pytest.raises(InputError, match=r"^f line 2 is no result record of imcprobe\.$"):
        list(read_records(b"\n".join([head, json.dumps(record).encode(), b""]), "f"))


def test_records_from_before_there_were_conversations_are_read() -> None:
    head, first, *_ = stored("jsonl").splitlines()
    record = json.loads(first) | {"tls": None, "ntlm": None}
    for key in ("keywords", "replies", "ptr"):
        del record[key]
    del record["identification"]["hints"]
    (seen,) = read_records(b"\n".join([head, json.dumps(record).encode(), b""]), "f")
    assert seen == OBSERVATIONS[0]._replace(source="records", tls=None, ntlm=None, replies=None, ptr=None)


def test_what_a_record_has_twice_is_taken_from_what_is_exact() -> None:
    head, first, *_ = stored("jsonl").splitlines()
    record = json.loads(first) | {"keywords": 7, "identification": 7, "greeting": 7}
    record["tls"]["certificate"]["sha256"] = 7
    (seen,) = read_records(b"\n".join([head, json.dumps(record).encode(), b""]), "f")
    assert seen == OBSERVATIONS[0]._replace(source="records")


@pytest.mark.parametrize(
    "key",
    ["target", "ip", "port", "status", "greeting_base64", "ehlo", "tls", "ntlm", "times", "attempts", "error",
     "timestamp"],
)  # fmt: skip
def test_a_record_without_one_of_its_keys_is_named_with_its_line(key: str) -> None:
    head, first, *_ = stored("jsonl").splitlines()
    record = json.loads(first)
    del record[key]
    with pytest.raises(InputError, match=r"^f line 2 is no result record of imcprobe"):
        list(read_records(b"\n".join([head, json.dumps(record).encode(), b""]), "f"))


@pytest.mark.parametrize(
    "key",
    ["target", "ip", "port", "status", "greeting_base64", "ehlo", "times", "error", "tls", "ntlm", "replies"],
)
@pytest.mark.parametrize("value", [b"[" * 900 + b"]" * 900, b"[" * 90_000, b"9" * 5_000, b'"\xff', b'"\0"'])
def test_json_that_costs_a_parser_much_is_named_with_its_line(key: str, value: bytes) -> None:
    head, first, *_ = stored("jsonl").splitlines()
    record = first.replace(b'"type"', b'"%s":%s,"type"' % (key.encode(), value))
    # Of a key that comes twice the last one counts, so this one goes there, too.
    record = record.removesuffix(b"}") + b',"%s":%s}' % (key.encode(), value)
    with pytest.raises(InputError, match=r"^f line 2 is no (result )?record of imcprobe"):
        list(read_records(head + b"\n" + record + b"\n", "f"))


def test_keys_that_are_not_known_and_keys_that_come_twice_do_no_harm() -> None:
    head, first, *_ = stored("jsonl").splitlines()
    record = first.replace(b'"type"', b'"target":"other.example.com","more":{"deep":[[1e999]]},"type"')
    (seen,) = read_records(head + b"\n" + record + b"\n", "f")
    assert seen.target == OBSERVATIONS[0].target


WORST = "\x1b"
LINES = (WORST * (MAX_REPLY_BYTES - MAX_REPLY_LINES), *[WORST] * (MAX_REPLY_LINES - 1))
# As much of a name as is read; each of its characters is of two bytes.
NAME = "\x80" * MAX_TEXT


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_the_most_that_a_probe_can_write_is_read_back(form: str) -> None:
    reply = Reply(250, LINES)
    certificate = Certificate(
        b"\xff" * (100 << 10), subject=NAME, names=(NAME,) * MAX_NAMES, not_after="9999-12-31T23:59:59Z"
    )
    seen = Observation(
        Target(WORST * 4_096 + " line 1,000,000,000"),
        "fe80::1%eth0",
        Status.SUCCESS,
        b"\x1b" * (MAX_REPLY_BYTES + 1),
        ehlo=LINES,
        tls=Tls(distrust=WORST * 6_000, certificate=certificate, ehlo=LINES, error=WORST * 6_000),
        ntlm=Ntlm(b"\xff" * (48 << 10), "\u202e" * 255, dns_domain="\u202e" * 255),
        times=Times(60_000.0, 86_400_000.0),
        attempts=1_000,
        error=WORST * 6_000,
        seen_at=4_000_000_000.5,
        replies=Replies(reply, reply, reply, reply, reply),
        ptr=(WORST * 255,) * 100,
    )
    writer = FORMATS[form]()
    head = writer.start(Head("0.1.0", 0.0, 1))
    row = writer.row(conclude(seen))
    assert MAX_LINE * 2 / 5 < len(row) < MAX_LINE * 3 / 4
    (again,) = read_records((head + row + writer.end(Tally(), 1.0, complete=True)).encode(), "f")
    assert again == seen._replace(source="records")


def test_a_line_that_is_longer_than_a_record_can_be_is_named_and_not_parsed() -> None:
    head, first, *_ = stored("jsonl").splitlines()
    long = first.removesuffix(b"}") + b',"more":"' + b"x" * MAX_LINE + b'"}'
    with pytest.raises(InputError, match=r"^f line 2 is longer than a record can be"):
        list(read_records(head + b"\n" + long + b"\n", "f"))


def test_a_document_is_bounded_as_all_of_it_is_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored("json")
    monkeypatch.setattr("imcprobe.sources.records.MAX_DOCUMENT", len(data))
    assert len(list(read_records(data, "f"))) == len(OBSERVATIONS)
    with pytest.raises(InputError, match=r"^f is no JSON Lines of imcprobe, and as JSON larger than"):
        list(read_records(data + b" ", "f"))


def test_a_line_that_is_no_json_is_named() -> None:
    head, *_ = stored("jsonl").splitlines()
    with pytest.raises(InputError, match="f line 2 is no record of imcprobe"):
        list(read_records(head + b"\nx\n", "f"))


def test_everything_else_is_text() -> None:
    assert read_stored(b"220 x\n", "f")[0] == "text"


@pytest.mark.parametrize("piece", [b"220-a\n", b"\tfolded\n", b"220-\n"])
def test_a_long_run_of_lines_costs_no_more_than_its_length(piece: bytes) -> None:
    began = time.process_time()
    found = list(read_text(b"X-Mailer: x\n" + piece * 100_000, "f"))
    assert time.process_time() - began < 3
    assert max(len(seen.greeting) for seen in found) < 70_000


@pytest.mark.parametrize("piece", [b"\n", b"\r\n", b" \n", b"a\n", b"a"])
@pytest.mark.parametrize("head", [b"", b'{"type":"scan","schema":"imcprobe/1"}\n'])
def test_a_store_is_read_without_a_list_of_its_lines(head: bytes, piece: bytes) -> None:
    data = head + piece * (2_000_000 // len(piece) // (40 if piece.strip() else 1))
    tracemalloc.start()
    with suppress(InputError):
        for _ in read_stored(data, "f")[1]:
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_text_store_is_a_greeting_a_line_in_each_encoding_with_each_line_end(
    encoding: str, end: str
) -> None:
    _, found = read_stored(end.join([IMS, "", "220-a", "220 b", "220 c"]).encode(encoding), "f")
    places = [(seen.target.host, seen.greeting.count(b"220")) for seen in found]
    assert places == [("f line 1", 1), ("f line 3", 2), ("f line 5", 1)]


def test_a_carriage_return_ends_no_line_where_others_do() -> None:
    assert [seen.greeting for seen in read_stored(b"220 a\rb\n", "f")[1]] == [b"220 a\rb\n"]


def test_json_lines_have_each_line_end() -> None:
    for end in (b"\r\n", b"\r"):
        assert len(list(read_stored(stored("jsonl").replace(b"\n", end), "f")[1])) == len(OBSERVATIONS)


def test_blank_lines_part_the_lines_of_a_reply() -> None:
    assert greetings("220-a\n\n220 b\n") == [("f line 1", b"220-a\n"), ("f line 3", b"220 b\n")]


def test_a_last_line_that_is_torn_is_left_out_and_no_other() -> None:
    *first, _ = stored("jsonl").splitlines(keepends=True)
    data = b"".join(first)
    assert len(list(read_records(data + first[1][:-1][:100], "f"))) == len(OBSERVATIONS)
    with pytest.raises(InputError, match="f line 5 is no record of imcprobe"):
        list(read_records(data + first[1][:100] + b"\n", "f"))
