"""What the keywords of an EHLO reply are consistent with: from one or two transcripts each, hints and no proof.

Keywords can be switched off per connector and be removed by firewalls, so that nothing follows from
one that is missing beyond what a row says. A greeting that names another server is believed: no row is
for it. No row says anything of a build or a service pack.
"""

from __future__ import annotations

from typing import NamedTuple

from imcprobe.model import Family


class Transcript(NamedTuple):
    """What a server said: its greeting, and the lines of its EHLO reply without codes."""

    greeting: str
    lines: tuple[str, ...]
    source: str


class KeywordRow(NamedTuple):
    """All of `present`, one of `any_of` (if there are any) and none of `absent`, behind a greeting of `families`.

    Behind the Windows SMTP service `windows` is what its version begins with. `reading` is what that is
    consistent with, in the words of a hint; `generation` is what the product is narrowed to ("2013"), None
    where a hint is all.
    """

    families: frozenset[Family]
    present: frozenset[str]
    absent: frozenset[str]
    generation: str | None
    reading: str
    source: str
    examples: tuple[Transcript, ...]
    any_of: frozenset[str] = frozenset()
    windows: str = ""


def _k(keywords: str) -> frozenset[str]:
    return frozenset(keywords.split())


def _lines(keywords: str) -> tuple[str, ...]:
    return ("mx.example.com Hello [192.0.2.1]", *keywords.split(", "))


# Any of these in the reply of the Windows SMTP service shows an Exchange 2000 or 2003 behind it (KB 153119, later
# text: missing ones mean that the tie between the two is broken).
EXCHANGE_ON_WINDOWS = frozenset({"X-LINK2STATE", "XEXCH50"})

_IMS = frozenset({Family.EXCHANGE_IMS})
_WINDOWS = frozenset({Family.WINDOWS_SMTP})
_LATER = frozenset({Family.EXCHANGE_2007})
# Greetings that name no server: starred by a firewall, or set by hand.
_HIDDEN = frozenset({Family.MASKED, Family.SMTP})

_NT4 = "220-mx.example.com Microsoft SMTP MAIL ready at Wed, 29 Nov 2017 23:48:59 +0000 Version: 5.5.1877.197.19\r\n220 ESMTP spoken here\r\n"
_IMS55 = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2448.0) ready\r\n"
_W2000 = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: 5.0.2195.6713 ready at  Thu, 3 Apr 2008 15:39:17 +0800 \r\n"
_W2003 = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  Sat, 3 Sep 2011 08:39:16 -0700 \r\n"
_W2019 = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: 10.0.17763.1697 ready at  Sun, 5 Mar 2023 20:51:47 -0500 \r\n"
_E2007 = "220 mx.example.com Microsoft ESMTP MAIL Service ready at Fri, 5 Aug 2016 16:24:41 -0700\r\n"
_ONLINE = "220 EX1FD038.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready at Mon, 18 Apr 2016 07:36:51 +0000\r\n"
_MASKED = "220 ****2**0*2*\r\n"
_OWN = "220 ESMTP Ready\r\n"

