"""Windows by the version that NTLM tells (MS-NLMP 2.2.2.10), and which Exchange releases Microsoft supported on each.

The number is of Windows, never of Exchange. Editions for clients have the same numbers (6.1.7601 is Windows 7
SP1 too); Exchange does not run on them. No row for Windows NT 4.0: its challenges have no version.
"""

from __future__ import annotations

from typing import NamedTuple


class NtRelease(NamedTuple):
    """`version` is (major, minor, build), `carries` the Exchange releases, a service pack or CU the first supported."""

    version: tuple[int, int, int]
    name: str
    carries: str
    source: str


# The supportability matrix is Microsoft's "Exchange Server supportability matrix", of 2018 and 2021.
# fmt: off
NT: tuple[NtRelease, ...] = (
    NtRelease((5, 0, 2195), "Windows 2000", "Exchange 5.5 (from SP3), 2000 or 2003", "Exchange Server Compatibility with Windows Server Operating Systems (5.5, 2000); TechNet bb124788 (2003)"),
    NtRelease((5, 2, 3790), "Windows Server 2003", "Exchange 2003 or 2007", "MS-SMTPNTLM 4.2 has the number; TechNet bb124788 (2003, and not 2000); Exchange 2007 System Requirements"),
    NtRelease((6, 0, 6001), "Windows Server 2008", "Exchange 2007 (from SP1)", "Exchange Team Blog, 5 Mar 2008"),
    NtRelease((6, 0, 6002), "Windows Server 2008 SP2", "Exchange 2007 (from SP1) or 2010", "Exchange Team Blog, 5 Mar 2008 (2007); supportability matrix (2010)"),
    NtRelease((6, 0, 6003), "Windows Server 2008 SP2", "Exchange 2007 (from SP1) or 2010", "KB 4493471 has the number, of April 2019; else as 6002"),
    NtRelease((6, 1, 7600), "Windows Server 2008 R2", "Exchange 2007 (from SP3), 2010 or 2013", "general knowledge (2007, 2010); Exchange 2013 system requirements (the Datacenter edition without SP1)"),
    NtRelease((6, 1, 7601), "Windows Server 2008 R2 SP1", "Exchange 2007 (from SP3), 2010 or 2013", "nmap smtp-ntlm-info has the number; general knowledge (2007); supportability matrix (2010, 2013)"),
    NtRelease((6, 2, 9200), "Windows Server 2012", "Exchange 2010 (from SP3), 2013 or 2016", "supportability matrix"),
    NtRelease((6, 3, 9600), "Windows Server 2012 R2", "Exchange 2010 (from SP3), 2013 (from SP1) or 2016", "supportability matrix; that of 2018 lacks 2010"),
    NtRelease((10, 0, 14393), "Windows Server 2016", "Exchange 2016 (from CU3)", "supportability matrix"),
    NtRelease((10, 0, 17763), "Windows Server 2019", "Exchange 2019 or SE", "supportability matrix (2019); Exchange Team Blog, roadmap update of 2024 (SE: as 2019 CU15)"),
    NtRelease((10, 0, 20348), "Windows Server 2022", "Exchange 2019 (from CU12) or SE", "press on CU12, 28 Apr 2022 (KB 5011156); Exchange Team Blog, roadmap update of 2024 (SE)"),
    NtRelease((10, 0, 26100), "Windows Server 2025", "Exchange 2019 (from CU15) or SE", "Exchange Team Blog, roadmap update of 2024"),
)
# fmt: on
