"""What stands in a server's certificate, however old or broken, and what it hints at.

Pure: DER in, values out, whatever the bytes; nothing here raises. The library `cryptography` is from the
extra `tls` and loaded when the first certificate is read. Text stays as the certificate has it: sanitise
it before showing it.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, TypeVar

from imcprobe.evidence import Certificate
from imcprobe.meaning import Channel, Hint
from imcprobe.safetext import clip

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    _T = TypeVar("_T")

MAX_DER = 65_536
"""Bytes: what is longer is not read. OpenSSL takes 100 kB for a whole chain (SSL_CTX_set_max_cert_list)."""
MAX_NAMES = 100
MAX_TEXT = 1024
"""Characters of any one text."""
NEEDS_EXTRA = 'not read: needs the "tls" extra'

# Names of signature algorithms: RFC 8017 A.2, RFC 3279 2.2, RFC 5758, RFC 8410 3; the last is an old one of
# the OIW. Of what is not here the OID is told.
_SIGNATURES = {
    "1.2.840.113549.1.1.2": "md2WithRSAEncryption",
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.10": "rsassaPss",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.113549.1.1.14": "sha224WithRSAEncryption",
    "1.2.840.10040.4.3": "dsa-with-sha1",
    "2.16.840.1.101.3.4.3.2": "dsa-with-sha256",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    "1.3.14.3.2.29": "sha1WithRSASignature",
}

_ONE_LABEL = re.compile(r"CN=([a-z0-9-]{1,63})", re.ASCII | re.IGNORECASE)
# The article has the two names, the transcript the subject (of Exchange 2013: CN=E15MB1).
_DEFAULT_SOURCE = "Exchange 2007 Help, overview of the self-signed certificate; practical365 (Exchange 2013)"


def read(der: bytes) -> Certificate:
    """Read a certificate in DER, each field for itself: `error` names those that could not be read.

    MD5 and SHA-1, RSA of 512 bits, version 1, serial numbers that are not positive and any dates are fine.
    `self_signed` says that it names itself as its issuer; its signature is not verified.
    """
    if len(der) > MAX_DER:
        return Certificate(der, error=f"not read: longer than {MAX_DER:,} bytes")
    try:
        from cryptography.x509 import load_der_x509_certificate
    except ImportError:
        return Certificate(der, error=NEEDS_EXTRA)
    # Of odd serial numbers, lengths of names and the like the library only warns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            certificate = load_der_x509_certificate(der)
        except Exception:  # noqa: BLE001 - of a stranger's bytes, and what it raises is not documented
            return Certificate(der, error="not read: no certificate in DER")
        return _fields(der, certificate)


def hints(certificate: Certificate) -> tuple[Hint, ...]:
    """The one form that is told of: the certificate that Exchange 2007 and later make for themselves.

    It is self-signed, its subject is the name of the server, and its alternative names are that and the
    whole name of the host, which is the evidence.
    """
    subject = _ONE_LABEL.fullmatch(certificate.subject or "")
    hosts = [name for name in certificate.names if "." in name]
    if not certificate.self_signed or subject is None or len(hosts) != 1:
        return ()
    label, host = subject[1].casefold(), hosts[0]
    others = [name.casefold() for name in certificate.names if name != host]
    if others != [label] or not host.casefold().startswith(f"{label}."):
        return ()
    reading = "consistent with the default certificate of Exchange 2007 or later, which names its host"
    return (Hint(Channel.CERTIFICATE, reading, host, _DEFAULT_SOURCE),)


def _fields(der: bytes, certificate: x509.Certificate) -> Certificate:
    unread: list[str] = []

    def field(name: str, value: Callable[[], _T]) -> _T | None:
        try:
            return value()
        except Exception:  # noqa: BLE001 - as in `read`; each field falls alone
            unread.append(name)
            return None

    subject = field("subject", lambda: _text(certificate.subject.rfc4514_string()))
    issuer = field("issuer", lambda: _text(certificate.issuer.rfc4514_string()))
    names = field("names", lambda: _names(certificate))
    not_before = field("not before", lambda: _moment(certificate.not_valid_before_utc.isoformat()))
    not_after = field("not after", lambda: _moment(certificate.not_valid_after_utc.isoformat()))
    self_signed = field("self-signed", lambda: certificate.issuer == certificate.subject)
    key = field("key", lambda: _key(certificate))
    oid = certificate.signature_algorithm_oid.dotted_string
    return Certificate(
        der,
        subject=subject,
        issuer=issuer,
        names=names or (),
        not_before=not_before,
        not_after=not_after,
        self_signed=self_signed,
        key=key,
        signature=_text(_SIGNATURES.get(oid, oid)),
        error=f"not read: {', '.join(unread)}" if unread else None,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """DNS names and addresses, in the certificate's order."""
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return ()
    found = [_text(str(name.value)) for name in names if isinstance(name, DNSName | IPAddress)]
    return tuple(found[:MAX_NAMES])


def _key(certificate: x509.Certificate) -> str:
    """The kind of the key and its size or curve, for a kind that the library has not its OID."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    try:
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        return _text(certificate.public_key_algorithm_oid.dotted_string)
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey")  # Ed25519 and its like have one size


def _moment(iso: str) -> str:
    return iso.replace("+00:00", "Z")


def _text(text: str) -> str:
    return clip(text, MAX_TEXT)
