"""What a conversation showed besides its greeting: replies, a certificate, the challenge of NTLM.

Seen, not judged. Text in here comes from the wire, with bytes that are not UTF-8 as lone surrogates
(`surrogateescape`): sanitise it before showing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

CUT_SHORT = "was cut short: the scan was stopped"
"""What is told of a conversation that was broken off, behind what was being asked."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete SMTP reply (RFC 5321, 4.2): its code and its lines' text without code and line end.

    Bytes that are not UTF-8 are kept as lone surrogates (`surrogateescape`), so none is lost.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Replies(NamedTuple):
    """The replies to what was said besides EHLO; None for what was not said, or not answered whole.

    `auth` is the last one before AUTH NTLM was left off: the challenge, if it came.
    """

    helo: Reply | None = None
    help: Reply | None = None
    starttls: Reply | None = None
    auth: Reply | None = None
    quit: Reply | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's own certificate: as it came (`der`), and what stands in it.

    `subject` and `issuer` are distinguished names as of RFC 4514, `names` the DNS names and addresses of
    its subjectAltName, `not_before` and `not_after` in UTC (`2026-11-25T18:00:00Z`), `key` like `RSA 1024`
    or `EC secp256r1`, `signature` like `sha1WithRSAEncryption`. They are None, and `error` says why, for
    what could not be read.
    """

    der: bytes
    subject: str | None = None
    issuer: str | None = None
    names: tuple[str, ...] = ()
    not_before: str | None = None
    not_after: str | None = None
    self_signed: bool | None = None
    key: str | None = None
    signature: str | None = None
    error: str | None = None

    @property
    def sha256(self) -> str:
        """The fingerprint, in hexadecimal."""
        import hashlib  # it takes OpenSSL along

        return hashlib.sha256(self.der).hexdigest()


class Tls(NamedTuple):
    """TLS on a connection: three different things, and what was negotiated.

    `implicit` is TLS from the first byte; otherwise `offered` says whether EHLO's reply had STARTTLS
    (None: there was no reply to know it from). `negotiated` is whether the handshake was completed,
    `verified` whether the certificate is one that the system trusts for this host at this moment (None
    where there is none, or none that could be read); `distrust` is why it is not. `version` is like
    `TLSv1.2`, `cipher` OpenSSL's name. `ehlo` are the lines of EHLO's reply inside TLS. `error` is what went
    wrong in setting it up.
    """

    implicit: bool = False
    offered: bool | None = None
    negotiated: bool = False
    verified: bool | None = None
    distrust: str | None = None
    version: str | None = None
    cipher: str | None = None
    certificate: Certificate | None = None
    ehlo: tuple[str, ...] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Ntlm:
    """The CHALLENGE message of NTLM (MS-NLMP 2.2.1.2): as it came (`challenge`), and what stands in it.

    `windows` is (major, minor, build) of the server's Windows where the message says it.
    """

    challenge: bytes
    target: str | None = None
    netbios_domain: str | None = None
    netbios_computer: str | None = None
    dns_domain: str | None = None
    dns_computer: str | None = None
    dns_forest: str | None = None
    windows: tuple[int, int, int] | None = None
