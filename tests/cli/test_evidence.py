"""Looking further, as a user does: extras, trust, what is stored of it and read again, what is shown."""

from __future__ import annotations

import csv
import io
import json
import re
import ssl
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from jsonschema import Draft202012Validator

import imcprobe
from imcprobe.outputs.records import Head, head_record, line_of, result_line
from imcprobe.outputs.schema import json_schema
from imcprobe.sources.records import read_records
from imcprobe.testing import GREETING_NAMES, Fleet, Member, member_of, serve_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imcprobe.testing.factories import FleetFactory, ServerFactory

    Cli = Callable[..., Any]
    NameServer = Any

pytest.importorskip("dns")
both_verbs = pytest.mark.parametrize("verb", ["check", "scan"])
EVERYTHING = ("--tls", "--ntlm", "--help-command", "--ptr")
VALIDATOR = Draft202012Validator(json_schema())


# The extras


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own; what it prints and how it ends."""
    command = [sys.executable, "-c", f"import sys; {code}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def without(*modules: str) -> str:
    """Code that hides libraries, as if they were not installed."""
    return "".join(f"sys.modules[{module!r}] = None; " for module in modules)


RUN = "from imcprobe.cli.app import run; code = run(sys.argv[1:]); "
LOADED = f"{RUN}print('\\n', *sys.modules)"


@both_verbs
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["TARGET", "--tls"], "--tls needs the \"tls\" extra: pip install 'imcprobe[tls]'"),
        (["TARGET", "--implicit-tls"], "--implicit-tls needs the \"tls\" extra: pip install 'imcprobe[tls]'"),
        (["TARGET", "--mx", "example.com"], "--mx needs the \"dns\" extra: pip install 'imcprobe[dns]'"),
        (["TARGET", "--ptr"], "--ptr needs the \"dns\" extra: pip install 'imcprobe[dns]'"),
    ],
    ids=["--tls", "--implicit-tls", "--mx", "--ptr"],
)
def test_without_its_extra_an_option_says_which_to_install_and_nothing_is_probed(
    imc_server: ServerFactory, verb: str, arguments: list[str], told: str
) -> None:
    server = imc_server()
    placed = [server.address if each == "TARGET" else each for each in arguments]
    done = python(f"{without('cryptography', 'dns')}{RUN}sys.exit(code)", verb, *placed)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"imcprobe: {told}\n")
    assert server.connections == 0


@both_verbs
@pytest.mark.parametrize(
    "options",
    [(), ("--ehlo",), ("--ntlm",), ("--ntlm", "--help-command", "--all-addresses")],
    ids=lambda options: " ".join(options) or "nothing",
)
def test_what_needs_no_extra_works_without_them_and_loads_neither(
    imc_server: ServerFactory, verb: str, options: tuple[str, ...]
) -> None:
    arguments = (verb, imc_server("exchange2010").address, "-f", "jsonl", *options)
    bare = python(f"{without('cryptography', 'dns')}{RUN}sys.exit(code)", *arguments)
    assert bare.returncode == 0
    (found,) = [record for record in map(json.loads, bare.stdout.splitlines()) if record["type"] == "result"]
    assert (found["ntlm"] is not None) is ("--ntlm" in options)
    loaded = set(python(LOADED, *arguments).stdout.splitlines()[-1].split())
    assert "imcprobe.cli.app" in loaded
    assert not {"cryptography", "dns"} & loaded


@both_verbs
def test_what_reads_certificates_is_loaded_where_they_are_wanted_and_nothing_else(
    imc_server: ServerFactory, verb: str
) -> None:
    """Before the first connection, so that no server waits for it."""
    address = imc_server("exchange2003").address
    loaded = {
        options: set(python(LOADED, verb, address, *options).stdout.splitlines()[-1].split())
        for options in [("--ehlo",), ("--tls",)]
    }
    assert "cryptography.x509" not in loaded["--ehlo",]
    assert "cryptography.x509" in loaded["--tls",]
    assert "dns" not in loaded["--tls",]


def test_stored_certificates_are_shown_without_what_reads_them(
    cli: Cli, imc_server: ServerFactory, tmp_path: Path
) -> None:
    stored = tmp_path / "found.jsonl"
    assert cli("scan", imc_server("exchange2010").address, "--tls", "-o", stored).code == 0
    done = python(f"{without('cryptography', 'dns')}{RUN}sys.exit(code)", "identify", stored, "-f", "jsonl")
    assert done.returncode == 0
    before, after = (
        [record for record in map(json.loads, text.splitlines()) if record["type"] == "result"]
        for text in (stored.read_text(), done.stdout)
    )
    assert before[0]["tls"]["certificate"]["subject"] == "CN=mock"
    assert after == before
    loaded = set(python(LOADED, "identify", stored).stdout.splitlines()[-1].split())
    assert not {"cryptography", "dns", "asyncio", "ssl"} & loaded


# A port of its own, which leads to a mock elsewhere.
ON_465 = """
import asyncio
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Target
from imcprobe.outputs.screen import check_screen
from imcprobe.probe.scan import Scan
from imcprobe.probe.sockets import dial
async def main():
    there = int(sys.argv[1])
    scan = Scan([Target("127.0.0.1", 465)], dial=lambda sock, place: dial(sock, (place[0], there)))
    async for batch in scan.batches():
        for seen in batch:
            print(check_screen(conclude(seen)))
