"""The servers of hostile TLS and NTLM do what their rows say: shown by a client of plain sockets."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import sys
import time
import warnings
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from spnego._ntlm_raw.messages import AvId, Challenge

from imcprobe.evidence import Certificate, Ntlm, Tls
from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Status, Target
from imcprobe.testing import HOSTILE, Case
from imcprobe.testing.hostile.case import ExpectedTls, sp3
from imcprobe.testing.manner import EHLO_5_5, IMS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import EllipsisType

    from imcprobe.model import Result
    from imcprobe.testing.server import MockServer

    Running = Callable[[MockServer], MockServer]

# Long enough for whoever answers at all; the others are waited for this long, whatever it is that they do.
PATIENCE = 2.0
# What is more than this is no reply.
BOUND = 65_536
SP3 = sp3().kept
INSIDE = IMS.ehlo_lines(secure=True)
NEGOTIATE = b"TlRMTVNTUAABAAAAAAAAAA==\r\n"


class NoReplyError(Exception):
    """What came is no SMTP reply, or none came."""


def reply(client: socket.socket) -> bytes:
    """The next reply, and nothing behind it; raises NoReplyError or OSError."""
    said, ends = b"", time.monotonic() + PATIENCE
    while not (said.endswith(b"\n") and said.splitlines()[-1][3:4] != b"-"):
        piece = client.recv(1)
        if not piece or len(said) > BOUND or time.monotonic() > ends:
            raise NoReplyError
        said += piece
    return said


def lines(said: bytes) -> tuple[str, ...]:
    if said[:3] != b"250":
        raise NoReplyError
    return tuple(line[4:].decode() for line in said.splitlines())


def greeted(server: MockServer) -> socket.socket:
    client = socket.create_connection((server.host, server.port), timeout=PATIENCE)
    assert reply(client) == SP3
    return client


def tolerant() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def talked_tls(client: socket.socket) -> Tls:
    """EHLO, STARTTLS where it is offered, and EHLO in it."""
    client.sendall(b"EHLO me\r\n")
    if "STARTTLS" not in lines(reply(client)):
        return Tls(offered=False)
    try:
        client.sendall(b"STARTTLS\r\n")
        if reply(client)[:3] != b"220":
            return Tls(offered=True, error="refused")
        secure = tolerant().wrap_socket(client, do_handshake_on_connect=False)
    except (NoReplyError, OSError) as error:
        return Tls(offered=True, error=repr(error))
    with secure:
        try:
            secure.do_handshake()
        except OSError as error:
            return Tls(offered=True, error=repr(error))
        der = secure.getpeercert(binary_form=True)
        assert der is not None
        seen = Tls(False, True, True, False, None, secure.version(), None, Certificate(der))
        try:
            secure.sendall(b"EHLO me\r\n")
            return seen._replace(ehlo=lines(reply(secure)))
        except (NoReplyError, OSError):
            return seen


def result(tls: Tls | None = None, ntlm: Ntlm | None = None, ehlo: tuple[str, ...] = EHLO_5_5) -> Result:
    seen = Observation(Target("a"), None, Status.SUCCESS, SP3, ehlo)
    return conclude(seen._replace(tls=tls, ntlm=ntlm))


@pytest.mark.parametrize("case", HOSTILE["tls"], ids=lambda case: str(case.name))
def test_tls_comes_as_far_as_its_row_says(running: Running, case: Case) -> None:
    with greeted(running(case.member.at("127.0.0.1", 0))) as client:
        seen = talked_tls(client)
    told = case.expected.differences(result(seen, ehlo=case.expected.ehlo or ()), tls=True)
    # A client that reads no further than a reply believes the first of two.
    taken_in = {"two-replies-inside": ["tls ehlo"]}
    assert sorted(line.partition(":")[0] for line in told) == taken_in.get(case.name, []), told


def talked_ntlm(client: socket.socket) -> bytes:
    """The challenge, empty where none comes; raises NoReplyError or OSError."""
    for sent in (b"AUTH NTLM\r\n", NEGOTIATE):
        client.sendall(sent)
        said = reply(client)
        if not said.startswith(b"334 "):
            return b""
    return b64decode(said[4:], validate=False)


def read(message: bytes) -> tuple[object, ...] | None:
    """What another decoder reads, in the order of `Ntlm`."""
    challenge = Challenge.unpack(message)
    info: Mapping[AvId, object] = challenge.target_info or {}
    version = challenge.version
    kinds = (
        AvId.nb_domain_name,
        AvId.nb_computer_name,
        AvId.dns_domain_name,
        AvId.dns_computer_name,
        AvId.dns_tree_name,
    )
    # Without one it makes one up, of zeros.
    windows = (version.major, version.minor, version.build) if version and version.major else None
    return challenge.target_name, *(info.get(kind) for kind in kinds), windows


@pytest.mark.parametrize(
    "case",
    [case for case in HOSTILE["ntlm"] if case.expected.ntlm is not ...],
    ids=lambda case: str(case.name),
)
def test_a_challenge_comes_as_far_as_its_row_says(running: Running, case: Case) -> None:
    server = running(case.member.at("127.0.0.1", 0))
    with greeted(server) as client:
        try:
            seen = read(talked_ntlm(client))
        except (NoReplyError, OSError, ValueError, KeyError, struct.error):
            seen = None
    assert (seen if any(seen or ()) else None) == case.expected.ntlm


@pytest.mark.parametrize(
    ("tls", "expected", "told"),
    [
        (None, None, ["tls: "]),
        (None, ExpectedTls(offered=False, failed=None), []),
        (Tls(offered=True), None, []),
        (Tls(offered=True, error="x"), None, []),
        (Tls(offered=True), ExpectedTls(), ["tls failed: False instead of True"]),
        (Tls(offered=True, error="x"), ExpectedTls(), []),
        (Tls(offered=False), ExpectedTls(failed=None), ["tls offered: False instead of True"]),
        (Tls(offered=True, verified=True), None, ["tls verified: True instead of False"]),
        (
            Tls(offered=True, negotiated=True, version="TLSv1.2", ehlo=("mx",)),
            ExpectedTls(negotiated=True, failed=False, version="TLSv1"),
            [
                "tls certificate: False instead of True",
                "tls version: 'TLSv1.2' instead of 'TLSv1'",
                "tls ehlo: ('mx',) instead of None",
            ],
        ),
        (
            Tls(offered=True, negotiated=True, certificate=Certificate(b""), ehlo=INSIDE),
            ExpectedTls(negotiated=True, failed=False, ehlo=INSIDE),
            [],
        ),
    ],
)
def test_what_is_wrong_about_tls_is_told(
    tls: Tls | None, expected: ExpectedTls | None, told: list[str]
) -> None:
    found = sp3(tls=expected).differences(result(tls), tls=True)
    assert [line.startswith(start) for line, start in zip(found, told, strict=True)] == [True] * len(told)


@pytest.mark.parametrize(
    ("ntlm", "expected", "right"),
    [
        (None, None, True),
        (Ntlm(b"x"), None, True),
        (Ntlm(b"x", "A"), None, False),
        (Ntlm(b"x", "A"), ..., True),
        (None, ("A", None, None, None, None, None, None), False),
        (Ntlm(b"x", "A"), ("A", None, None, None, None, None, None), True),
        (Ntlm(b"x", "A", windows=(5, 2, 3790)), ("A", None, None, None, None, None, (5, 2, 3790)), True),
    ],
)
def test_what_is_wrong_about_ntlm_is_told(
    ntlm: Ntlm | None, expected: tuple[object, ...] | EllipsisType | None, right: bool
) -> None:
    assert (sp3(ntlm=expected).differences(result(ntlm=ntlm), ntlm=True) == []) is right


def test_what_is_out_of_step_may_be_believed_or_not() -> None:
    (case,) = [case for case in HOSTILE["tls"] if case.expected.or_unbelieved]
    nothing = result(Tls(offered=True, negotiated=True, certificate=Certificate(b"")), ehlo=EHLO_5_5)
    assert case.expected.differences(nothing, tls=True) == []
    unbelieved = nothing._replace(observation=nothing.observation._replace(ehlo=None, error="out of step"))
    assert case.expected.differences(unbelieved, tls=True) == []
    asked_for_less = unbelieved._replace(observation=unbelieved.observation._replace(tls=None))
    assert case.expected.differences(asked_for_less, ehlo=True) != []


def test_neither_counts_unless_it_was_asked_for() -> None:
    expected = sp3(tls=ExpectedTls(negotiated=True), ntlm=("A",))
    assert expected.differences(result(), ehlo=True) == []
    unasked = expected.differences(result(Tls(), Ntlm(b"x")), ehlo=True)
    assert [line.partition(":")[0] for line in unasked] == ["tls", "ntlm"]


def test_the_fleet_is_there_without_the_library_for_certificates() -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None; from imcprobe.testing import hostile_cases; "
        "from imcprobe.cli.app import run; print(len(hostile_cases()) > 195); "
        "sys.exit(int(run(['mock', '-p', '0', '--fleet', 'tls', '--exec', 'true'])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "True\n")
    assert done.stderr == 'imcprobe: --fleet "tls" needs the "tls" extra: pip install \'imcprobe[tls]\'\n'
