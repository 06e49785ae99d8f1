r"""CHALLENGE messages of NTLM as Windows servers send them ([MS-NLMP] 2.2.1.2): written here, read elsewhere.

The names are those of an example domain. `challenge_of` has the Windows versions by name, `challenge`
makes one of anything.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from imcprobe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# AvId of [MS-NLMP] 2.2.2.1, in the order in which servers list them.
NB_DOMAIN, NB_COMPUTER, DNS_DOMAIN, DNS_COMPUTER, DNS_TREE, TIMESTAMP, EOL = 2, 1, 4, 3, 5, 7, 0
# NegotiateFlags of [MS-NLMP] 2.2.2.5.
WITH_VERSION, WITH_TARGET_INFO = 0x02000000, 0x00800000
# Of the challenge in Q262945, from the time of NT 4.0: neither VERSION nor target information.
_FLAGS_OF_Q262945 = 0x400182B5
# UNICODE, REQUEST_TARGET, NTLM, ALWAYS_SIGN, TARGET_TYPE_DOMAIN, EXTENDED_SESSIONSECURITY, 128, 56.
_FLAGS = 0xA0098205
# A moment of 2020 in Windows' own time: tenths of a microsecond since 1601.
_SOME_DAY = struct.pack("<Q", 132_223_104_000_000_000)
# The nonce of the examples in [MS-NLMP] 4.2.1; nobody is let in, so it may be the same for all.
_NONCE = bytes.fromhex("0123456789abcdef")
# NTLMSSP_REVISION_W2K3 ([MS-NLMP] 2.2.2.10).
_REVISION = 15
_HEADER, _HEADER_WITH_VERSION = 48, 56

Version: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Windows:
    """A version of Windows as its challenge shows it; it has no target information without `version`."""

    name: str
    version: Version | None
    timestamp: bool = False


# The numbers are those of the releases; that of 2008 R2 SP1 is in nmap's sample. Whether 2000 really says its
# own is not known: there is no capture of it.
_ROWS = (
    _Windows("nt4", None),
    _Windows("2000", (5, 0, 2195)),
    _Windows("2003", (5, 2, 3790)),
    _Windows("2008", (6, 0, 6002), timestamp=True),
    _Windows("2008r2", (6, 1, 7601), timestamp=True),
    _Windows("2012", (6, 2, 9200), timestamp=True),
    _Windows("2012r2", (6, 3, 9600), timestamp=True),
    _Windows("2016", (10, 0, 14393), timestamp=True),
    _Windows("2019", (10, 0, 17763), timestamp=True),
    _Windows("2022", (10, 0, 20348), timestamp=True),
)
_BY_NAME = {row.name: row for row in _ROWS}
WINDOWS_NAMES = tuple(_BY_NAME)


def challenge_of(windows: str, *, computer: str = "EXCHANGE", domain: str = "example.com") -> bytes:
    """Make the challenge of a server in a domain; `windows` is one of `WINDOWS_NAMES`. Raises UsageError."""
    row = _BY_NAME.get(windows)
    if row is None:
        raise UsageError(f"Windows {windows[:40]!a}: unknown. Known: {', '.join(WINDOWS_NAMES)}.")
    short = domain.partition(".")[0].upper()
    if row.version is None:
        return challenge(short, flags=_FLAGS_OF_Q262945)
    return challenge(
        short,
        pairs=[
            *named_pairs(
                {
                    NB_DOMAIN: short,
                    NB_COMPUTER: computer,
                    DNS_DOMAIN: domain,
                    DNS_COMPUTER: f"{computer.lower()}.{domain}",
                    DNS_TREE: domain,
                }
            ),
            *([(TIMESTAMP, _SOME_DAY)] if row.timestamp else []),
        ],
        version=row.version,
    )


def challenge(
    target: str,
    *,
    pairs: Sequence[tuple[int, bytes]] | None = None,
    version: Version | None = None,
    flags: int = _FLAGS,
) -> bytes:
    """Make a challenge of a target's name, target information and a version, where there are such."""
    name = target.encode("utf-16-le", "surrogatepass")
    info = b"" if pairs is None else b"".join(map(_pair, [*pairs, (EOL, b"")]))
    start = _HEADER if version is None else _HEADER_WITH_VERSION
    flags |= (WITH_VERSION if version else 0) | (0 if pairs is None else WITH_TARGET_INFO)
    return b"".join(
        (
            b"NTLMSSP\0",
            struct.pack("<I", 2),
            field(name, start),
            struct.pack("<I8s8x", flags, _NONCE),
            field(info, start + len(name)),
            b"" if version is None else struct.pack("<BBH3xB", *version, _REVISION),
            name,
            info,
        )
    )


def named_pairs(names: dict[int, str]) -> list[tuple[int, bytes]]:
    """Pairs for the target information, of names by AvId."""
    return [(kind, name.encode("utf-16-le", "surrogatepass")) for kind, name in names.items()]


def field(value: bytes, offset: int) -> bytes:
    """Say where a value stands: its length twice, and its offset from the message's beginning."""
    return struct.pack("<HHI", len(value), len(value), offset)


def _pair(pair: tuple[int, bytes]) -> bytes:
    kind, value = pair
    return struct.pack("<HH", kind, len(value)) + value
