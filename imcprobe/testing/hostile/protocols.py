"""Servers of other protocols."""

from __future__ import annotations

from imcprobe.model import Status
from imcprobe.testing import behaviours as do
from imcprobe.testing.hostile.case import CLOSE, Case, Expected, acts, not_smtp, says


def _other(name: str, does: str, said: bytes) -> Case:
    return says(name, does, said, not_smtp(said))


def _with_220(name: str, does: str, said: bytes) -> Case:
    """Its code is that of SMTP: the reply is whole, and nothing is concluded from its words."""
    return says(name, does, said, Expected(Status.SUCCESS, said))


_HTTP = b"HTTP/1.1 400 Bad Request\r\nServer: Microsoft-IIS/5.0\r\nContent-Length: 0\r\n\r\n"
# The first 32 bytes of a MySQL handshake: length, sequence, protocol 10, version, thread, salt.
_MYSQL = b"\x4a\x00\x00\x00\x0a5.5.2650\x00\x08\x00\x00\x00abcdefgh\x00\xff\xf7\x08\x02\x00"

CASES = (
    acts("http", "HTTP", (_HTTP, CLOSE), not_smtp(_HTTP)),
    _other("ssh", "SSH", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    _other("pop3", "POP3", b"+OK Microsoft Exchange POP3 server version 5.5.2650.21 ready\r\n"),
    _other("imap", "IMAP", b"* OK Microsoft Exchange IMAP4rev1 server version 5.5.2650.21 (mx) ready\r\n"),
    _other("nntp", "NNTP", b"200 Microsoft Exchange Internet News Service Version 5.5.2650.21\r\n"),
    _with_220("ftp", "FTP, whose code is 220 too", b"220 mx Microsoft FTP Service (Version 5.0).\r\n"),
    _with_220("vsftpd", "FTP once more", b"220 (vsFTPd 3.0.3)\r\n"),
    _other("telnet", "TELNET, options first", b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27"),
    acts(
        "tls-alert",
        "TLS: an alert, and the end",
        (b"\x15\x03\x01\x00\x02\x02\x46", CLOSE),
        not_smtp(b"\x15\x03\x01\x00\x02\x02\x46"),
    ),
    _other("mysql", "MySQL", _MYSQL),
    _other("vnc", "VNC", b"RFB 003.008\n"),
    _other("redis", "Redis", b"-ERR unknown command 'QUIT'\r\n"),
    _other("irc", "IRC", b":irc.example.com NOTICE AUTH :*** Looking up your hostname...\r\n"),
    _other("ldap", "LDAP: a notice of disconnection", b"\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x34\x04\x00"),
    _other("noise", "bytes that mean nothing", bytes(range(160, 256)) + bytes(range(32))),
    acts(
        "waits-for-the-client",
        "a protocol in which the client speaks first",
        (do.silence,),
        Expected(Status.IO_TIMEOUT),
    ),
)