asyncio.run(main())
"""


@pytest.mark.parametrize("hidden", [(), ("cryptography",)], ids=["with the extra", "without"])
def test_on_port_465_tls_comes_first_and_without_the_extra_it_is_told_what_is_missing(
    imc_fleet: FleetFactory, hidden: tuple[str, ...]
) -> None:
    (server,) = imc_fleet([replace(member_of("exchange2010"), implicit_tls=True)])
    code = ON_465.replace('"127.0.0.1"', repr(server.host))
    done = python(f"{without(*hidden)}{code}", server.port)
    assert done.stderr == ""
    where, answer, *rows = done.stdout.splitlines()
    assert where == f"{server.host} port 465"
    assert answer == "  Exchange 2007 or later: the greeting carries no build"
    told = {row[2:14].strip(): row[14:] for row in rows}
    tls = "TLSv1.3 TLS_AES_256_GCM_SHA384, implicit"
    if hidden:
        assert told["TLS"] == f"{tls}; certificate not judged"
        assert told["Certificate"] == 'not read: needs the "tls" extra'
    else:
        assert told["TLS"] == f"{tls}; not trusted: self-signed"
        assert told["Certificate"].startswith("CN=mock, self-signed, RSA 2048, sha256WithRSAEncryption, 20")
    imc_fleet.settle(1)
    assert server.received == [b"QUIT\r\n"]


# Trust: as of the system, which here has an authority of its own.


class Authority:
    """Signs certificates for servers."""

    def __init__(self, parent: trustme.CA | None = None) -> None:
        self.ca = trustme.CA() if parent is None else parent.create_child_ca()

    def server(self, *names: str, **validity: Any) -> Member:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, **validity).configure_cert(context)
        return replace(member_of("exchange2016"), tls=context)


@pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "implicit"])
def test_a_certificate_is_verified_against_what_this_system_trusts(
    shell: Cli, tmp_path: Path, implicit: bool
) -> None:
    known, unknown = Authority(), Authority()
    below = Authority(known.ca)
    now, year = datetime.now(UTC), timedelta(days=365)
    here = "127.0.0.1"
    expected: list[tuple[str, Member, bool, str | None]] = [
        (here, known.server(here), True, None),
        (here, below.server(here), True, None),
        ("localhost", known.server("localhost"), True, None),
        (here, known.server("mx.example.com"), False, "another name: mx.example.com"),
        ("localhost", known.server("*.example.com"), False, "another name: *.example.com"),
        (here, known.server(here, not_before=now - 2 * year, not_after=now - year), False, "expired since"),
        (here, known.server(here, not_before=now + year), False, "not valid before"),
        (here, unknown.server(here), False, "no chain that holds to an authority of this system"),
    ]
    roots = tmp_path / "roots.pem"
    known.ca.cert_pem.write_to_path(str(roots))
    members = [replace(member, implicit_tls=implicit) for _, member, _, _ in expected]
    with serve_in_thread(Fleet(members, by_ports=True)) as fleet:
        targets = [f"{host}:{server.port}" for (host, *_), server in zip(expected, fleet, strict=True)]
        option = "--implicit-tls" if implicit else "--tls"
        command = f"imcprobe check -4 -q -f jsonl {option} {' '.join(targets)}"
        done = shell(command, SSL_CERT_FILE=str(roots), SSL_CERT_DIR=str(tmp_path))
    assert (done.code, done.err) == (0, "")
    told = {f"{record['target']}:{record['port']}": record["tls"] for record in done.results}
    for target, (_, _, verified, why) in zip(targets, expected, strict=True):
        tls = told[target]
        assert (tls["negotiated"], tls["verified"]) == (True, verified), target
        assert tls["distrust"] == why or (tls["distrust"] or "").startswith(f"{why} 20"), target
        assert tls["certificate"]["self_signed"] is False


def test_a_trusted_server_is_shown_as_one(shell: Cli, tmp_path: Path) -> None:
    known = Authority()
    roots = tmp_path / "roots.pem"
    known.ca.cert_pem.write_to_path(str(roots))
    with serve_in_thread(Fleet([known.server("127.0.0.1")])) as fleet:
        done = shell(f"imcprobe check -f table --tls {fleet.address}", SSL_CERT_FILE=str(roots))
    assert "  TLS         TLSv1.3 TLS_AES_256_GCM_SHA384, by STARTTLS; trusted\n" in done.out


# Records, screens and sheets of all of it


@pytest.fixture
def dns(name_server: NameServer, monkeypatch: pytest.MonkeyPatch) -> NameServer:
    """The name server of this machine, as far as dnspython knows."""
    monkeypatch.setattr("dns.asyncresolver.default_resolver", name_server.resolver)
    return name_server


@pytest.fixture
def everybody(imc_fleet: FleetFactory, dns: NameServer) -> Fleet:
    """One server of each name, each with a name in reverse DNS."""
    fleet = imc_fleet(list(GREETING_NAMES))
    for number, server in enumerate(fleet):
        reverse = ip_address(server.host).reverse_pointer
        dns.records[f"{reverse} PTR"] = [f"mx{number}.example.com."]
    return fleet


def test_all_that_was_seen_is_stored_by_the_schema_and_read_again(
    cli: Cli, everybody: Fleet, tmp_path: Path
) -> None:
    stored, document = tmp_path / "found.jsonl", tmp_path / "found.json"
    done = cli("scan", *everybody.addresses, *EVERYTHING, "-o", stored, "-o", document, "-f", "jsonl")
    assert done.code == 0
    for record in done.records:
        VALIDATOR.validate(record)
    assert [json.loads(line) for line in stored.read_text().splitlines()] == done.records
    assert {key: sum(record[key] is not None for record in done.results) for key in ("tls", "ptr")} == {
        "tls": len(everybody),
        "ptr": len(everybody),
    }
    assert any(record["ntlm"] for record in done.results)
    for file in (stored, document):
        again = cli("identify", file, "-f", "jsonl")
        assert again.code == 0
        assert again.results == done.results
        assert again.records[0]["source"] == "records"


async def test_what_is_concluded_from_a_record_is_what_was_concluded_from_the_server(
    everybody: Fleet,
) -> None:
    options = imcprobe.ProbeOptions(tls=True, ntlm=True, help_command=True, ptr=True)
    results = [each async for each in imcprobe.scan(everybody.addresses, options=options)]
    assert len(results) == len(everybody)
    head = line_of(head_record(Head("0.1.0", 0.0, len(results))))
    lines = [head, *map(result_line, results)]
    read = list(read_records("".join(f"{line}\n" for line in lines).encode(), "a file"))
    for (seen, found), stored in zip(results, read, strict=True):
        rounded = seen._replace(times=stored.times, seen_at=stored.seen_at, source="records")
        assert stored == rounded
        assert imcprobe.conclude(stored).identification == found


def test_the_screen_of_a_server_has_everything_that_it_showed(
    cli: Cli, imc_fleet: FleetFactory, dns: NameServer
) -> None:
    (server,) = imc_fleet(["exchange2010"])
    dns.records[f"{ip_address(server.host).reverse_pointer} PTR"] = ["mx.example.com."]
    done = cli("check", server.address, *EVERYTHING, "-f", "table")
    where, _, screen = done.out.partition("\n")
    assert where == f"{server.host} port {server.port}"
    answer, *rows, times = re.sub(r"20\d\d-\d\d-\d\d", "<day>", screen).splitlines()
    assert times.startswith("  Time        ")
    assert answer == "  Exchange 2007 or later, consistent with 2010: the greeting carries no build"
    assert [(row[:14].strip(), row[14:]) for row in rows] == SCREEN


SCREEN = [
    (
        "Greeting",
        "220 mock.example.com Microsoft ESMTP MAIL Service ready at Fri, 21 Oct 2016 21:18:21 +0200",
    ),
    (
        "EHLO",
        (
            "SIZE, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, X-ANONYMOUSTLS, AUTH NTLM LOGIN, "
            "X-EXPS GSSAPI NTLM, 8BITMIME, BINARYMIME, CHUNKING, XEXCH50, XRDST, XSHADOW"
        ),
    ),
    (
        "HELP",
        (
            "214 This server supports the following commands: / HELO EHLO STARTTLS RCPT DATA RSET MAIL "
            "QUIT HELP AUTH BDAT"
        ),
    ),
    ("TLS", "TLSv1.3 TLS_AES_256_GCM_SHA384, by STARTTLS; not trusted: self-signed"),
    (
        "Certificate",
        "CN=mock, self-signed, RSA 2048, sha256WithRSAEncryption, <day> to <day>, for mock, mock.example.com",
    ),
    ("NTLM", "Windows 6.1.7601 (Windows Server 2008 R2 SP1), exchange.example.com, domain EXAMPLE"),
    ("Reverse DNS", "mx.example.com"),
    ("Hint", "consistent with Exchange 2010: XSHADOW (EHLO)"),
    (
        "Hint",
        (
            "consistent with the default certificate of Exchange 2007 or later, which names its host: "
            "mock.example.com (certificate)"
        ),
    ),
    (
        "Hint",
        (
            "consistent with Windows Server 2008 R2 SP1, which carries Exchange 2007 (from SP3), 2010 or "
            "2013: 6.1.7601 (NTLM)"
        ),
    ),
]


def test_a_sheet_has_a_column_for_each_of_it(cli: Cli, imc_fleet: FleetFactory, dns: NameServer) -> None:
    (server,) = imc_fleet(["exchange2010"])
    dns.records[f"{ip_address(server.host).reverse_pointer} PTR"] = ["mx.example.com."]
    done = cli("scan", server.address, *EVERYTHING, "-f", "csv")
    (row,) = csv.DictReader(io.StringIO(done.out))
    assert {name: row[name] for name in SHEET} == SHEET
    assert re.fullmatch("[0-9a-f]{64}", row["certificate_sha256"])


SHEET = {
    "release": "Exchange 2007 or later, consistent with 2010",
    "family": "exchange-2007+",
    "confidence": "medium",
    "error": "",
    "advisories": "",
    "keywords": "SIZE PIPELINING DSN ENHANCEDSTATUSCODES STARTTLS X-ANONYMOUSTLS AUTH X-EXPS 8BITMIME "
    "BINARYMIME CHUNKING XEXCH50 XRDST XSHADOW",
    "tls_version": "TLSv1.3",
    "tls_verified": "false",
    "certificate_subject": "CN=mock",
    "ntlm_computer": "exchange.example.com",
    "windows": "6.1.7601",
    "ptr": "mx.example.com",
    "hints": "consistent with Exchange 2010: XSHADOW (EHLO) | consistent with the default certificate of "
    "Exchange 2007 or later, which names its host: mock.example.com (certificate) | consistent with Windows "
    "Server 2008 R2 SP1, which carries Exchange 2007 (from SP3), 2010 or 2013: 6.1.7601 (NTLM)",
}


# What it means for the owner


@both_verbs
@pytest.mark.parametrize(
    ("name", "options", "code", "reason"),
    [
        ("exchange5.5", (), 1, "--fail-on vulnerable: 1 of 1."),
        ("exchange5.5-ssl", EVERYTHING, 1, "--fail-on vulnerable: 1 of 1."),
        ("5.5.2656.59", (), 0, None),
        ("exchange2000", (), 1, "--fail-on vulnerable: 1 of 1."),
        # What no greeting shows is no reason, whatever it is called.
        ("exchange2003", ("--ehlo",), 0, None),
        ("exchange2010", EVERYTHING, 0, None),
        ("postfix", EVERYTHING, 0, None),
    ],
)
@pytest.mark.usefixtures("dns")
def test_a_missing_fix_is_a_reason_to_fail_and_what_cannot_be_shown_is_none(
    cli: Cli,
    imc_server: ServerFactory,
    verb: str,
    name: str,
    options: tuple[str, ...],
    code: int,
    reason: str | None,
) -> None:
    done = cli(verb, imc_server(name).address, *options, "--fail-on", "vulnerable", "-f", "line")
    assert done.code == code
    assert [line for line in done.err.splitlines() if "--fail-on" in line] == (
        [] if reason is None else [f"imcprobe: {reason}"]
    )


def test_the_demo_shows_an_exchange_behind_a_windows_greeting_and_why(cli: Cli) -> None:
    done = cli("demo", "-f", "jsonl")
    (found,) = [
        record
        for record in done.results
        if record["identification"] and record["identification"]["product"] == "Exchange 2000 or 2003"
    ]
    assert found["identification"]["family"] == "windows-smtp"
    (hint,) = found["identification"]["hints"]
    assert (hint["channel"], hint["reading"]) == ("ehlo", "consistent with Exchange 2003")
    assert {"X-LINK2STATE", "XEXCH50"} <= set(found["keywords"])
    assert "Exchange 2000 or 2003" in cli("demo", "-f", "table").out
