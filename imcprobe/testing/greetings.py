"""Greetings as bytes: those of any Exchange build, and some of servers by name.

The forms of 5.5 and 5.0 are documented (Q173656, Q182821). The form with a build for 4.0 is **made up**: no
greeting of a 4.0 Internet Mail Connector with a build in it is known.
"""

from __future__ import annotations

import re

from imcprobe.errors import UsageError
from imcprobe.model import Build

HOST = "mock.example.com"
# Exchange 5.5 Service Pack 3.
DEFAULT_BUILD = "5.5.2650.21"

_FORMS = {
    "4.0": "220 {host} Microsoft Exchange Internet Mail Connector {build} ready\r\n",
    "5.0": "220 {host} Microsoft Exchange Internet Mail Service {build} ready\r\n",
    "5.5": "220 {host} ESMTP Server (Microsoft Exchange Internet Mail Service {build}) ready\r\n",
}
# The builds that a product can have; what tells the product of a build without prefix.
_RANGES = {
    "4.0": range(837, 1000),
    "5.0": range(1457, 1500),
    "5.5": range(1660, 100_000),
}
# Two blanks after "at" and one before the line end, as that service has them.
_SMTPSVC = "220 {{host}} Microsoft ESMTP MAIL Service, Version: {} ready at  {} \r\n"
_2007 = "220 {{host}} Microsoft ESMTP MAIL Service ready at {}\r\n"
# The forms are those of captures, with their dates.
_NAMED = {
    "exchange4.0": "220 {host} service ready\r\n",  # Q146157, "a greeting similar to"
    "exchange5.0": _FORMS["5.0"].replace("{build}", "5.0.1460.8"),
    "exchange5.5": _FORMS["5.5"].replace("{build}", DEFAULT_BUILD),
    "exchange5.5-ssl": _FORMS["5.5"].replace("{build}", "5.5.2653.13"),
    "nt4-option-pack": "220-{host} Microsoft SMTP MAIL ready at Wed, 29 Nov 2017 23:48:59 +0000"
    " Version: 5.5.1877.197.19\r\n220 ESMTP spoken here\r\n",
    "windows2000": _SMTPSVC.format("5.0.2195.6713", "Thu, 3 Apr 2008 15:39:17 +0800"),
    "windows": _SMTPSVC.format("6.0.3790.4675", "Sat, 3 Sep 2011 08:39:16 -0700"),
    "windows2008": _SMTPSVC.format("7.0.6001.18000", "Thu, 4 Jan 2018 11:48:35 +0200"),
    "windows2019": _SMTPSVC.format("10.0.17763.1697", "Sun, 5 Mar 2023 20:51:47 -0500"),
    "exchange2000": _SMTPSVC.format("5.0.2195.5329", "Thu, 30 Nov 2017 11:40:25 +0200"),
    "exchange2003": _SMTPSVC.format("6.0.3790.4675", "Sat, 3 Sep 2011 08:39:16 -0700"),
    "exchange2007": _2007.format("Fri, 5 Aug 2016 16:24:41 -0700"),
    "exchange2007sp": _2007.format("Sat, 8 Jan 2010 6:03:15 -0600"),
    "exchange2010": _2007.format("Fri, 21 Oct 2016 21:18:21 +0200"),
    "exchange2013": _2007.format("Thu, 27 Jun 2013 17:04:17 -0400"),
    "exchange2016": _2007.format("Fri, 5 Aug 2016 16:24:41 -0700"),
    "exchange2019": _2007.format("Wed, 11 Jan 2023 16:59:51 +0100"),
    # Its host is what tells it from one's own server.
    "exchange-online": _2007.format("Mon, 18 Apr 2016 07:36:51 +0000").replace(
        "{host}", "MOCK.mail.protection.outlook.com"
    ),
    "custom": "220 ESMTP Ready\r\n",  # nmap line 13280
    "postfix": "220 {host} ESMTP Postfix (Debian/GNU)\r\n",
}
# What a firewall of the Cisco PIX kind leaves of a line besides its code: 0, 2 and blanks (Q295725).
_MASKED = re.compile(rb"[^02 \r\n]")
_LINE = re.compile(rb"([0-9]{3}[ -])?([^\n]*\n?)")

GREETING_NAMES = (*_NAMED, "masked")


def greeting_for(build: Build | str, host: str = HOST) -> bytes:
    r"""Say what the Internet Mail Service (5.0, 5.5) or Connector (4.0, made up) of `build` says.

    A build without prefix gets that of its product. Raises UsageError for text that is no build
    and for a build that no product has.

    >>> greeting_for("5.0.1460.8", "mx.example.com")
    b'220 mx.example.com Microsoft Exchange Internet Mail Service 5.0.1460.8 ready\r\n'
    >>> greeting_for("993.5", "mx.example.com")
    b'220 mx.example.com Microsoft Exchange Internet Mail Connector 4.0.993.5 ready\r\n'
    """
    known = _with_prefix(_parsed(build) if isinstance(build, str) else build)
    return _FORMS[str(known.prefix)].format(host=host, build=known).encode()


def named_greeting(name: str, host: str = HOST) -> bytes:
    r"""Say what another server says: one of `GREETING_NAMES`. Raises UsageError for any other name.

    >>> named_greeting("postfix")
    b'220 mock.example.com ESMTP Postfix (Debian/GNU)\r\n'
    """
    if name == "masked":
        return mask(greeting_for(DEFAULT_BUILD, host))
    if name not in _NAMED:
        raise UsageError(f"greeting {name[:40]!a}: unknown. Known: a build, {', '.join(GREETING_NAMES)}.")
    return _NAMED[name].format(host=host).encode()


def greeting_of(text: str, host: str = HOST) -> bytes:
    """Read a build (`2650.21`) or a name (`postfix`). Raises UsageError."""
    return greeting_for(text, host) if text[:1].isdecimal() else named_greeting(text, host)


def mask(data: bytes) -> bytes:
    r"""Star `data` as a firewall does: the reply code, 0, 2, blanks and line ends survive.

    >>> mask(b"220 ex55.example.com 5.5.2650.21\r\n")
    b'220 **************** ****2**0*2*\r\n'
    """
    return b"".join((found[1] or b"") + _MASKED.sub(b"*", found[2]) for found in _LINE.finditer(data))


def _parsed(text: str) -> Build:
    try:
        return Build.parse(text)
    except ValueError:
        raise UsageError(f"build {text[:40]!a}: no build number. Write it as 5.5.2650.21.") from None


def _with_prefix(build: Build) -> Build:
    if build.prefix in _FORMS:
        return build
    if build.prefix is None:
        for prefix, builds in _RANGES.items():
            if build.build in builds:
                return Build.parse(f"{prefix}.{build}")
    raise UsageError(f"build {build}: of no product that is known. Give one of 4.0, 5.0 or 5.5.")
