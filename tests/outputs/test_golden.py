"""Whole outputs, character by character: what a change of any word or width must change here too."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any

import pytest

from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
from imcprobe.fingerprint.identify import conclude
from imcprobe.meaning import Channel, Hint
from imcprobe.model import Observation, Result, Status, Target, Times
from imcprobe.order import Order
from imcprobe.outputs.dialogue import tls_line
from imcprobe.outputs.records import (
    Head,
    HeadOptions,
    head_record,
    result_record,
    summary_record,
)
from imcprobe.outputs.screen import check_screen, identify_line
from imcprobe.outputs.spreadsheet import csv_line, header_line
from imcprobe.outputs.table import table_heading, table_row
from imcprobe.outputs.tally import Tally
from imcprobe.outputs.wording import caveats, headline, in_full, in_short

IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service {}) ready\r\n"
IMC = "220 mx.example.com Microsoft Exchange Internet Mail Connector {} ready\r\n"
WINDOWS = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.3959 ready\r\n"
ADDRESS = "10.1.4.17"


def result(
    greeting: str,
    status: Status = Status.SUCCESS,
    *,
    host: str = ADDRESS,
    port: int = 25,
    ehlo: tuple[str, ...] | None = None,
    times: tuple[float | None, float | None] = (None, None),
    error: str | None = None,
    seen_at: float | None = None,
    source: str | None = None,
) -> Result:
    return conclude(
        Observation(
            Target(host, port),
            ADDRESS if port else None,
            status,
            greeting=greeting.encode(),
            ehlo=ehlo,
            times=Times(*times),
            error=error,
            seen_at=seen_at,
            source=source,
        )
    )


SERVICE_PACK_2 = result(
    IMC.format("4.0.993.5"),
    host="mx.example.com",
    port=2525,
    times=(1.26, 1234.56),
    error="EHLO refused with 500",
    seen_at=1_795_000_000.123456,
)
RESET = result("", Status.CONNECTION_RESET, error="ECONNRESET")

ROW = {
    "target": "mx.example.com",
    "ip": "10.1.4.17",
    "port": "2525",
    "status": "success",
    "release": "Exchange Server 4.0 Service Pack 2 | Exchange Server 4.0a",
    "build": "4.0.993.5",
    "name": "mx.example.com",
    "support": "ended",
    "family": "exchange-imc",
    "product": "Exchange Server 4.0",
    "match": "ambiguous",
    "service_pack": "SP2|RTM",
    "superseded_by": "SP3",
    "confidence": "low",
    "caveats": "undocumented-form",
    "cpe": "cpe:2.3:a:microsoft:exchange_server:4.0:*:*:*:*:*:*:*",
    "code": "220",
    "greeting": "220 mx.example.com Microsoft Exchange Internet Mail Connector 4.0.993.5 ready",
    "connect_ms": "1.3",
    "greeting_ms": "1234.6",
    "error": "EHLO refused with 500",
    "timestamp": "2026-11-18T11:06:40.123Z",
    "advisories": "",
    "keywords": "",
    "tls_version": "",
    "tls_verified": "",
    "certificate_subject": "",
    "certificate_sha256": "",
    "ntlm_computer": "",
    "windows": "",
    "ptr": "",
    "hints": "",
}


def test_a_sheet_has_every_column_in_its_place() -> None:
    assert header_line() == ",".join(ROW) + "\n"
    assert csv_line(SERVICE_PACK_2) == ",".join(ROW.values()) + "\n"


def test_what_is_not_known_is_an_empty_cell() -> None:
    assert csv_line(RESET) == f"10.1.4.17,10.1.4.17,25,connection-reset,{',' * 16}ECONNRESET,{',' * 10}\n"


def test_a_sheet_names_the_advisories_whose_fix_is_missing() -> None:
    assert csv_line(result(IMS.format("5.5.2650.21"))).endswith(f",Q264330 MS02-037{',' * 9}\n")
    assert csv_line(result(IMS.format("5.5.2656.59"))).endswith(f",{',' * 9}\n")


def test_several_caveats_stand_in_one_cell() -> None:
    assert ",undocumented-form named-4.0-elsewhere,cpe:" in csv_line(result(IMC.format("4.0.994.63")))


@pytest.mark.parametrize(
    ("found", "screen"),
    [
        (
            SERVICE_PACK_2,
            """\