# fmt: off
# The lists as they were captured; the greeting that they stand behind is in the row.
_LIST_55 = _lines("XEXCH50, HELP, ETRN, DSN, SIZE 0, AUTH LOGIN, AUTH=LOGIN")
_LIST_55_SSL = _lines("XEXCH50, HELP, ETRN, DSN, SIZE 0, AUTH LOGIN, AUTH=LOGIN, STARTTLS, TLS")
_LIST_W2000 = _lines("AUTH GSSAPI NTLM LOGIN, AUTH=LOGIN, TURN, ATRN, SIZE, ETRN, PIPELINING, DSN, ENHANCEDSTATUSCODES, 8bitmime, BINARYMIME, CHUNKING, VRFY, OK")
_LIST_W2003 = _lines("TURN, ATRN, SIZE 5242880, ETRN, PIPELINING, DSN, ENHANCEDSTATUSCODES, 8bitmime, BINARYMIME, CHUNKING, VRFY, AUTH GSSAPI NTLM, OK")
_LIST_W2019 = _lines("TURN, SIZE 2097152, ETRN, PIPELINING, DSN, ENHANCEDSTATUSCODES, 8bitmime, BINARYMIME, CHUNKING, VRFY, OK")
_LIST_2003 = _lines("TURN, ATRN, SIZE, ETRN, PIPELINING, DSN, ENHANCEDSTATUSCODES, 8bitmime, BINARYMIME, CHUNKING, VRFY, X-EXPS GSSAPI NTLM LOGIN, X-EXPS=LOGIN, AUTH GSSAPI NTLM LOGIN, AUTH=LOGIN, X-LINK2STATE, XEXCH50, OK")
_LIST_2007 = _lines("SIZE, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, AUTH, 8BITMIME, BINARYMIME, CHUNKING, XEXCH50")
_LIST_2007_SP = _lines("SIZE, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, X-ANONYMOUSTLS, AUTH NTLM LOGIN, X-EXPS GSSAPI NTLM, 8BITMIME, BINARYMIME, CHUNKING, XEXCH50, XRDST")
_LIST_2010 = _lines("SIZE, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, X-ANONYMOUSTLS, AUTH NTLM, X-EXPS GSSAPI NTLM, 8BITMIME, BINARYMIME, CHUNKING, XEXCH50, XRDST, XSHADOW")
_LIST_2010_2 = _lines("SIZE 37748736, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, X-ANONYMOUSTLS, X-EXPS NTLM, 8BITMIME, BINARYMIME, CHUNKING, XEXCH50, XSHADOW")
_LIST_2013 = _lines("SIZE, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, X-ANONYMOUSTLS, AUTH NTLM, X-EXPS GSSAPI NTLM, 8BITMIME, BINARYMIME, CHUNKING, XEXCH50, XRDST, XSHADOWREQUEST")
_LIST_2016 = _lines("SIZE 37748736, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, X-ANONYMOUSTLS, AUTH NTLM, X-EXPS GSSAPI NTLM, 8BITMIME, BINARYMIME, CHUNKING, XRDST")
_LIST_2019 = _lines("SIZE 37748736, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, X-ANONYMOUSTLS, AUTH NTLM, X-EXPS GSSAPI NTLM, 8BITMIME, BINARYMIME, CHUNKING, SMTPUTF8, XRDST")
_LIST_ONLINE = _lines("SIZE 157286400, PIPELINING, DSN, ENHANCEDSTATUSCODES, STARTTLS, 8BITMIME, BINARYMIME, CHUNKING, SMTPUTF8")
_LIST_POSTFIX = ("mx.example.com", "PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "STARTTLS", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING")
# fmt: on

# One of a firewall's or of an administrator's doing: a captured list without some of its keywords.
_LESS = "the captured list, filtered for this table"
_BARE = "mx.example.com Hello [192.0.2.1]"

_KB = "KB 153119, later text; TechNet bb124688"
_NOT_ON_2003 = (
    "that Exchange 2000 does not run on Windows Server 2003 is general knowledge, without a source here"
)
# What no list of 2000 or 2003 has: behind a greeting of Windows it is another server's.
_LATER_ONLY = _k("XRDST XSHADOW XSHADOWREQUEST X-ANONYMOUSTLS SMTPUTF8")
_FROM_2007 = "public archive (client log, its server's version not stated); nmap 13280"

