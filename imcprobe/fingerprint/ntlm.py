"""NTLM as a server speaks it without credentials: what to send, and what its challenge says (MS-NLMP).

Pure: bytes in, values out, whatever the bytes; nothing here raises. An exchange is AUTH NTLM, the server's
334, `NEGOTIATE` in Base64, and a 334 with the challenge (MS-SMTPNTLM 4.2).
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING

from imcprobe.evidence import Ntlm
from imcprobe.knowledge.nt import NT
from imcprobe.meaning import Channel, Hint

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 12_288
"""The longest reply that an AUTH exchange may have, in octets (RFC 4954, 4)."""
MAX_MESSAGE = MAX_LINE // 4 * 3
MAX_NAME = 255
"""Characters; no DNS name has more (RFC 1035, 2.3.4), no NetBIOS name more than 15."""

_SIGNATURE = b"NTLMSSP\0"
_NEGOTIATE_TYPE, _CHALLENGE_TYPE = 1, 2

# Flags, MS-NLMP 2.2.2.5.
_UNICODE = 0x00000001
_OEM = 0x00000002
_REQUEST_TARGET = 0x00000004
_NTLM = 0x00000200
_ALWAYS_SIGN = 0x00008000
_EXTENDED_SESSION_SECURITY = 0x00080000
_VERSION = 0x02000000
_128 = 0x20000000
_56 = 0x80000000

NEGOTIATE = struct.pack(
    "<8sII16x7xB",  # domain, workstation and the version of a Windows that this is not are left empty
    _SIGNATURE,
    _NEGOTIATE_TYPE,
    # What a Windows client sends, and nmap's smtp-ntlm-info, so that a server finds nothing odd:
    _UNICODE  # names in UTF-16
    | _OEM  # or in the server's own code page, where it has no Unicode
    | _REQUEST_TARGET  # the server is to say its domain or its name
    | _NTLM  # mandatory
    | _ALWAYS_SIGN  # mandatory
    | _EXTENDED_SESSION_SECURITY  # a server that knows NTLM version 2 adds its names to the challenge
    | _VERSION  # the server is to say the version of its Windows
    | _128  # wanted by servers that refuse weak sessions
    | _56,
    0x0F,  # NTLMSSP_REVISION_W2K3 (2.2.2.10)
)
"""NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1) without domain, workstation or credentials."""

# Where the parts of a CHALLENGE_MESSAGE stand (2.2.1.2).
_TYPE_AT, _TARGET_AT, _FLAGS_AT, _INFO_AT, _VERSION_AT = 8, 12, 20, 40, 48
_SHORTEST = 32  # of those that have no target information, and nothing of a payload stands before
_VERSION_END = 56

# AV_PAIR (2.2.2.1).
_END_OF_LIST, _NB_COMPUTER, _NB_DOMAIN, _DNS_COMPUTER, _DNS_DOMAIN, _DNS_TREE = range(6)

_Field = tuple[int, int]
_NOWHERE: _Field = (0, 0)

_NT_4_SOURCE = "Q262945: the one transcript of such a server"


def challenge_of(text: str) -> bytes | None:
    """Read the message in a 334 reply, its text without the code (MS-SMTPNTLM 2.2.1.3).

    None for what is no Base64, or empty, or longer than any reply of the kind may be: the first 334 has
    human words ("ntlm supported").
    """
    if len(text) > MAX_LINE:
        return None
    try:
        return base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return None


def decode(message: bytes) -> Ntlm | None:
    """Read a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2); None for what is none.

    What lies outside of the message, is cut short, too long for a name or of an odd length is None. Text
    has no surrogates but those of bytes: what is not UTF-16 becomes U+FFFD, and bytes of a code page that
    are not UTF-8 are kept as lone surrogates (`surrogateescape`). Nothing is lost: `challenge` has all of it.
    """
    if len(message) > MAX_MESSAGE or message[:_TARGET_AT] != _SIGNATURE + struct.pack("<I", _CHALLENGE_TYPE):
        return None
    flags = _flags(message) or 0
    pairs = dict(_pairs(_bytes_at(message, _field(message, _INFO_AT))))
    target = _bytes_at(message, _field(message, _TARGET_AT))
    return Ntlm(
        message,
        target=_utf_16(target) if flags & _UNICODE else _oem(target),
        netbios_domain=_utf_16(pairs.get(_NB_DOMAIN)),
        netbios_computer=_utf_16(pairs.get(_NB_COMPUTER)),
        dns_domain=_utf_16(pairs.get(_DNS_DOMAIN)),
        dns_computer=_utf_16(pairs.get(_DNS_COMPUTER)),
        dns_forest=_utf_16(pairs.get(_DNS_TREE)),
        windows=_windows(message) if flags & _VERSION else None,
    )


def windows_name(version: tuple[int, int, int]) -> str | None:
    """Name the Windows of a version, None for one that the table has not.

    >>> windows_name((6, 1, 7601))
    'Windows Server 2008 R2 SP1'
    """
    return next((row.name for row in NT if row.version == version), None)


def hints(ntlm: Ntlm) -> tuple[Hint, ...]:
    """What a challenge is consistent with. The names in it are facts, no hints."""
    if ntlm.windows is not None:
        return tuple(
            Hint(
                Channel.NTLM,
                f"consistent with {row.name}, which carries {row.carries}",
                ".".join(map(str, row.version)),
                row.source,
            )
            for row in NT
            if row.version == ntlm.windows
        )
    flags = _flags(ntlm.challenge)
    if flags is None or flags & _VERSION or _field(ntlm.challenge, _INFO_AT)[0]:
        return ()
    return (Hint(Channel.NTLM, "consistent with Windows NT 4.0", f"flags 0x{flags:08x}", _NT_4_SOURCE),)


def _flags(message: bytes) -> int | None:
    if len(message) < _SHORTEST:
        return None
    (flags,) = struct.unpack_from("<I", message, _FLAGS_AT)
    return int(flags)


def _field(message: bytes, at: int) -> _Field:
    """Length and offset of what a field points to; its MaxLen is to be ignored."""
    if len(message) < at + 8:
        return _NOWHERE
    length, offset = struct.unpack_from("<HxxI", message, at)
    return length, offset


def _bytes_at(message: bytes, field: _Field) -> bytes | None:
    length, offset = field
    inside = offset >= _SHORTEST and offset + length <= len(message)
    return message[offset : offset + length] if inside else None


def _pairs(info: bytes | None) -> Iterator[tuple[int, bytes]]:
    """The AV_PAIRs up to the end of the list, or to where one is cut short; of two alike the last counts."""
    at = 0
    while info is not None and at + 4 <= len(info):
        kind, length = struct.unpack_from("<HH", info, at)
        at += 4 + length
        if kind == _END_OF_LIST or at > len(info):
            return
        yield kind, info[at - length : at]


def _windows(message: bytes) -> tuple[int, int, int] | None:
    """The version, unless the message is too short for one or has something else in its place."""
    fields = (_field(message, _TARGET_AT), _field(message, _INFO_AT))
    if len(message) < _VERSION_END or any(length and offset < _VERSION_END for length, offset in fields):
        return None
    major, minor, build = struct.unpack_from("<BBH", message, _VERSION_AT)
    return major, minor, build


def _utf_16(data: bytes | None) -> str | None:
    if not data or len(data) % 2:
        return None
    return _name(data.decode("utf-16-le", "replace"))


def _oem(data: bytes | None) -> str | None:
    return _name(data.decode("utf-8", "surrogateescape")) if data else None


def _name(text: str) -> str | None:
    return text if len(text) <= MAX_NAME else None