mx.example.com (10.1.4.17) port 2525
  Exchange Server 4.0 Service Pack 2  or  Exchange Server 4.0a   (4.0.993.5 is the build of both)
  Build       4.0.993.5   ambiguous: Internet Mail Connector of 4.0 SP2 (Q257618) or 4.0a (Q257618)
  Greeting    220 mx.example.com Microsoft Exchange Internet Mail Connector 4.0.993.5 ready
  Support     ended (date not found); newer service pack: SP3
  Not shown   whether these are fixed, this greeting does not tell: CVE-1999-0284
  Caveat      no greeting of this form is documented
  Error       EHLO refused with 500
  Time        connect 1 ms, greeting 1235 ms""",
        ),
        (
            result(IMS.format("5.5.2650.21"), ehlo=("mx", "XEXCH50", "SIZE 0"), times=(0.4, 12.6), error="x"),
            """\
10.1.4.17 port 25
  Exchange Server 5.5 Service Pack 3
  Build       5.5.2650.21   exact: Internet Mail Service of 5.5 SP3 (Q257618)
  Greeting    220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready
  Support     ended (2006-01-10; 31 Dec 2005 in other sources); newer service pack: SP4
  Advisories  not fixed in this build: Q264330 (5.5.2652.78), MS02-037 (5.5.2656.59)
  Not shown   whether these are fixed, this greeting does not tell: Q169174, MS98-007, MS00-082, MS02-011, MS03-046, MS06-003
  EHLO        XEXCH50, SIZE 0
  Error       x
  Time        connect under 1 ms, greeting 13 ms""",
        ),
        (
            result(IMC.format("4.0.994.63"), ehlo=("mx",), times=(None, 1.0)),
            """\
10.1.4.17 port 25
  Exchange Server 4.0a Service Pack 3
  Build       4.0.994.63   exact: Internet Mail Connector of 4.0a SP3 (Q257618)
  Greeting    220 mx.example.com Microsoft Exchange Internet Mail Connector 4.0.994.63 ready
  Support     ended (date not found); newer service pack: SP4
  Not shown   whether these are fixed, this greeting does not tell: CVE-1999-0284
  Caveat      no greeting of this form is documented
  Caveat      articles other than Q257618 call this 4.0, not 4.0a
  EHLO        no keywords
  Time        greeting 1 ms""",
        ),
        (
            result(IMS.format("5.5.2650.14")),
            """\
10.1.4.17 port 25
  Exchange Server 5.5, build 5.5.2650.14 is that of its directory in Exchange Server 5.5 Service Pack 3
  Build       5.5.2650.14   other-component: another component of 5.5 SP3 (Q243604)
  Greeting    220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.14) ready
  Support     ended (2006-01-10; 31 Dec 2005 in other sources); newer service pack: SP4
  Not shown   whether these are fixed, this greeting does not tell: Q169174, MS98-007, MS99-027, Q264330, MS00-082, MS02-011, MS02-037, MS03-046, MS06-003""",
        ),
        (
            result(IMC.format("4.0.995.10")),
            """\
10.1.4.17 port 25
  Exchange Server 4.0a, after Service Pack 3, before Service Pack 4: no documented build (4.0.995.10)
  Build       4.0.995.10   between
  Greeting    220 mx.example.com Microsoft Exchange Internet Mail Connector 4.0.995.10 ready
  Support     ended (date not found); newer service pack: SP4
  Not shown   whether these are fixed, this greeting does not tell: CVE-1999-0284
  Caveat      no greeting of this form is documented
  Caveat      articles other than Q257618 call this 4.0, not 4.0a""",
        ),
        (
            result(WINDOWS, ehlo=("mx", "XEXCH50")),
            """\
10.1.4.17 port 25
  Exchange 2000 or 2003, consistent with 2003: Windows SMTP service 6.0.3790.3959 (Windows Server 2003 SP2)
  Build       6.0.3790.3959
  Greeting    220 mx.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.3959 ready
  Support     ended (2014-04-08; 2000 on 11 Jan 2011)
  Not shown   whether these are fixed, this greeting does not tell: MS02-012, MS03-046, MS04-035, MS05-021, MS06-003, MS06-019
  EHLO        XEXCH50
  Hint        consistent with Exchange 2003: XEXCH50 (EHLO)""",
        ),
        (RESET, "10.1.4.17 port 25\n  No answer: connection reset"),
        (
            result("220 mx.example.com ESMTP Postfix", host="a.txt line 3", port=0, source="text"),
            """\