# fmt: off
# The first row that fits counts. The plain Windows SMTP service has the same list whether Exchange was never
# installed or is broken (TechNet bb124688); a keyword that 2016 lacks may be switched off in 2013 or 2019.
GENERATIONS: tuple[KeywordRow, ...] = (
    KeywordRow(_WINDOWS, _k(""), _LATER_ONLY, "2003", "consistent with Exchange 2003", f"{_KB}; {_NOT_ON_2003}", (Transcript(_W2003, _LIST_2003, "public archive (6.0.3790.4675)"),), EXCHANGE_ON_WINDOWS, "6.0.3790."),
    KeywordRow(_WINDOWS, _k(""), _LATER_ONLY, "2000 or 2003", "consistent with Exchange 2000 or 2003", _KB, (Transcript(_W2000, _LIST_2003, "KB 153119; public archive (a honeypot, 5.0.2195.5329)"),), EXCHANGE_ON_WINDOWS),
    KeywordRow(_WINDOWS, _k("OK"), _k("X-LINK2STATE XEXCH50 X-EXPS"), None, "consistent with no Exchange, or with one whose keywords are filtered or missing", "TechNet bb124688; public archive", (Transcript(_W2000, _LIST_W2000, "public archive (5.0.2195.6713)"), Transcript(_W2003, _LIST_W2003, "TechNet bb124688, Example 2"))),
    KeywordRow(_LATER | _HIDDEN, _k("XSHADOWREQUEST"), _k(""), "2013", "consistent with Exchange 2013", "public archive (Microsoft, 27 Jun 2013)", (Transcript(_E2007, _LIST_2013, "public archive (Microsoft, 27 Jun 2013)"), Transcript(_MASKED, _LIST_2013, "the same, masked"))),
    KeywordRow(_LATER | _HIDDEN, _k("XSHADOW"), _k(""), "2010", "consistent with Exchange 2010", "public archive", (Transcript(_E2007, _LIST_2010, "public archive"), Transcript(_E2007, _LIST_2010_2, "public archive (21 Oct 2016)"), Transcript(_OWN, _LIST_2010, "the same, with a greeting of its own"))),
    KeywordRow(_LATER | _HIDDEN, _k("XEXCH50 XRDST"), _k("X-LINK2STATE"), "2007 or 2010", "consistent with Exchange 2007 with a service pack, or 2010", "dasblinkenlichten.com (8 Jan 2010); nmap 13280", (Transcript(_E2007, _LIST_2007_SP, "dasblinkenlichten.com (8 Jan 2010)"), Transcript(_OWN, _LIST_2007_SP, "nmap 13280"))),
    KeywordRow(_LATER, _k("XEXCH50"), _k("X-LINK2STATE"), "2007, 2010 or 2013", "consistent with Exchange 2007, 2010 or 2013", _FROM_2007, (Transcript(_E2007, _LIST_2007, "public archive (client log)"),)),
    KeywordRow(_HIDDEN, _k("XEXCH50 ENHANCEDSTATUSCODES"), _k("X-LINK2STATE OK"), "2007, 2010 or 2013", "consistent with Exchange 2007, 2010 or 2013", _FROM_2007, (Transcript(_OWN, _LIST_2007, "public archive (client log)"),)),
    KeywordRow(_LATER | _HIDDEN, _k("SMTPUTF8 XRDST"), _k("XEXCH50"), "2019 or later", "consistent with Exchange 2019 or later", "public archive (receive connector log, 29 Jan 2025)", (Transcript(_E2007, _LIST_2019, "public archive (29 Jan 2025)"), Transcript(_MASKED, _LIST_2019, "the same, masked"))),
    KeywordRow(_LATER | _HIDDEN, _k("XRDST"), _k("XEXCH50 SMTPUTF8"), "2016", "consistent with Exchange 2016, or with 2013 or 2019 in other settings", "public archive (Microsoft, 5 Aug 2016)", (Transcript(_E2007, _LIST_2016, "Microsoft documentation (5 Aug 2016)"), Transcript(_OWN, _LIST_2016, "the same, with a greeting of its own"))),
    KeywordRow(_LATER, _k("X-LINK2STATE"), _k(""), None, "consistent with Exchange 2000 or 2003, which greet with other words", _KB, (Transcript(_E2007, _LIST_2003, "KB 153119, behind words that are not its own"),)),
    KeywordRow(_HIDDEN, _k("X-LINK2STATE"), _k(""), "2000 or 2003", "consistent with Exchange 2000 or 2003", _KB, (Transcript(_MASKED, _LIST_2003, "KB 153119, masked"),)),
    KeywordRow(_HIDDEN, _k("XEXCH50 AUTH=LOGIN"), _k("X-EXPS X-LINK2STATE PIPELINING ENHANCEDSTATUSCODES CHUNKING"), "5.5", "consistent with Exchange 5.5", "Q262945, 13 May 2000, and one capture of 4 Feb 2006: no more is known", (Transcript(_MASKED, _LIST_55, "Q262945, masked"), Transcript(_OWN, _LIST_55_SSL, "capture of 4 Feb 2006, with a greeting of its own"))),
    KeywordRow(_HIDDEN, _k("X-ANONYMOUSTLS"), _k(""), "2007 or later", "consistent with Exchange 2007 or later", "the lists of 2007 to 2019 in this table", (Transcript(_OWN, (_BARE, "STARTTLS", "X-ANONYMOUSTLS", "AUTH NTLM", "8BITMIME"), _LESS),)),
    KeywordRow(_HIDDEN, _k("X-EXPS"), _k(""), "2000 or later", "consistent with Exchange 2000 or later", "the lists of 2000 to 2019 in this table", (Transcript(_OWN, (_BARE, "TURN", "X-EXPS=LOGIN", "OK"), _LESS),)),
    KeywordRow(_HIDDEN, _k("XEXCH50"), _k(""), None, "consistent with Exchange 5.5 to 2013, by a keyword that Recog does not trust alone", "the lists of 5.5 to 2013 in this table; Recog, smtp_ehlo.xml", (Transcript(_OWN, (_BARE, "XEXCH50", "SIZE"), _LESS),)),
    KeywordRow(_HIDDEN, _k("TURN ETRN OK"), _k(""), None, "consistent with the Windows SMTP service", "TechNet bb124688; public archive", (Transcript(_OWN, _LIST_W2019, "public archive (10.0.17763)"), Transcript(_MASKED, _LIST_W2000, "public archive (5.0.2195.6713), masked"))),
    KeywordRow(_IMS, _k(""), _k(""), None, "not consistent with an Internet Mail Service, which has neither BDAT nor enhanced status codes", "itprotoday, EHLO: Exchange 2000 Calling; Q262945", (Transcript(_IMS55, _LIST_2016, "a list of 2016 behind words that are not its own"), Transcript(_IMS55, _LIST_POSTFIX, "Postfix 3.7 with another's smtpd_banner")), _k("CHUNKING BINARYMIME ENHANCEDSTATUSCODES")),
)

