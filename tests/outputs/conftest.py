"""Results of every kind, as a scan and as stored text give them."""

from __future__ import annotations

import pytest

from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Result, Status, Target, Times

IMS = b"220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service %s) ready\r\n"
HOSTILE = (
    b"220 mx.example.com ESMTP \x1b]0;owned\x07\x1b[2J\t\xe2\x80\xae\xc2\x9b31m \xff\xfe ${jndi:x} [bold]\r\n"
    b"10.0.0.9\tExchange Server 5.5 SP3\r\n"
)


def result(
    greeting: bytes = b"",
    status: Status = Status.SUCCESS,
    *,
    error: str | None = None,
    ehlo: tuple[str, ...] | None = None,
    times: Times = Times(1.04, 12.46),  # noqa: B008 - frozen
    source: str | None = None,
    target: Target = Target("10.1.4.17"),  # noqa: B008 - frozen
) -> Result:
    return conclude(
        Observation(
            target,
            target.host,
            status,
            greeting=greeting,
            ehlo=ehlo,
            times=times,
            error=error,
            seen_at=1_795_000_000.123456,
            source=source,
        )
    )


def many() -> list[Result]:
    builds = (b"5.5.2650.21", b"5.5.2656.59", b"5.5.2652.50", b"5.5.2650", b"5.5.2650.24", b"5.5.2653.19",
              b"5.0.2653.13", b"5.5.1664.3", b"5.5.2700.1", b"5.5.x", b"5.5.2232.0", b"9.9.9.9",
              b"5.5.2186.0")  # fmt: skip
    found = [result(IMS % build) for build in builds]
    found += [
        result(b"220 mx.example.com Microsoft Exchange Internet Mail Connector 4.0.993.5 ready\r\n"),
        result(b"220 mx.example.com ESMTP Postfix\r\n"),
        result(b"220 mx.example.com ESMTP MS Exchange\r\n"),
        result(b"220 hello\r\n"),
        result(b"220 ***0*2**\r\n"),
        result(b"220 mx.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready\r\n"),
        result(b"220 mx.example.com Microsoft ESMTP MAIL Service, Version: 10.0.99999.1 ready\r\n"),
        result(b"220 mx.example.com Microsoft ESMTP MAIL Service ready at now\r\n"),
        result(b"220 mx.example.com Microsoft SMTP MAIL ready at x Version: 5.5.1877.197.19\r\n"),
        result(HOSTILE),
        result(IMS % b"5.5.2653.13" + b"250 INJECTED\r\n"),
        result(IMS % b"5.5.2448.0", ehlo=("mx", "XEXCH50", "SIZE \x1b[2J")),
        result(IMS % b"5.5.2448.0", ehlo=("mx",)),
        result(IMS % b"5.5.2448.0", error="EHLO refused with 500"),
        result(b"220 (vsFTPd 3.0.3)\r\n"),
        result(b"554 5.7.1 No SMTP service here\r\n", Status.APPLICATION_ERROR),
        result(b"421-a\r\n421 b\r\n", Status.APPLICATION_ERROR),
        result(b"SSH-2.0-x\r\n", Status.PROTOCOL_ERROR, error="a line without a reply code"),
        result(b"250 x\r\n", Status.PROTOCOL_ERROR, error="a greeting with code 250"),
        result(b"220 ex55.", Status.CONNECTION_CLOSED),
        result(b"220-a\r\n220", Status.CONNECTION_RESET, error="ECONNRESET"),
        result(b"220", Status.IO_TIMEOUT, error="after 30 s"),
        result(b"2", Status.UNKNOWN_ERROR, error="EIO"),
        result((IMS % b"5.5.2653.13").replace(b"220 ", b"220-"), Status.IO_TIMEOUT, error="after 30 s"),
        result(IMS % b"5.5.2653.13", source="text", target=Target("greetings.txt line 3", 0)),
        result(b"mx.example.com ESMTP hello", source="text", target=Target("a\x1b[2Jb line 3", 0)),
        result(b"\x00\xff", source="text"),
        result(target=Target("2001:db8::1", 2525), status=Status.IO_TIMEOUT, error="after 30 s"),
    ]
    silent = {status: None for status in Status if status is not Status.SUCCESS}
    return found + [result(status=status, error="E\x1b[2J", times=Times()) for status in silent]


@pytest.fixture(
    params=many(), ids=lambda each: f"{each.observation.status}-{each.observation.greeting[:70]!r}"
)
def each_result(request: pytest.FixtureRequest) -> Result:
    found: Result = request.param
    return found


@pytest.fixture
def all_results() -> list[Result]:
    return many()
