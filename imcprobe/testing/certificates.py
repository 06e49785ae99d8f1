"""Certificates for mocks, made on the spot, and the contexts of TLS that serve them.

    MockServer(tls=partial(context, expired, "mx.example.com"))

Each kind is a function of the host's name. Nobody has signed any of them but their own key. Keys are made
once for a process, as finding their primes takes its time. All of it needs the library cryptography.
"""

from __future__ import annotations

import hashlib
import ssl
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from imcprobe.errors import UsageError
from imcprobe.testing.greetings import HOST

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import GeneralName

    Key: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey

_YEAR = timedelta(days=365)
# Names that make a certificate larger than what most expect of one.
_MANY_NAMES = 2_500
# Object identifiers in DER (RFC 8017, A.2.4): sha256WithRSAEncryption, sha1WithRSAEncryption.
_SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_RSA = bytes.fromhex("06092a864886f70d010105")
# What stands before a SHA-1 hash in a signature (RFC 8017, 9.2, note 1).
_SHA1_PREFIX = bytes.fromhex("3021300906052b0e03021a05000414")
_SEQUENCE, _BIT_STRING, _NULL = 0x30, 0x03, b"\x05\x00"


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate and its private key, both in PEM."""

    pem: str
    key: str

    @property
    def der(self) -> bytes:
        """The certificate as it goes over the wire."""
        return ssl.PEM_cert_to_DER_cert(self.pem)


Kind: TypeAlias = Callable[[str], ServerCertificate]


@cache
def context(kind: Kind | None = None, host: str = HOST, *, old: bool = False) -> ssl.SSLContext:
    """What a server does TLS with; by default its certificate is `self_signed`.

    With `old` it knows TLS 1.0 and a cipher of that age only. Raises UsageError without cryptography.
    """
    certificate = (kind or self_signed)(host)
    try:
        return _serving(certificate, old=old)
    except (ValueError, ssl.SSLError) as error:
        raise UsageError(f"this OpenSSL cannot serve such TLS: {error}.") from error


def _serving(certificate: ServerCertificate, *, old: bool) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("AES128-SHA:@SECLEVEL=0" if old else "DEFAULT:@SECLEVEL=0")  # weak keys are served
    if old:
        with warnings.catch_warnings():  # that it is old is the point
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # OpenSSL reads keys from files alone
        file.write(certificate.pem + certificate.key)
        file.flush()
        made.load_cert_chain(file.name)
    return made


@cache
def self_signed(host: str) -> ServerCertificate:
    """One like that which Exchange makes for itself: the NetBIOS name, and with it the DNS name."""
    return _made(host, _rsa(2048))


@cache
def expired(host: str) -> ServerCertificate:
    """One that was good for a year, and is not since a year."""
    return _made(host, _rsa(2048), begins=-2 * _YEAR, lasts=_YEAR)


@cache
def not_yet_valid(host: str) -> ServerCertificate:
    """One that will be good in a year."""
    return _made(host, _rsa(2048), begins=_YEAR)


@cache
def weak(host: str) -> ServerCertificate:
    """An RSA key of 1,024 bits, and SHA-1."""
    return _with_sha1(_made(host, _rsa(1024)), _rsa(1024))


@cache
def elliptic(host: str) -> ServerCertificate:
    """A key on the curve P-256."""
    return _made(host, _ec())


@cache
def for_another_name(_host: str) -> ServerCertificate:
    """One of another server than the host."""
    return _made("other.example.net", _rsa(2048))


@cache
def oversized(host: str) -> ServerCertificate:
    """One with 2,500 names: 60 KB."""
    return _made(host, _ec(), more=[f"{number:04}.names.example.com" for number in range(_MANY_NAMES)])


def require(what: str = "TLS of a mock") -> None:
    """Make sure that certificates can be made. Raises UsageError: `what` needs an extra that is missing."""
    try:
        import cryptography  # noqa: F401 - whether it is there
    except ImportError as error:
        raise UsageError(f"{what} needs the \"tls\" extra: pip install 'imcprobe[tls]'") from error


def _made(
    host: str,
    key: Key,
    *,
    begins: timedelta = -timedelta(days=1),
    lasts: timedelta = 5 * _YEAR,
    more: list[str] | None = None,
) -> ServerCertificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    short = host.partition(".")[0]
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, short)])
    begin = datetime.now(UTC) + begins
    names: list[GeneralName] = [x509.DNSName(each) for each in dict.fromkeys((short, host, *(more or ())))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + lasts)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return ServerCertificate(certificate.public_bytes(pem).decode(), private.decode())


@cache
def _rsa(bits: int) -> RSAPrivateKey:
    require()
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65_537, bits)


@cache
def _ec() -> EllipticCurvePrivateKey:
    require()
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


# cryptography does not sign with SHA-1 any more, as old servers did. So here it is done by hand.


def _with_sha1(certificate: ServerCertificate, key: RSAPrivateKey) -> ServerCertificate:
    """Sign the same once more, with SHA-1 (RFC 5280, 4.1; RFC 8017, 8.2.1)."""
    from cryptography import x509

    content = x509.load_der_x509_certificate(certificate.der).tbs_certificate_bytes
    content = content.replace(_SHA256_RSA, _SHA1_RSA, 1)
    signature = _signed(hashlib.sha1(content).digest(), key)  # noqa: S324 - its weakness is the point
    algorithm = _der(_SEQUENCE, _SHA1_RSA + _NULL)
    der = _der(_SEQUENCE, content + algorithm + _der(_BIT_STRING, b"\0" + signature))
    return ServerCertificate(ssl.DER_cert_to_PEM_cert(der), certificate.key)


def _signed(digest: bytes, key: RSAPrivateKey) -> bytes:
    numbers = key.private_numbers()
    size = key.key_size // 8
    tail = b"\0" + _SHA1_PREFIX + digest
    padded = b"\0\1" + b"\xff" * (size - len(tail) - 2) + tail
    return pow(int.from_bytes(padded), numbers.d, numbers.public_numbers.n).to_bytes(size)


def _der(tag: int, content: bytes) -> bytes:
    """A value in DER: its length takes one byte up to 127, and two or three beyond (X.690, 8.1.3)."""
    size = len(content)
    if size < 1 << 7:
        return bytes([tag, size]) + content
    length = size.to_bytes(1 if size < 1 << 8 else 2)
    return bytes([tag, 0x80 | len(length)]) + length + content
