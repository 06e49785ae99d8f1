"""How to probe: one frozen value, the same for every target of a scan."""

from __future__ import annotations

import re
from dataclasses import dataclass

from imcprobe.errors import UsageError
from imcprobe.safetext import quoted

# How long a name may take to resolve: resolv.conf's own default is 5 s and two attempts.
RESOLVE_TIMEOUT = 10.0
# The first of several tries is repeated after this, in seconds; each further one after twice as long.
BACK_OFF = 1.0
# How long QUIT waits for its 221. A server that is slower has been asked politely enough.
QUIT_TIMEOUT = 1.5
# Questions to reverse DNS at once: many for a resolver nearby, few enough to leave files for connections.
MAX_QUESTIONS = 64
# Addresses of one name that are tried, inside one connect limit.
MAX_ADDRESSES = 4
# Where TLS comes first of all (RFC 8314, 7.3).
IMPLICIT_TLS_PORT = 465
# Those that are probed where every address of a name is wanted.
MAX_ALL_ADDRESSES = 64
_HELO_NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """Limits in seconds, and what to send.

    `connect_timeout` bounds the TCP connection, `greeting_timeout` the whole greeting counted
    from the connection (long, because the IMS resolves the client's name before it greets,
    Q258745), `deadline` one target in all. `concurrency` is the number of targets in flight.
    `quit` sends QUIT and waits shortly for the 221. `ehlo` sends EHLO first, under `helo_name` or
    the address literal of the own socket. `family` restricts names to addresses of IP version 4
    or 6. `watch_connect` measures the connect time, at the cost of one more event a target.
    `rate` bounds new connections per second, `per_net` connections at once to one /24 or /64.
    `retries` is how often a target is tried again after a time-out or a reset, inside its deadline.
    `adaptive` lowers the connect limit to what is learnt from connections, but not below 1.2 s.
    `tls` sends EHLO, and STARTTLS where it is offered; with `implicit_tls`, and on port 465, TLS comes first
    of all. `ntlm` begins an authentication, which servers log, for the challenge of NTLM; `help_command`
    sends HELP. `ptr` asks reverse DNS about addresses that answered, `all_addresses` probes every address of
    a name. `conversations` is how many are held at once, besides the `concurrency`.
    """

    concurrency: int = 1024
    connect_timeout: float = 5.0
    greeting_timeout: float = 30.0
    deadline: float = 60.0
    quit: bool = True
    ehlo: bool = False
    helo_name: str | None = None
    family: int | None = None
    watch_connect: bool = False
    rate: float | None = None
    per_net: int | None = None
    retries: int = 0
    adaptive: bool = False
    tls: bool = False
    implicit_tls: bool = False
    ntlm: bool = False
    help_command: bool = False
    ptr: bool = False
    all_addresses: bool = False
    conversations: int = 1024

    @property
    def asks_ehlo(self) -> bool:
        """Whether EHLO is sent: nothing else tells what can be asked further."""
        return self.ehlo or self.tls or self.ntlm

    @property
    def converses(self) -> bool:
        """Whether there is anything to say besides QUIT, if only by TLS."""
        return self.asks_ehlo or self.help_command or self.implicit_tls

    def is_implicit(self, port: int) -> bool:
        """Whether TLS comes first of all on that port."""
        return self.implicit_tls or port == IMPLICIT_TLS_PORT

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "greeting_timeout", "deadline"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise UsageError(f"{name} {value!r}: a number of seconds above 0 is needed.")
        for name, least in (("concurrency", 1), ("per_net", 1), ("conversations", 1), ("retries", 0)):
            number = getattr(self, name)
            if number is not None and number < least:
                raise UsageError(f"{name} {number!r}: at least {least} is needed.")
        if self.rate is not None and not 0 < self.rate < float("inf"):
            raise UsageError(f"rate {self.rate!r}: connections per second above 0 are needed.")
        if self.helo_name is not None and _HELO_NAME.fullmatch(self.helo_name) is None:
            raise UsageError(
                f"helo_name {quoted(self.helo_name)}: a host name or an address literal is needed."
            )
        if self.family not in (None, 4, 6):
            raise UsageError(f"family {self.family!r}: 4, 6 or None is needed.")
