"""Greetings as bytes: those of any Exchange build, and some of servers that are something else.

The forms of 5.5 and 5.0 are documented (Q173656, Q182821). The form for 4.0 is **made up**: no
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
_NAMED = {
    "exchange2007": "220 {host} Microsoft ESMTP MAIL Service ready at Fri, 5 Aug 2016 16:24:41 -0700\r\n",
    "postfix": "220 {host} ESMTP Postfix (Debian/GNU)\r\n",
    # Two blanks after "at" and one before the line end, as that service has them.
    "windows": "220 {host} Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675"
    " ready at  Sat, 3 Sep 2011 08:39:16 -0700 \r\n",
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
