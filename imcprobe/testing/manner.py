"""How a server answers: the texts of its replies, whatever it has greeted with."""

from __future__ import annotations

from dataclasses import dataclass, replace

# What Exchange 5.5 SP2 offered in a capture of 2006; the first line says who is really speaking.
EHLO_5_5 = (
    "mock.example.com Hello, this is imcprobe mock",
    "XEXCH50",
    "HELP",
    "ETRN",
    "DSN",
    "SIZE 0",
    "AUTH LOGIN",
    "AUTH=LOGIN",
    "STARTTLS",
    "TLS",
)


@dataclass(frozen=True, slots=True)
class Manner:
    """The replies of a server, in lines without line ends.

    `ehlo` are the lines of its EHLO reply without codes, none if EHLO is unknown to it; `ehlo_tls` those
    inside TLS (None: the same but STARTTLS, RFC 3207, 4.2). The others stand as they are said, code and
    all. `starttls` is said where there is TLS to follow it. `challenge` is the CHALLENGE message of NTLM
    (`imcprobe.testing.ntlm`); without one nothing is known of AUTH.
    """

    ehlo: tuple[str, ...] = EHLO_5_5
    ehlo_tls: tuple[str, ...] | None = None
    helo: str = "250 mock.example.com Hello, this is imcprobe mock"
    help: tuple[str, ...] = ("214 imcprobe mock: EHLO HELO HELP NOOP QUIT RSET",)
    quit: str = "221 closing connection"
    starttls: str = "220 Ready to start TLS"
    unknown: str = "502 Command not implemented"
    challenge: bytes | None = None

    def offering_starttls(self) -> Manner:
        """The same, with STARTTLS among its keywords."""
        return self if "STARTTLS" in self.ehlo else replace(self, ehlo=_with(self.ehlo, "STARTTLS"))

    def challenging(self, challenge: bytes) -> Manner:
        """The same, with NTLM among its ways of authentication, and this for a challenge."""
        ehlo = self.ehlo
        if not any("NTLM" in line.split() for line in ehlo):
            ways = [f"AUTH NTLM {line[5:]}" if line.startswith("AUTH ") else line for line in ehlo]
            ehlo = _with(ehlo, "AUTH NTLM") if ways == [*ehlo] else tuple(ways)
        return replace(self, ehlo=ehlo, challenge=challenge)

    def ehlo_lines(self, *, secure: bool) -> tuple[str, ...]:
        """What EHLO is answered with, inside TLS or not."""
        if not secure:
            return self.ehlo
        if self.ehlo_tls is None:
            return tuple(line for line in self.ehlo if line != "STARTTLS")
        return self.ehlo_tls


IMS = Manner()
"""Nearly that of an Internet Mail Service; it does not hide that it is a mock."""


def reply(lines: tuple[str, ...], code: int | None = None) -> bytes:
    r"""Lines as bytes, behind a code if they have none of their own.

    >>> reply(("mx.example.com Hello", "XEXCH50"), 250)
    b'250-mx.example.com Hello\r\n250 XEXCH50\r\n'
    """
    *more, last = lines
    coded = lines if code is None else [*(f"{code}-{line}" for line in more), f"{code} {last}"]
    return "".join(f"{line}\r\n" for line in coded).encode()


def _with(ehlo: tuple[str, ...], keyword: str) -> tuple[str, ...]:
    """Put a keyword in before the last one, which may be an `OK` that belongs there."""
    at = max(len(ehlo) - 1, 1)
    return (*ehlo[:at], keyword, *ehlo[at:])
