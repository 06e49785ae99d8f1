"""Challenges of NTLM: as they are documented, and as they can be put together (MS-NLMP 2.2.1.2)."""

from __future__ import annotations

import struct

HEAD = b"NTLMSSP\0\2\0\0\0"
# MS-NLMP 4.2.3.3 and 4.2.4.3, as printed there.
WITHOUT_PAIRS = bytes.fromhex(
    "4e544c4d53535000 02000000 0c000c0038000000 33820a82 0123456789abcdef 0000000000000000"
    "0000000000000000 060070170000000f 530065007200760065007200"
)
WITH_PAIRS = bytes.fromhex(
    "4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000"
    "2400240044000000 060070170000000f 530065007200760065007200"
    "02000c00 44006f006d00610069006e00 01000c00 530065007200760065007200 00000000"
)
# Of the form of the challenge in Q262945: no version, no target information, the name behind 48 bytes.
NT_4 = HEAD + struct.pack("<HHIIQ8xHHI", 14, 14, 48, 0x400182B5, 1, 0, 0, 62) + "EXAMPLE".encode("utf-16-le")
# That of MS-SMTPNTLM 4.2, of a server with another name of the same length.
WINDOWS_2003 = (
    bytes.fromhex(
        "4e544c4d53535000 02000000 1600160038000000 35828ae2 628ec4354b176a02 0000000000000000"
        "6c006c004e000000 0502ce0e0000000f"
    )
    + "EXAMPLE-001".encode("utf-16-le")
    + b"".join(
        bytes([kind, 0, 22, 0]) + name.encode("utf-16-le")
        for kind, name in ((2, "EXAMPLE-001"), (1, "EXAMPLE-001"), (4, "example-001"), (3, "example-001"))
    )
    + bytes(4)
)
REAL = [WITHOUT_PAIRS, WITH_PAIRS, NT_4, WINDOWS_2003]


def built(info: bytes = b"", flags: int = 0x02800001, target: bytes = b"E\0") -> bytes:
    """A challenge with this target information, version 6.1.7601 in front of the name."""
    fields = struct.pack("<HHIIQ8xHHI", len(target), 0, 56, flags, 1, len(info), 0, 56 + len(target))
    return HEAD + fields + struct.pack("<BBH4x", 6, 1, 7601) + target + info


def pair(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data
