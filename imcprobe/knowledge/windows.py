"""Builds of the Windows SMTP service: the number in `Microsoft ESMTP MAIL Service, Version: …`.

It is the build of Windows, with Exchange 2000 or 2003 on top of it or without (KB 254560).
"""

from __future__ import annotations

from typing import NamedTuple


class WindowsRelease(NamedTuple):
    """`version` as (major, minor, build, revision), None for any revision; what it is; who says so."""

    version: tuple[int, int, int, int | None]
    name: str
    source: str


# fmt: off
WINDOWS: tuple[WindowsRelease, ...] = (
    WindowsRelease((5, 0, 2172, None), "Windows 2000", "KB 254560"),
    WindowsRelease((5, 0, 2195, None), "Windows 2000", "public archive: captures with several revisions"),
    WindowsRelease((5, 0, 2195, 1600), "Windows 2000 SP1", "public archive: CANVAS check"),
    WindowsRelease((5, 0, 2195, 2966), "Windows 2000 SP2", "public archive: CANVAS check"),
    WindowsRelease((5, 0, 2195, 5329), "Windows 2000 SP3", "public archive: CANVAS check"),
    WindowsRelease((5, 0, 2195, 6713), "Windows 2000 SP4", "public archive: CANVAS check"),
    WindowsRelease((6, 0, 2600, None), "Windows XP", "Recog; the build of Windows"),
    WindowsRelease((6, 0, 2600, 1106), "Windows XP SP1a", "public archive: CANVAS check"),
    WindowsRelease((6, 0, 2600, 5512), "Windows XP SP3", "Recog; service pack inferred from the build of Windows"),
    WindowsRelease((6, 0, 3790, None), "Windows Server 2003", "Recog; the build of Windows"),
    WindowsRelease((6, 0, 3790, 0), "Windows Server 2003", "inferred from the build of Windows; no capture known"),
    WindowsRelease((6, 0, 3790, 1830), "Windows Server 2003 SP1", "Recog; service pack inferred from the build of Windows"),
    WindowsRelease((6, 0, 3790, 3959), "Windows Server 2003 SP2", "Recog; service pack inferred from the build of Windows"),
    WindowsRelease((6, 0, 3790, 4675), "Windows Server 2003 SP2 with an update", "Recog; public archive"),
    WindowsRelease((7, 0, 6001, None), "Windows Server 2008", "public archive"),
    WindowsRelease((7, 0, 6002, None), "Windows Server 2008 SP2", "public archive"),
    WindowsRelease((7, 5, 7601, None), "Windows Server 2008 R2 SP1", "public archive"),
    WindowsRelease((8, 0, 9200, None), "Windows Server 2012", "public archive"),
    WindowsRelease((8, 5, 9600, None), "Windows Server 2012 R2", "public archive: a tutorial"),
    WindowsRelease((10, 0, 14393, None), "Windows Server 2016", "Recog; public archive"),
    WindowsRelease((10, 0, 17763, None), "Windows Server 2019", "Recog; public archive"),
    WindowsRelease((10, 0, 20348, None), "Windows Server 2022", "the build of Windows; no capture known"),
)
# fmt: on

# Those that greetings of Exchange 2000 or 2003 were captured with (KB 254560; public archives).
EXCHANGE_POSSIBLE = frozenset({(5, 0, 2172), (5, 0, 2195), (6, 0, 3790)})
