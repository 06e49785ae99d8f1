"""What the plugin's fixtures are: factories of mocks that live in a thread and stop together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from imcprobe.testing.certificates import require
from imcprobe.testing.faults import Fault, parse_fault
from imcprobe.testing.fleet import Fleet, Member, address_exists
from imcprobe.testing.greetings import DEFAULT_BUILD
from imcprobe.testing.profiles import member_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from imcprobe.testing.running import LoopThread
    from imcprobe.testing.server import MockServer

# One, or several that strike in the order given; text is read by `parse_fault`.
FaultSpec: TypeAlias = str | Fault | Sequence[str | Fault] | None
# The bytes of a greeting, a build or name for `member_of`, "refused", or all in detail.
MemberSpec: TypeAlias = bytes | str | Member

_MockT = TypeVar("_MockT", "MockServer", "Fleet")

# The second and third byte of a fleet's 127.x.y.1; y in steps of four, so that 1,022 fit. Below
# 127.64 live others: 127.0.0.1, 127.0.1.1 of Debian, 127.0.0.53 of systemd.
_SECOND_BYTES = range(64, 250)
_THIRD_BYTES = range(0, 256, 4)


class _Factory:
    """Starts mocks in the thread, remembers them, stops them at the end."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._running = AsyncExitStack()
        self._mocks: list[MockServer | Fleet] = []

    def settle(self, connections: int = 0) -> None:
        """Wait until each mock has had `connections` and all have ended: `received` is complete then.

        Raises TimeoutError after five seconds.
        """
        for mock in self._mocks:
            self._thread.call(mock.settle(connections))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.call(self._running.aclose())

    def _start(self, mock: _MockT) -> _MockT:
        self._thread.call(self._enter(mock))
        self._mocks.append(mock)
        return mock

    async def _enter(self, mock: MockServer | Fleet) -> None:
        await self._running.enter_async_context(mock)


class ServerFactory(_Factory):
    """What `imc_server` is: call it for a running server."""

    def __call__(
        self,
        greeting: bytes | str = DEFAULT_BUILD,
        *,
        build: str | None = None,
        fault: FaultSpec = None,
        refused: bool = False,
        tls: bool = False,
        implicit_tls: bool = False,
        ntlm: str | None = None,
    ) -> MockServer:
        """Start a server on 127.0.0.1 that says `greeting`: bytes, or a build or name for `member_of`.

        A name answers what is asked as that server does. `build` stands for the greeting of a build. With
        `tls` it offers STARTTLS, with `implicit_tls` it begins with TLS, by a self-signed certificate (both
        need the extra `tls`); `ntlm` is the Windows that answers AUTH NTLM ("2003"). Raises UsageError for
        unknown names.
        """
        if tls or implicit_tls:
            require("TLS of a mock")
        member = _member(greeting if build is None else build, fault, refused=refused)
        dressed = member.with_ntlm(ntlm).with_tls(starttls=tls, implicit=implicit_tls)
        return self._start(dressed.at("127.0.0.1", 0))


class FleetFactory(_Factory):
    """What `imc_fleet` is: call it for a running fleet.

    `exists` says whether this machine has an address.
    """

    def __init__(self, thread: LoopThread, exists: Callable[[str], bool] | None = None) -> None:
        super().__init__(thread)
        self._exists = exists or address_exists

    def __call__(self, members: int | Sequence[MemberSpec], *, fault: FaultSpec = None) -> Fleet:
        """Start a server for each member, or so many of them, on 127.x.y.1 and up, one port.

        Where only 127.0.0.1 exists they get a port each. `fault` strikes at members that are no
        `Member`. Raises UsageError for unknown names and more than 1,022 members.
        """
        specs: Sequence[MemberSpec] = [DEFAULT_BUILD] * members if isinstance(members, int) else members
        first = f"127.{secrets.choice(_SECOND_BYTES)}.{secrets.choice(_THIRD_BYTES)}.1"
        made = [_member(spec, fault, refused=spec == "refused") for spec in specs]
        own = self._exists(first)
        return self._start(Fleet(made, first=first if own else "127.0.0.1", by_ports=not own))


def _member(spec: MemberSpec, fault: FaultSpec, *, refused: bool) -> Member:
    if isinstance(spec, Member):
        return spec
    if refused:
        return Member(refused=True)
    faults = tuple(_faults(fault))
    return member_of(spec, faults=faults) if isinstance(spec, str) else Member(spec, faults)


def _faults(spec: FaultSpec) -> Iterator[Fault]:
    several = [spec] if isinstance(spec, str | Fault) else spec or ()
    return (parse_fault(each) if isinstance(each, str) else each for each in several)
