r"""What greetings look like, the most specific first: the first row that matches any line of one wins.

A row's pattern is tried on text without reply codes in which runs of blanks are one blank; case does not
matter, `^` and `$` are the ends of a line, and `.` never leaves it. `rest` is where a build of the
Internet Mail Service or Connector is read from, `version` a number of anything else, `host` a name
that does not stand first. Each example is a whole greeting or header as `identify` gets it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from imcprobe.model import Confidence, Family


class Pattern(NamedTuple):
    """One row: what fits it is a server of `family` (None: no SMTP server) and imcprobe calls it `product`.

    `word`, in small letters, stands in all that the pattern fits, and is looked for first. `documented`
    are the product prefixes that this form is documented for. `header` rows are for text without a
    reply code only: lines of mail headers. What a `vague` row fits counts only with a build that the
    table has, or that lies where its prefix says. A `whole` row speaks of all of a greeting, others of what
    stands beside their word.
    """

    name: str
    family: Family | None
    product: str | None
    word: str
    regex: re.Pattern[str]
    source: str
    examples: tuple[str, ...]
    confidence: Confidence = Confidence.HIGH
    documented: tuple[str, ...] = ()
    header: bool = False
    vague: bool = False
    whole: bool = False


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII | re.IGNORECASE | re.MULTILINE)


_IMS, _IMC = Family.EXCHANGE_IMS, Family.EXCHANGE_IMC
_OTHER = Family.OTHER_SMTP
_LOW = Confidence.LOW

# fmt: off
PATTERNS: tuple[Pattern, ...] = (
    Pattern("masked", Family.MASKED, None, "**", _p(r"\A(?=[*0-9 \n]*\*\*)[*0-9 \n]+\Z"), "Q295725; nmap 3173; Recog", ("220 *********0*****************2*************", "220 ****2**0*2*"), whole=True),
    Pattern("header-received-ims", _IMS, None, "internet mail service", _p(r"\bby (?P<host>\S{1,255}) (?:\([^)\n]{0,255}\) )?with e?smtp \(microsoft exchange internet mail service(?P<rest>.*)"), "Q190709; Q190084", ("Received: from a.example.com ([192.0.2.1]) by EX1 with SMTP (Microsoft Exchange Internet Mail Service Version 5.5.1960.3) id ND9X2LS1; Wed, 5 Nov 1997 10:00:00 -0000",), documented=("5.0", "5.5"), header=True),
    Pattern("header-received-imc-out", _IMC, None, "(imc", _p(r"(?:\bby (?P<host>\S{1,255}) )?\bwith microsoft exchange \(imc(?P<rest> .*)"), "Q153060", ("Received: by router.example.com with Microsoft Exchange (IMC 4.0.838.14) id <01BB6402.55C69350@router.example.com>; Tue, 25 Jun 1996 00:00:00 -0700",), documented=("4.0",), header=True),
    Pattern("header-received-ims-out", _IMS, None, "internet mail service", _p(r"(?:\bby (?P<host>\S{1,255}) )?\bwith internet mail service(?P<rest> \(.*)"), "Q320636", ("Received: by ex1.example.com with Internet Mail Service (5.5.2653.19) id <GXM396ZL>; Thu, 14 Mar 2002 10:00:00 -0500",), documented=("5.0", "5.5"), header=True),
    Pattern("header-mailer-imc", _IMC, None, "internet mail connector", _p(r"^(?:x-mailer: ?)?microsoft exchange server internet mail connector(?P<rest> version .*)"), "Q153060", ("X-Mailer:  Microsoft Exchange Server Internet Mail Connector Version 4.0.838.14",), documented=("4.0",), header=True),
    Pattern("header-mailer-ims", _IMS, None, "internet mail service", _p(r"^(?:x-mailer: ?)?internet mail service(?P<rest> \(.*)"), "Q166577; Q320636", ("X-Mailer: Internet Mail Service (5.0.1457.3)", "Internet Mail Service (5.5.2653.19)"), documented=("5.0", "5.5"), header=True),
    Pattern("ims55", _IMS, None, "internet mail service", _p(r"\(microsoft exchange (?:server )?internet mail service(?![a-z])(?P<rest>.*)"), "Q173656; Q194131; Recog", ("220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2653.13) ready", "220 mx.example.com  SMTP Server (Microsoft Exchange Internet Mail Service 5.5.2232.0) Ready."), documented=("5.0", "5.5")),
    Pattern("ims50", _IMS, None, "internet mail service", _p(r"microsoft exchange (?:server )?internet mail service(?![a-z])(?P<rest>.*)"), "Q182821; Q164060; Recog", ("220 mx.example.com Microsoft Exchange Internet Mail Service 5.0.1458.49 ready",), documented=("5.0",)),
    Pattern("imc40", _IMC, None, "internet mail connector", _p(r"microsoft exchange (?:server )?internet mail connector(?![a-z])(?P<rest>.*)"), "none: no greeting of this kind is known; Q257618 says that there are some", ("220 mx.example.com Microsoft Exchange Internet Mail Connector 4.0.994.63 ready",)),
    Pattern("imc-short", _IMC, None, "imc", _p(r"\(?\bimc\b(?P<rest>[ :(].*)"), "Q153060 has these words in a header", ("220 mx.example.com ESMTP (IMC 4.0.838.14) ready",), vague=True),
    Pattern("ntop-smtp", Family.NT4_OPTION_PACK, "Windows NT 4.0 Option Pack SMTP service", "smtp mail", _p(r"\bmicrosoft smtp mail\b(?:.*\bversion: ?(?P<version>[0-9.]+))?"), "Recog; nmap 3117; Q198415", ("220-mx.example.com Microsoft SMTP MAIL ready at Wed, 29 Nov 2017 23:48:59 +0000 Version: 5.5.1877.197.19\r\n220 ESMTP spoken here",)),
    Pattern("smtpsvc", Family.WINDOWS_SMTP, "Windows SMTP service", "esmtp mail", _p(r"microsoft esmtp mail service,? version: ?(?P<version>[0-9.]*)"), "KB 254560; Recog; nmap 3120", ("220 mx.example.com Microsoft ESMTP MAIL Service, Version: 5.0.2195.6713 ready at  Thu, 3 Apr 2008 15:39:17 +0800", "220 Microsoft ESMTP MAIL Service, Version: 5.0.2172.1 ready at  Tue, 29 Feb 2000 18:55:48 -0600")),
    Pattern("exchange-online", Family.EXCHANGE_ONLINE, "Exchange Online", ".protection.outlook.com", _p(r"^(?P<host>[a-z0-9.-]{1,200}\.protection\.outlook\.com) ?microsoft esmtp mail service ready"), "public archive", ("220 EX1FD038.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready at Mon, 18 Apr 2016 07:36:51 +0000",)),
    Pattern("exchange-online-clients", Family.EXCHANGE_ONLINE, "Exchange Online", ".outlook.office365.com", _p(r"^(?P<host>[a-z0-9.-]{1,200}\.outlook\.office365\.com) ?microsoft esmtp mail service ready"), "Microsoft documentation (1 Jun 2015); public archive", ("220 EX1PR10CA0041.outlook.office365.com Microsoft ESMTP MAIL Service ready at Mon, 1 Jun 2015 12:00:00 +0000",)),
    Pattern("exchange-2007", Family.EXCHANGE_2007, "Exchange 2007 or later", "esmtp mail", _p(r"microsoft esmtp mail service ready\b"), "Microsoft documentation; nmap 3428", ("220 mx.example.com Microsoft ESMTP MAIL Service ready at Fri, 5 Aug 2016 16:24:41 -0700", "220 mx.example.comMicrosoft ESMTP MAIL Service ready at Thu, 27 Jun 2013 17:04:17 -0400")),
    Pattern("exchange-plus-ok", Family.SMTP, "Exchange Server", "+ok", _p(r"^\+ok microsoft exchange smtp server version (?P<version>[0-9.]+)"), "nmap 3124", ("220 +OK Microsoft Exchange SMTP server version 5.5.2653.13",), confidence=_LOW),
    Pattern("oracle", _OTHER, "Oracle Communications Messaging Server", "oracle", _p(r"\boracle communications messaging (?:exchange )?server\b"), "nmap 3394", ("220 mx.example.com -- Server ESMTP (Oracle Communications Messaging Exchange Server 7.0 64bit (built Nov 1 2010))",)),
    Pattern("gfi", _OTHER, "GFI MailEssentials", "mail essentials", _p(r"\bmail essentials server\b"), "nmap 3247", ("220 mx.example.com Mail essentials  server (1.0) ready for ESMTP transfer",)),
    Pattern("eudora", _OTHER, "Eudora Internet Mail Server", "eudora", _p(r"\beudora internet mail server\b"), "nmap 3213", ("220 mx.example.com running Eudora Internet Mail Server 3.1",)),
    Pattern("stalker", _OTHER, "Stalker Internet Mail Server", "stalker", _p(r"\bstalker internet mail server\b"), "nmap 3235", ("220-Stalker Internet Mail Server V.1.7 is ready.\r\n220 ESMTP is spoken here.",)),
    Pattern("emwac", _OTHER, "EMWAC Internet Mail Services", "ims smtp", _p(r"\bims smtp receiver\b"), "Recog", ("220 mx.example.com IMS SMTP Receiver Version 0.83 Ready",)),
    Pattern("sun-ims", _OTHER, "Sun Internet Mail Server", "sun internet", _p(r"\bsun internet mail server\b"), "nmap 3216", ("220 mx.example.com SMTP (Sun Internet Mail Server sims.3.5)",)),
    Pattern("interscan", _OTHER, "Trend Micro InterScan", "interscan", _p(r"\binterscan (?:version|viruswall|messaging)\b"), "nmap 3152-3155", ("220 mx.example.com InterScan VirusWall NT ESMTP 3.24 (build 01/19/2000) ready at Thu, 08 Mar 2001 01:24:14 -0800",)),
    Pattern("postfix", _OTHER, "Postfix", "postfix", _p(r"\be?smtp postfix\b"), "Postfix, smtpd_banner", ("220 exchange.example.com ESMTP Postfix (Debian/GNU)",)),
    Pattern("sendmail", _OTHER, "Sendmail", "sendmail", _p(r"\be?smtp sendmail\b|\bsendmail [0-9]"), "Sendmail, SmtpGreetingMessage", ("220 mx.example.com ESMTP Sendmail 8.17.1/8.17.1; Mon, 1 Jan 2024 00:00:00 GMT",)),
    Pattern("exim", _OTHER, "Exim", "exim", _p(r"\be?smtp exim\b"), "Exim, smtp_banner", ("220 mx.example.com ESMTP Exim 4.96 Mon, 01 Jan 2024 00:00:00 +0000",)),
    Pattern("domino", _OTHER, "Lotus Domino", "lotus domino", _p(r"\be?smtp service \(lotus domino\b"), "nmap-service-probes", ("220 mx.example.com ESMTP Service (Lotus Domino Release 8.5.3) ready at Mon, 1 Jan 2024 00:00:00 +0000",)),
    Pattern("groupwise", _OTHER, "Novell GroupWise", "groupwise", _p(r"\bgroupwise internet agent\b"), "nmap-service-probes", ("220 mx.example.com GroupWise Internet Agent 7.0.1 Ready (C)1993, 2006 Novell, Inc.",)),
    Pattern("mdaemon", _OTHER, "MDaemon", "mdaemon", _p(r"\be?smtp mdaemon\b"), "nmap-service-probes", ("220 mx.example.com ESMTP MDaemon 9.5.2; Mon, 01 Jan 2007 00:00:00 +0000",)),
    Pattern("imail", _OTHER, "IMail", "imail", _p(r"\(imail [0-9]"), "nmap-service-probes", ("220 mx.example.com (IMail 8.05 1234-1) NT-ESMTP Server X1",)),
    Pattern("communigate", _OTHER, "CommuniGate Pro", "communigate", _p(r"\be?smtp communigate pro\b"), "nmap-service-probes", ("220 mx.example.com ESMTP CommuniGate Pro 5.1.2",)),
    Pattern("opensmtpd", _OTHER, "OpenSMTPD", "opensmtpd", _p(r"\be?smtp opensmtpd\b"), "OpenSMTPD", ("220 mx.example.com ESMTP OpenSMTPD",)),
    Pattern("aiosmtpd", _OTHER, "aiosmtpd", "python smtp", _p(r"\bpython smtp [0-9]"), "aiosmtpd, SMTP.__ident__", ("220 mx.example.com Python SMTP 1.4.6",)),
    Pattern("kerio", _OTHER, "Kerio", "kerio", _p(r"\bkerio (?:connect|mailserver)\b"), "nmap-service-probes", ("220 mx.example.com Kerio Connect 9.2.5 ESMTP ready",)),
    Pattern("mailenable", _OTHER, "MailEnable", "mailenable", _p(r"\be?smtp mailenable service\b"), "nmap-service-probes", ("220 mx.example.com ESMTP MailEnable Service, Version: 1.71--1.71 ready at 01/01/07 00:00:00",)),
    Pattern("mercury", _OTHER, "Mercury", "mercury", _p(r"\bmercury/32\b|\bmercury [0-9.]+ e?smtp\b"), "nmap-service-probes", ("220 mx.example.com ESMTP server ready, Mercury/32 v4.62.",)),
    Pattern("exchange-words", Family.SMTP, "Exchange Server", "exchange", _p(r"\besmtp (?:exchange server|microsoft exchange|ms exchange)\b"), "OpenVAS substring tests", ("220 mx.example.com ESMTP MS Exchange ready",), confidence=_LOW),
    Pattern("ftp", None, None, "ftp", _p(r"\A(?=[\s\S]{0,1000}?(?:^|[ (-])(?:vsftpd|proftpd|pure-ftpd|ncftpd|ftpd|ftp (?:server|service))(?=[ )0-9\[:/,.]{0,99}(?:[ )]|$)))(?![\s\S]*\be?smtp\b)"), "RFC 959 servers greet with 220 too", ("220 (vsFTPd 3.0.3)", "220 ftp.example.com Microsoft FTP Service (Version 5.0)."), whole=True),
    Pattern("filezilla", None, None, "filezilla", _p(r"\A(?=[\s\S]{0,1000}?\bfilezilla server\b)(?![\s\S]*\be?smtp\b)"), "FileZilla Server, an FTP server", ("220-FileZilla Server 0.9.60 beta\r\n220 Please visit https://filezilla-project.org/",), whole=True),
)
# fmt: on
