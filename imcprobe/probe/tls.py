"""TLS for looking, never for trusting: whatever a server still speaks is taken, and told of.

The layer has no socket. It turns bytes from the wire into what they say and back, so that one strict reader
reads replies inside TLS as it does outside, and a handshake that fails leaves what came before it alone.
"""

from __future__ import annotations

import ssl
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from imcprobe.fingerprint.certificate import read
from imcprobe.probe.sockets import is_literal
from imcprobe.probe.trust import Trust

if TYPE_CHECKING:
    from imcprobe.evidence import Tls

# More than any handshake takes: OpenSSL itself allows a chain of 100 KiB.
MAX_HANDSHAKE = 256 * 1024
# Of OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT: servers from before RFC 5746 know no secure renegotiation.
_LEGACY_SERVER_CONNECT = 0x4
NOT_IN_TIME = "no complete handshake in time"
_READ = 16_384  # what a record of TLS holds


class TlsError(Exception):
    """The handshake failed, or what came inside TLS was no TLS; says why, in OpenSSL's words."""


@lru_cache(maxsize=1)
def looking_context() -> ssl.SSLContext:
    """Accept every certificate and version that this OpenSSL knows at all, and nearly every cipher.

    The weak keys and signatures of old servers are refused at the security level of today.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    # Not by Diffie-Hellman in a group of the server's choice: one of 10,000 bits takes most of a second.
    context.set_ciphers("ALL:!DH:!PSK:!SRP:@SECLEVEL=0")
    context.options |= _LEGACY_SERVER_CONNECT | ssl.OP_NO_RENEGOTIATION
    return context


class TlsLayer:
    """One connection's TLS: `feed` takes what came, `write` what is to be said; `pending` is to be sent.

    `has_ended` is whether the server has said that nothing more follows. Once it `is_up` it has OpenSSL's
    names of `version` and `cipher`, and in `chain` the certificates that the server showed, its own first, in
    DER: nobody has verified them.
    """

    def __init__(self, host: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = _wrapped(self._in, self._out, host)
        self._received = 0
        self._failed: TlsError | None = None
        self.is_up = self.has_ended = False
        self.version: str | None = None
        self.cipher: str | None = None
        self.chain: tuple[bytes, ...] = ()
        self._step()

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the wire, none at its end; returns what they say. Raises TlsError."""
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()
        self._received += len(data)
        if not self.is_up:
            self._step()
        if self.is_up:
            return self._read()
        if self._received > MAX_HANDSHAKE:
            raise TlsError("a handshake without an end")
        return b""

    def write(self, data: bytes) -> None:
        """Take what is to be said, once TLS is up. Raises TlsError."""
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error

    def pending(self) -> bytes:
        """What is to be sent now."""
        return self._out.read()

    def _step(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise TlsError(_reason(error)) from error
        self.is_up = True
        self.version = self._object.version()
        cipher = self._object.cipher()
        self.cipher = None if cipher is None else cipher[0]
        self.chain = _chain(self._object)

    def _read(self) -> bytes:
        said = bytearray()
        try:
            while piece := self._object.read(_READ):
                said += piece
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:  # without a word of farewell
            self.has_ended = True
        except ssl.SSLError as error:
            self._failed = TlsError(_reason(error))
        if self._failed is not None and not said:
            raise self._failed
        return bytes(said)


_DER = 2  # _ssl.ENCODING_DER, by its number


def _chain(of: ssl.SSLObject) -> tuple[bytes, ...]:
    own = of.getpeercert(binary_form=True)
    if own is None:
        return ()
    # Public from Python 3.13 on, but the object underneath has it in all versions.
    source: Any = getattr(of, "_sslobj", of)
    return (own, *(each.public_bytes(_DER) for each in source.get_unverified_chain()[1:]))


def _wrapped(incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str) -> ssl.SSLObject:
    """A client's side; the name is told (SNI) where it is one that can be."""
    try:
        name = None if is_literal(host) else host.removesuffix(".")  # RFC 6066, 3
        return looking_context().wrap_bio(incoming, outgoing, server_hostname=name)
    except (ValueError, TypeError, ssl.SSLError):  # a label of 64 letters, a dot in front, a NUL, 256 letters
        return looking_context().wrap_bio(incoming, outgoing)


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason in words: `tlsv1 alert handshake failure`."""
    return (error.reason or "no TLS").replace("_", " ").lower()


# What this system trusts is read once.
_trust = lru_cache(maxsize=1)(Trust)


def warm_up() -> None:
    """Load what judging a certificate takes: up to 0.1 s the first time."""
    _trust().prepare()
    looking_context()


def inspected(layer: TlsLayer, tls: Tls, host: str) -> Tls:
    """Add what a handshake that is through has shown."""
    certificate = None
    if chain := layer.chain:
        certificate = read(chain[0])
    tls = tls._replace(negotiated=True, version=layer.version, cipher=layer.cipher, certificate=certificate)
    if certificate is None or certificate.error is not None:
        return tls
    distrust = _trust().distrust(chain[0], chain[1:], host, time.time())
    return tls._replace(verified=distrust is None, distrust=distrust)
