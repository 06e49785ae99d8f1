"""What the texts of replies are consistent with, for servers whose greeting does not say who they are.

Texts are shared by more servers than keywords are, and anyone can copy one: a row is a hint and no more,
and no product follows from it. Patterns fit a whole reply to the letter, so that the like of Postfix's
`2.0.0 Bye`, Exim's `mx.example.com closing connection` and sendmail's with `2.0.0` before it fit none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from imcprobe.meaning import Channel, Hint
from imcprobe.model import Family


class ReplyRow(NamedTuple):
    """A reply that has `code`, and whose lines fit `regex`, behind a greeting of `families`.

    The reply is that to the command of the hint's channel; of EHLO's it is the first line. Its lines are
    joined by line feeds. Each example is the lines of a reply, without codes.
    """

    name: str
    families: frozenset[Family]
    code: int
    regex: re.Pattern[str]
    hint: Hint
    examples: tuple[tuple[str, ...], ...]


# Greetings that name no server: starred by a firewall, or set by hand.
_HIDDEN = frozenset({Family.MASKED, Family.SMTP})
_IMS = frozenset({Family.EXCHANGE_IMS})
# What contradicts a greeting is worth a hint too: both of these were set by hand on other servers.
_NOT_WINDOWS = _HIDDEN | {Family.WINDOWS_SMTP}
_NOT_2007 = _HIDDEN | {Family.EXCHANGE_2007}

_COMMANDS = "This server supports the following commands:"
_OF_WINDOWS = "consistent with the Windows SMTP service, with Exchange 2000 or 2003 or without"
_OF_2007 = "consistent with Exchange 2007 or later, or Exchange Online"
_WITH_CODES = "not consistent with an Internet Mail Service, which has no enhanced status codes"


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


# fmt: off
# In the order of their channels.
REPLIES: tuple[ReplyRow, ...] = (
    ReplyRow("hello", _HIDDEN, 250, _p(r"\S{1,255} Hello \[[^\[\]\s]{1,255}\]"), Hint(Channel.EHLO, "consistent with Exchange 5.5 or later, or the Windows SMTP service, among others", "<host> Hello [<client>]", "capture of 4 Feb 2006 (5.5); TechNet bb124688 (2003); Microsoft documentation (2016); LumiSoft's servers say it too"), (("mx.example.com Hello [XP-CLIENT]",), ("MX Hello [192.0.2.1]",), ("mx.example.com Hello [fe80::2174:c9da:4ac0:74c2%13]",))),
    ReplyRow("help-windows", _NOT_2007, 214, _p(rf"{_COMMANDS}\n ?HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH TURN ETRN BDAT VRFY ?"), Hint(Channel.HELP, _OF_WINDOWS, f"{_COMMANDS} … TURN ETRN BDAT VRFY", "public archive (6.0.3790.3959); nmap, smtp-commands.nse; Nessus, smtpserver_detect"), ((_COMMANDS, "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH TURN ETRN BDAT VRFY"),)),
    ReplyRow("help-2007", _NOT_WINDOWS, 214, _p(rf"{_COMMANDS}\n ?HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT ?"), Hint(Channel.HELP, _OF_2007, f"{_COMMANDS} … HELP AUTH BDAT", "public archive (16 Aug 2020)"), ((_COMMANDS, "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT"),)),
    ReplyRow("quit-ims", _HIDDEN, 221, _p(r"closing connection"), Hint(Channel.QUIT, "consistent with an Internet Mail Service, among others", "221 closing connection", "Q262945; capture of 4 Feb 2006; E-MailRelay says it too"), (("closing connection",),)),
    ReplyRow("quit-windows", _NOT_2007, 221, _p(r"2\.0\.0 \S{1,255} Service closing transmission channel"), Hint(Channel.QUIT, f"{_OF_WINDOWS}, or with Apache James", "221 2.0.0 <host> Service closing transmission channel", "Nessus, smtpserver_detect; Apache James, QuitCmdHandler"), (("2.0.0 mx.example.com Service closing transmission channel",),)),
    ReplyRow("quit-2007", _NOT_WINDOWS, 221, _p(r"2\.0\.0 Service closing transmission channel"), Hint(Channel.QUIT, _OF_2007, "221 2.0.0 Service closing transmission channel", "Microsoft documentation; public archive"), (("2.0.0 Service closing transmission channel",),)),
    ReplyRow("quit-codes", _IMS, 221, _p(r"2\.[0-9]{1,3}\.[0-9]{1,3} [^\n]*"), Hint(Channel.QUIT, _WITH_CODES, "221 with an enhanced status code", "Q262945; capture of 4 Feb 2006"), (("2.0.0 Bye",), ("2.0.0 Service closing transmission channel",))),
    ReplyRow("starttls-2007", _HIDDEN, 220, _p(r"2\.0\.0 SMTP server ready"), Hint(Channel.STARTTLS, f"{_OF_2007}, from transcripts of those alone", "220 2.0.0 SMTP server ready", "public archive (logs of 2007 to 2019)"), (("2.0.0 SMTP server ready",),)),
)
# fmt: on