a.txt line 3
  Not Exchange: Postfix
  Greeting    220 mx.example.com ESMTP Postfix""",
        ),
    ],
    ids=["4.0a", "5.5 SP3", "4.0a SP3", "component", "between", "EHLO", "silent", "text"],
)
def test_a_screen_is_shown_as_it_is_here(found: Result, screen: str) -> None:
    assert check_screen(found) == screen


CERTIFICATE = Certificate(
    b"\x30\x82",
    subject="CN=ex1",
    issuer="CN=ex1",
    names=("ex1", "ex1.example.com"),
    not_before="2019-01-01T00:00:00Z",
    not_after="2024-01-01T12:00:00Z",
    self_signed=True,
    key="RSA 2048",
    signature="sha1WithRSAEncryption",
)
TLS = Tls(
    offered=True,
    negotiated=True,
    verified=False,
    distrust="self-signed",
    version="TLSv1.2",
    cipher="ECDHE-RSA-AES256-SHA384",
    certificate=CERTIFICATE,
    ehlo=("ex1.example.com Hello", "AUTH NTLM"),
)
NTLM = Ntlm(
    b"NTLMSSP\0",
    target="CORP",
    netbios_domain="CORP",
    netbios_computer="EX1",
    dns_domain="corp.example.com",
    dns_computer="EX1.corp.example.com",
    windows=(6, 1, 7601),
)
HINTS = (
    Hint(Channel.EHLO, "consistent with Exchange 2013", "XSHADOWREQUEST", "a transcript"),
    Hint(Channel.CERTIFICATE, "consistent with a certificate of its own", "ex1\x1b", "an article"),
)


def conversation(**shown: Any) -> Result:
    """A Windows server of which more was asked."""
    seen = result(WINDOWS, ehlo=("ex1.example.com Hello", "SIZE 37748736", "PIPELINING")).observation
    found = conclude(seen._replace(**shown))
    assert found.identification is not None
    return found._replace(identification=replace(found.identification, hints=HINTS))


def rows(found: Result) -> list[str]:
    """The lines of a screen behind its greeting and its support."""
    return [line for line in check_screen(found).splitlines()[4:] if not line.startswith("  Support")]


def test_the_screen_of_a_conversation_is_shown_as_it_is_here() -> None:
    found = conversation(
        tls=TLS, ntlm=NTLM, ptr=("mx1.example.com",), error="QUIT without a reply", times=Times(1.0, 2.0)
    )
    assert rows(found) == [
        "  Not shown   whether these are fixed, this greeting does not tell: MS04-035",
        "  EHLO        SIZE 37748736, PIPELINING",
        "  EHLO        AUTH NTLM (inside TLS)",
        "  TLS         TLSv1.2 ECDHE-RSA-AES256-SHA384, by STARTTLS; not trusted: self-signed",
        "  Certificate CN=ex1, self-signed, RSA 2048, sha1WithRSAEncryption, 2019-01-01 to 2024-01-01, for ex1, ex1.example.com",
        "  NTLM        Windows 6.1.7601 (Windows Server 2008 R2 SP1), EX1.corp.example.com, domain CORP",
        "  Reverse DNS mx1.example.com",
        "  Hint        consistent with Exchange 2013: XSHADOWREQUEST (EHLO)",
        r"  Hint        consistent with a certificate of its own: ex1\x1b (certificate)",
        "  Error       QUIT without a reply",
        "  Time        connect 1 ms, greeting 2 ms",
    ]


NO = Reply(454, ("TLS not available",))
YES = Reply(220, ("go ahead",))


@pytest.mark.parametrize(
    ("tls", "starttls", "told"),
    [
        (Tls(offered=False), None, "not offered"),
        (Tls(offered=None), None, "not known to be offered"),
        (Tls(error="no reply to EHLO"), None, "not known to be offered: no reply to EHLO"),
        (Tls(offered=True), None, "offered, failed"),
        (Tls(offered=True, error="after 30 s"), None, "offered, failed: after 30 s"),
        (Tls(offered=True, error="454"), NO, "offered, refused: 454"),
        (
            Tls(offered=True, error="no cipher in common\x1b"),
            YES,
            r"offered, failed: no cipher in common\x1b",
        ),
        (Tls(implicit=True), None, "implicit, failed"),
        (Tls(implicit=True, error="wrong version"), None, "implicit, failed: wrong version"),
        (
            Tls(negotiated=True, implicit=True, verified=True, version="TLSv1"),
            None,
            "TLSv1, implicit; trusted",
        ),
        (Tls(negotiated=True, verified=False, cipher="x"), YES, "x, by STARTTLS; not trusted"),
        (Tls(negotiated=True, error="x"), YES, "negotiated, by STARTTLS; no certificate; x"),
        (
            Tls(negotiated=True, certificate=Certificate(b"x", error="not read")),
            YES,
            "negotiated, by STARTTLS; certificate not judged",
        ),
    ],
)
def test_what_became_of_tls_is_told_in_few_words(tls: Tls, starttls: Reply | None, told: str) -> None:
    assert tls_line(tls, starttls) == told
    found = conversation(tls=tls, replies=Replies(starttls=starttls))
    assert f"  TLS         {told}" in rows(found)


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ({"ehlo": None, "replies": Replies(helo=Reply(250, ("ex1 Hello", "\x1b")))}, r"HELO        250 ex1 Hello / \x1b"),
        ({"ehlo": None, "tls": TLS}, "EHLO        AUTH NTLM (inside TLS)"),
        ({"replies": Replies(help=Reply(214, ("Commands:", "HELO")))}, "HELP        214 Commands: / HELO"),
        ({"ptr": ()}, "Reverse DNS no name was told"),
        ({"ptr": ("mx.example.com", "a\x1b")}, r"Reverse DNS mx.example.com, a\x1b"),
        ({"ntlm": Ntlm(b"")}, "NTLM        a challenge without names"),
        ({"ntlm": Ntlm(b"", netbios_computer="EX1", dns_domain="example.com")}, "NTLM        EX1, domain example.com"),
        ({"tls": TLS._replace(certificate=Certificate(b""))}, "Certificate nothing in it was read"),
        ({"tls": TLS._replace(certificate=Certificate(b"", error="not read"))}, "Certificate not read"),
        ({"tls": TLS._replace(certificate=Certificate(b"", "CN=a", "CN=b\x1b"))}, r"Certificate CN=a, issued by CN=b\x1b"),
        ({"tls": TLS._replace(certificate=replace(CERTIFICATE, subject="x" * 500))}, f"Certificate {'x' * 399}\u2026"),
        ({"error": "x" * 500}, f"Error       {'x' * 399}\u2026"),
        ({"ehlo": ("mx", "x" * 500)}, f"EHLO        {'x' * 399}\u2026"),
    ],
)  # fmt: skip
def test_each_answer_has_its_row(shown: dict[str, Any], told: str) -> None:
    assert f"  {told}" in rows(conversation(**shown))


def test_helo_is_not_told_beside_ehlo() -> None:
    assert not [row for row in rows(conversation(replies=Replies(helo=YES, quit=YES))) if "go ahead" in row]


def test_a_sheet_has_what_a_conversation_showed() -> None:
    found = conversation(tls=TLS, ntlm=NTLM, ptr=("mx1.example.com", "mx2.example.com"))
    cells = dict(zip(ROW, next(csv.reader([csv_line(found)])), strict=True))
    assert {name: cells[name] for name in list(ROW)[-9:]} == {
        "keywords": "SIZE PIPELINING",
        "tls_version": "TLSv1.2",
        "tls_verified": "false",
        "certificate_subject": "CN=ex1",
        "certificate_sha256": CERTIFICATE.sha256,
        "ntlm_computer": "EX1.corp.example.com",
        "windows": "6.1.7601",
        "ptr": "mx1.example.com mx2.example.com",
        "hints": "consistent with Exchange 2013: XSHADOWREQUEST (EHLO) | "
        r"consistent with a certificate of its own: ex1\x1b (certificate)",
    }
    assert len(CERTIFICATE.sha256) == 64
    bare = conversation(tls=Tls(offered=False), ntlm=Ntlm(b"", netbios_computer="EX1"))
    cells = dict(zip(ROW, next(csv.reader([csv_line(bare)])), strict=True))
    assert [cells[name] for name in ("tls_version", "tls_verified", "certificate_sha256", "windows")] == [
        ""
    ] * 4
    assert cells["ntlm_computer"] == "EX1"


TOLD = {
    Status.SUCCESS: "No answer: E",
    Status.CONNECTION_REFUSED: "No answer: connection refused",
    Status.CONNECTION_TIMEOUT: "No answer: connection timed out E",
    Status.CONNECTION_RESET: "No answer: connection reset",
    Status.CONNECTION_CLOSED: "No answer: connection closed without a greeting",
    Status.IO_TIMEOUT: "No answer: connected, no greeting E",
    Status.PROTOCOL_ERROR: "No answer: E",
    Status.APPLICATION_ERROR: "No answer: E",
    Status.UNREACHABLE: "No answer: unreachable (E)",
    Status.RESOLUTION_ERROR: "Name not resolved: E",
    Status.EXCLUDED: "Not probed: its address is excluded",
    Status.INVALID_INPUT: "Not probed: E",
    Status.UNKNOWN_ERROR: "No answer: E",
}


@pytest.mark.parametrize("status", Status)
def test_every_status_has_its_words(status: Status) -> None:
    assert headline(result("", status, error="E")) == TOLD[status]


@pytest.mark.parametrize(
    ("ehlo", "told"),
    [
        (None, "Exchange 2000 or 2003 possible. --ehlo tells."),
        (("mx", "TURN"), "Exchange 2000 or 2003 possible."),
        (
            ("mx", "TURN", "OK"),
            "consistent with no Exchange, or with one whose keywords are filtered or missing",
        ),
    ],
)
def test_ehlo_is_advised_only_where_it_was_not_tried(ehlo: tuple[str, ...] | None, told: str) -> None:
    windows = "Windows SMTP service 6.0.3790.3959 (Windows Server 2003 SP2)"
    assert headline(result(WINDOWS, ehlo=ehlo)) == f"{windows}; {told}"


def test_a_build_without_revision_is_told_with_all_that_it_may_be() -> None:
    found = result(IMS.format("5.5.2650"))
    releases = ["Exchange Server 5.5, after Service Pack 2, before Service Pack 3"]
    releases.append("Exchange Server 5.5 Service Pack 3")
    assert headline(found) == "  or  ".join(releases) + "   (5.5.2650 has no revision)"
    assert in_full(found) == " | ".join(releases)
    assert in_short(found) == "Exchange Server 5.5 SP2+|5.5 SP3"
    assert found.identification is not None
    assert caveats(found.identification) == ["the number has no revision that tells builds apart"]
    assert identify_line(found) == f"{headline(found)}   build 5.5.2650   ambiguous   (no-revision)"


@pytest.mark.parametrize(
    ("build", "told"),
    [
        ("4.0.838.2", "Exchange Server 4.0, before Service Pack 1"),
        ("4.0.900.1", "Exchange Server 4.0, after Service Pack 1, before Service Pack 2"),
        ("4.0.994.1", "Exchange Server 4.0, after Service Pack 2, before Service Pack 3"),
        ("4.0.995.1", "Exchange Server 4.0a, after Service Pack 3, before Service Pack 4"),
        ("4.0.996.1", "Exchange Server 4.0a, after Service Pack 4, before Service Pack 5"),
        ("4.0.996.90", "Exchange Server 4.0a Service Pack 5 with later fixes"),
    ],
)
def test_a_position_is_told_in_the_name_that_the_table_has_there(build: str, told: str) -> None:
    assert in_full(result(IMC.format(build))) == told


TABLE = """\
 ADDRESS         PORT RELEASE                      BUILD        NAME IN GREETING   SUPPORT
 10.1.4.17         25 Exchange Server 5.5 SP3      5.5.2650.21  mx.example.com     ended
 mx.example.com (10.1.4.17)  2525 Exchange Server 4.0 SP2|4.0a 4.0.993.5    mx.example.com     ended
 10.1.4.17      65535 Postfix                                   mx.example.com
 10.1.4.17         25 connection-reset
 a.txt line 3         SMTP
 mx.internal.example.com (10.1.4.17)    25 Exchange 2007 or later                    mx.example.com"""


def test_a_table_is_drawn_as_it_is_here() -> None:
    rows = [
        result(IMS.format("5.5.2650.21")),
        SERVICE_PACK_2,
        result("220 mx.example.com ESMTP Postfix\r\n", port=65_535),
        RESET,
        result("220 hello\r\n", host="a.txt line 3", port=0, source="text"),
        result("220 mx.example.com Microsoft ESMTP MAIL Service ready\r\n", host="mx.internal.example.com"),
    ]
    assert [table_heading(), *map(table_row, rows)] == TABLE.split("\n")


def test_the_head_of_a_file_is_as_it_is_here() -> None:
    options = HeadOptions(7, 1.5, 2.5, 3.5, quit=False, ehlo=True, helo_name="mx.example.com", family=6)
    options = replace(options, rate=12.5, per_net=8, retries=1, adaptive=True, only=("answered",))
    options = replace(options, tls=True, ntlm=True, ptr=True, conversations=9)
    order = Order(shuffle=True, seed=5, shard=(2, 3))
    head = Head("0.1.0", 1_795_000_000.5, 12, (25, 587), "sha256:0", options, "records", order)
    assert head_record(head) == {
        "type": "scan",
        "schema": "imcprobe/1",
        "version": "0.1.0",
        "table": "Q257618+47",
        "started": "2026-11-18T11:06:40.500Z",
        "source": "records",
        "targets": 12,
        "ports": [25, 587],
        "targets_digest": "sha256:0",
        "order": {"shuffle": True, "seed": 5, "shard": "2/3"},
        "options": {
            "concurrency": 7,
            "connect_timeout": 1.5,
            "greeting_timeout": 2.5,
            "deadline": 3.5,
            "quit": False,
            "ehlo": True,
            "helo_name": "mx.example.com",
            "family": 6,
            "rate": 12.5,
            "per_net": 8,
            "retries": 1,
            "adaptive": True,
            "tls": True,
            "implicit_tls": False,
            "ntlm": True,
            "help_command": False,
            "ptr": True,
            "all_addresses": False,
            "conversations": 9,
            "only": ["answered"],
        },
    }


def test_the_summary_of_a_file_is_as_it_is_here() -> None:
    tally = Tally()
    for each in (SERVICE_PACK_2, result("220 mx.example.com ESMTP Postfix\r\n"), RESET, RESET):
        tally.add(each)
    summary = summary_record(tally, 10.26, complete=False)
    by_status = summary.pop("by_status")
    assert summary == {"type": "summary", "complete": False, "targets": 4, "exchange": 1, "seconds": 10.3}
    assert {status: count for status, count in by_status.items() if count} == {
        "success": 2,
        "connection-reset": 2,
    }
    assert list(by_status) == list(Status)


@pytest.mark.parametrize(
    ("found", "complete"),
    [
        (result(WINDOWS), True),
        (result("554 no\r\n", Status.APPLICATION_ERROR), True),
        (result("220-a\r\n220 b\r\n"), True),
        (result("250 x\r\n", Status.PROTOCOL_ERROR), True),
        (result("220-a\r\n220 b\r\n250 early\r\n", source="records"), True),
        (result("220 x\r\n", source="text"), True),
        (result("220 x", source="text"), False),
        (result("hello\r\n", source="text"), False),
        (result("220-a\r\n", Status.IO_TIMEOUT), False),
        (result("220 mx.exam", Status.CONNECTION_CLOSED), False),
        (result("SSH-2.0-x\r\n", Status.PROTOCOL_ERROR), False),
        (RESET, False),
    ],
    ids=lambda value: repr(value.observation.greeting) if isinstance(value, Result) else None,
)
def test_a_record_says_whether_the_greeting_is_whole(found: Result, complete: bool) -> None:
    assert result_record(found)["complete_greeting"] is complete


def test_a_position_between_service_packs_of_4_0a_is_of_4_0a_in_short_too() -> None:
    assert in_short(result(IMC.format("4.0.995.10"))) == "Exchange Server 4.0a SP3+"
    assert in_short(result(IMC.format("4.0.996.90"))) == in_short(result(IMC.format("4.0.997.1")))


def test_a_number_of_headers_is_that_of_the_service_itself() -> None:
    assert "\n  Build       5.5.2653.19   other-component: Internet Mail Service of 5.5 SP4 (Q320636)\n" in (
        check_screen(result(IMS.format("5.5.2653.19")))
    )