# Transcripts that add nothing to what the greeting says. No list of 4.0, 5.0 or the Subscription Edition is known.
NOTHING_TOLD: tuple[Transcript, ...] = (
    Transcript(_IMS55, _LIST_55, "Q262945, 13 May 2000"),
    Transcript(_IMS55, _LIST_55_SSL, "capture of 4 Feb 2006; STARTTLS: Q255753, Q246889"),
    Transcript(_NT4, (_BARE, "8BITMIME"), "Q198415 names this keyword alone"),
    Transcript(_W2019, _LIST_W2019, "public archive (10.0.17763)"),
    Transcript(_W2019, _LIST_2003, "no Exchange 2000 or 2003 runs there, whatever a list says"),
    Transcript(_ONLINE, _LIST_ONLINE, "public archive (23 Nov 2025)"),
    Transcript(_ONLINE, _LIST_2019, "a list of 2019: Exchange Online is none of a customer's servers"),
    Transcript(_E2007, _LIST_ONLINE, "public archive (23 Nov 2025), under another name"),
    Transcript("220 mx.example.com ESMTP Postfix\r\n", _LIST_2003, "a greeting that names another server is believed"),
    Transcript("220 x.mail.protection.outlook.com ESMTP Postfix\r\n", _LIST_POSTFIX, "Postfix 3.7"),
    Transcript(_OWN, _LIST_POSTFIX, "Postfix 3.7 with a smtpd_banner of its own"),
    Transcript("554 No SMTP service here\r\n", _LIST_2016, "a refusal is no greeting"),
)
# fmt: on
