"""The releases: the fourteen rows of Q257618 in the article's order, the re-issue of 5.0, and SP4 of 5.5.

Service packs 3 to 5 of 4.0 are named 4.0a here, as in the article; other articles say 4.0 (Q158530, Q163294).
"""

from __future__ import annotations

from imcprobe.model import Build, Kind, Release

# The article that the table is named after.
ARTICLE = "Q257618"

# fmt: off
RELEASES: tuple[Release, ...] = (
    Release("Exchange Server 4.0", "4.0", None, Build(4, 0, 837, 3), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 4.0 Service Pack 1", "4.0", "SP1", Build(4, 0, 838, 14), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 4.0 Service Pack 2", "4.0", "SP2", Build(4, 0, 993, 5), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 4.0a", "4.0a", None, Build(4, 0, 993, 5), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 4.0a Service Pack 3", "4.0a", "SP3", Build(4, 0, 994, 63), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 4.0a Service Pack 4", "4.0a", "SP4", Build(4, 0, 995, 52), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 4.0a Service Pack 5", "4.0a", "SP5", Build(4, 0, 996, 62), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.0", "5.0", None, Build(5, 0, 1457, 10), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.0", "5.0", None, Build(5, 0, 1457, 11), Kind.RELEASE, "Q164845, Q169114", "Re-issue after 1457.10 was recalled; no greeting with it is known."),
    Release("Exchange Server 5.0 Service Pack 1", "5.0", "SP1", Build(5, 0, 1458, 49), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.0 Service Pack 2", "5.0", "SP2", Build(5, 0, 1460, 8), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.5", "5.5", None, Build(5, 5, 1960, 3), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.5 Service Pack 1", "5.5", "SP1", Build(5, 5, 2232, 9), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.5 Service Pack 2", "5.5", "SP2", Build(5, 5, 2448, 0), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.5 Service Pack 3", "5.5", "SP3", Build(5, 5, 2650, 21), Kind.RELEASE, ARTICLE),
    Release("Exchange Server 5.5 Service Pack 4", "5.5", "SP4", Build(5, 5, 2653, 13), Kind.RELEASE, "Recog, Q326322, Q158530", "Q257618 is older than this service pack; greetings before and after the fix of MS02-037, which requires SP4, show the build."),
)
# fmt: on
