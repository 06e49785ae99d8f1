"""Certificates that no library makes any more, put together byte by byte (X.690, RFC 5280); unsigned."""

from __future__ import annotations

MD2, MD5, SHA1, SHA256 = (f"1.2.840.113549.1.1.{last}" for last in (2, 4, 5, 11))
PRINTABLE, UTF8, T61, BMP, UNIVERSAL = 0x13, 0x0C, 0x14, 0x1E, 0x1C
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
DNS, ADDRESS, MAILBOX = 0x82, 0x87, 0x81
_NULL = b"\5\0"


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    long = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(long)]) + long + body


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    encoded = b""
    for value in (first * 40 + second, *rest):
        groups = [value & 127]
        while value := value >> 7:
            groups.append(value & 127 | 128)
        encoded += bytes(reversed(groups))
    return tlv(6, encoded)


def algorithm(dotted: str) -> bytes:
    return tlv(0x30, oid(dotted), _NULL)


def name(text: bytes = b"EX1", tag: int = PRINTABLE) -> bytes:
    """A distinguished name of one common name."""
    return tlv(0x30, tlv(0x31, tlv(0x30, oid("2.5.4.3"), tlv(tag, text))))


def rsa(bits: int) -> bytes:
    """A public key of RSA that has so many bits and no other merit."""
    numbers = tlv(0x30, integer((1 << bits - 1) | 1), integer(65537))
    return tlv(0x30, algorithm("1.2.840.113549.1.1.1"), tlv(3, b"\0", numbers))


def dsa(bits: int) -> bytes:
    """A public key of DSA, as above."""
    numbers = tlv(0x30, *(integer((1 << size - 1) | 1) for size in (bits, 160)), integer(2))
    return tlv(0x30, tlv(0x30, oid("1.2.840.10040.4.1"), numbers), tlv(3, b"\0", integer(2)))


def alternative(*names: tuple[int, bytes]) -> bytes:
    """The extension subjectAltName."""
    return tlv(0x30, oid("2.5.29.17"), tlv(4, tlv(0x30, *(tlv(tag, text) for tag, text in names))))


def time(text: bytes) -> bytes:
    return tlv(GENERALIZED_TIME if len(text) == 15 else UTC_TIME, text)


def certificate(
    *extensions: bytes,
    version: int = 3,
    serial: int = 1,
    signature: str = SHA1,
    issuer: bytes | None = None,
    subject: bytes | None = None,
    dates: tuple[bytes, bytes] = (b"000101000000Z", b"300101000000Z"),
    key: bytes | None = None,
) -> bytes:
    """A certificate whose signature is nothing; by default one of EX1, self-signed, SHA-1, RSA 1024."""
    inner = tlv(
        0x30,
        b"" if version == 1 else tlv(0xA0, integer(version - 1)),
        integer(serial),
        algorithm(signature),
        issuer or name(),
        tlv(0x30, *map(time, dates)),
        subject or name(),
        key or rsa(1024),
        tlv(0xA3, tlv(0x30, *extensions)) if extensions else b"",
    )
    return tlv(0x30, inner, algorithm(signature), tlv(3, bytes(129)))
