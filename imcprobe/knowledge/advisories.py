"""Security advisories of what answers on port 25: Exchange 4.0 to 2003, and the SMTP service of Windows.

What a build says of them rests on two things: fixes of the Internet Mail Service are cumulative, so that a
number has all that lower ones have (Q246889, Q289258 say so), and builds are those of the English version.
Where no source gives a build, none is given here.
"""

from __future__ import annotations

from typing import NamedTuple

from imcprobe.model import Build


class AdvisoryRow(NamedTuple):
    """One advisory: `id` is its bulletin or article, or its CVE name where it has neither.

    `touches` are versions of Exchange Server with an Internet Mail Connector or Service ("5.5"), later
    releases of it ("Exchange 2000"), or the Windows whose SMTP service it is; not where a name in `spared`
    is the case, too. A build from `fixed_in` on shows the fix, one below `missing_below` that it is missing;
    what lies between, or where there is none, shows nothing.
    """

    id: str
    cve: str | None
    title: str
    touches: tuple[str, ...]
    source: str
    fixed_in: Build | None = None
    missing_below: Build | None = None
    spared: tuple[str, ...] = ()


_V4, _V5, _V55 = "4.0", "5.0", "5.5"
_E2000, _E2003 = "Exchange 2000", "Exchange 2003"
# What the raised product of a Windows greeting stands for: one of them, it is not known which.
ON_WINDOWS = (_E2000, _E2003)
_NT4, _W2000, _XP, _W2003 = "Windows NT 4.0 Option Pack", "Windows 2000", "Windows XP", "Windows Server 2003"

# fmt: off
# By date of the advisory.
ADVISORIES: tuple[AdvisoryRow, ...] = (
    AdvisoryRow("CVE-1999-0284", "CVE-1999-0284", "a long HELO stops the service", (_V4, _V5), "NVD"),
    # Of 5.0 it was corrected in "the latest service pack", of 5.5 no source says where: neither has a build.
    AdvisoryRow("Q169174", "CVE-1999-0945", "a long address or AUTH stops the service", (_V5, _V55), "Q169174, cvelistV5; ISS, 24 Jul 1998"),
    AdvisoryRow("MS98-007", "CVE-1999-1043", "malformed SMTP or NNTP data stops a service", (_V5, _V55), "cvelistV5"),
    AdvisoryRow("MS99-027", "CVE-1999-0682", "encapsulated addresses are relayed in spite of restrictions", (_V55,), "Q237927, cvelistV5", fixed_in=Build(5, 5, 2650, 1), missing_below=Build(5, 5, 2650, 1)),
    AdvisoryRow("Q264330", None, "mail may be relayed in spite of restrictions", (_V55,), "Q264330, Q246889", fixed_in=Build(5, 5, 2652, 78), missing_below=Build(5, 5, 2652, 78)),
    # The fix is in the store (store.exe 5.5.2653.17), of which a build of the Internet Mail Service shows nothing.
    AdvisoryRow("MS00-082", "CVE-2000-1006", "an empty charset in a MIME header stops the store, which SP4 renews", (_V55,), "Q275714, cvelistV5"),
    AdvisoryRow("MS02-011", "CVE-2002-0054", "AUTH with a null session lets mail be relayed", (_V55, _W2000, _NT4), "MS02-011, cvelistV5", spared=(_E2000,)),
    AdvisoryRow("MS02-012", "CVE-2002-0055", "a malformed BDAT command stops the service", (_W2000, _XP, _E2000), "cvelistV5"),
    AdvisoryRow("MS02-037", "CVE-2002-0698", "a client's long name in reverse DNS overruns the reply to EHLO", (_V55,), "Q326322, cvelistV5", fixed_in=Build(5, 5, 2656, 59), missing_below=Build(5, 5, 2656, 59)),
    AdvisoryRow("CVE-2002-1790", "CVE-2002-1790", "encapsulated addresses are relayed", (_NT4, _W2000), "cvelistV5"),
    # Fixed in SP4, whose greeting has 6713. There are fixes for single problems between it and SP3 (5329), which
    # may have it or not (KB 813050 has files of 6621).
    AdvisoryRow("CVE-2003-1106", "CVE-2003-1106", "a message with a malformed time stamp stops the service", (_W2000,), "cvelistV5, VU#155252", fixed_in=Build(5, 0, 2195, 6713), missing_below=Build(5, 0, 2195, 5330)),
    AdvisoryRow("MS03-046", "CVE-2003-0714", "extended verbs exhaust memory; in Exchange 2000 XEXCH50 lets code run", (_V55, _E2000), "cvelistV5"),
    AdvisoryRow("MS04-035", "CVE-2004-0840", "an answer of a DNS server lets code run", (_W2003, _E2003), "MS04-035"),
    AdvisoryRow("MS05-021", "CVE-2005-0560", "X-LINK2STATE lets code run", (_E2000, _E2003), "cvelistV5"),
    AdvisoryRow("MS06-003", "CVE-2006-0002", "a TNEF attachment lets code run", (_V5, _V55, _E2000), "cvelistV5, NVD"),
    AdvisoryRow("MS06-019", "CVE-2006-0027", "a calendar attachment lets code run", (_E2000, _E2003), "cvelistV5"),
)
# fmt: on
