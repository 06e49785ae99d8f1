"""When support ended, which service packs there were, and what NVD calls the products."""

from __future__ import annotations

from imcprobe.meaning import Support

# What `--ehlo` may find behind the SMTP service of Windows.
EXCHANGE_ON_WINDOWS_NAME = "Exchange 2000 or 2003"

# By version. endoflife.date has 10 January 2006 for 5.0 and 5.5 (CVE-2006-0002 of that day names 5.0 SP2),
# microsoft.com's own pages had 31 December 2005 for 5.5; of 4.0 it is known only that support has ended.
# The others' dates are endoflife.date's.
SUPPORT: dict[str, Support] = {
    "4.0": Support("ended", None, "date not found"),
    "5.0": Support("ended", "2006-01-10", None),
    "5.5": Support("ended", "2006-01-10", "31 Dec 2005 in other sources"),
    EXCHANGE_ON_WINDOWS_NAME: Support("ended", "2014-04-08", "2000 on 11 Jan 2011"),
}

# The versions that 4.0a belongs to: Q257618 alone gives the service packs 3 to 5 of 4.0 to 4.0a.
PRODUCT_OF: dict[str, str] = {"4.0": "4.0", "4.0a": "4.0", "5.0": "5.0", "5.5": "5.5"}

# The build numbers that an Internet Mail Connector or Service of a product can have, first and last: from the
# first documented one (Q257618, Q173656) to well beyond the last (Q189270, Q194896).
BUILD_RANGES: dict[str, tuple[int, int]] = {
    "4.0": (837, 999),
    "5.0": (1457, 1499),
    "5.5": (1660, 99_999),
}

# NVD's name (CVE-2002-0698, CVE-2006-0002): version, then sp1, "-" for none or "*" for not known.
CPE = "cpe:2.3:a:microsoft:exchange_server:{version}:{update}:*:*:*:*:*:*"
