"""What a server may do instead of simply saying its piece.

A *behaviour* is an async callable. It gets a `Line` and the bytes to say, and says them: later,
otherwise or not at all. Those with further parameters become behaviours by `functools.partial`.
A new one is a function here and, to have a name, a row in `faults`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias

from imcprobe.testing.greetings import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Long enough for a reader that waits to see each segment on its own.
_SEGMENT_PAUSE = 0.001
# Endless lines go out in pieces of this size.
_CHUNK = 16_384
# Lines without end go out so many at a time.
_LINES = 100
REFUSALS = {
    b"421": b"Service not available, closing transmission channel",
    b"450": b"Try again later",
    b"500": b"Unrecognized command",
    b"554": b"No SMTP service here",
}


class Line(Protocol):
    """What a behaviour speaks through; every method raises when the connection has ended."""

    @property
    def received(self) -> bytearray:
        """All that the client has said so far."""
        ...

    async def send(self, data: bytes) -> None:
        """Say `data`, and wait while the client is not reading."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; the client's leaving ends it."""
        ...

    async def until_left(self) -> NoReturn:
        """Wait until the client has left."""
        ...

    def hang_up(self) -> NoReturn:
        """End the connection with a FIN."""
        ...

    def reset(self) -> NoReturn:
        """End the connection with an RST."""
        ...


Behaviour: TypeAlias = Callable[[Line, bytes], Awaitable[None]]
Step: TypeAlias = bytes | float | Behaviour
"""Of a script: bytes are said, numbers are seconds to wait, and a behaviour is given what was to be said."""


async def script(line: Line, data: bytes, steps: Sequence[Step]) -> None:
    """Do one thing after the other instead."""
    for step in steps:
        if isinstance(step, bytes):
            await line.send(step)
        elif isinstance(step, float | int):
            await line.sleep(step)
        else:
            await step(line, data)


async def say(line: Line, data: bytes) -> None:
    """Say it."""
    await line.send(data)


async def delay(line: Line, data: bytes, seconds: float) -> None:
    """Say it later."""
    await line.sleep(seconds)
    await line.send(data)


async def silence(line: Line, _data: bytes) -> None:
    """Say nothing, until the client leaves."""
    await line.until_left()


async def split(line: Line, data: bytes, size: int) -> None:
    """Say it in segments of `size` bytes, as fast as a reader can tell them apart."""
    await _in_pieces(line, data, size, _SEGMENT_PAUSE)


async def drip(line: Line, data: bytes, seconds: float) -> None:
    """Say a byte, wait, say the next."""
    await _in_pieces(line, data, 1, seconds)


async def close(line: Line, data: bytes, after: int) -> None:
    """Say the first `after` bytes and close."""
    await line.send(data[:after])
    line.hang_up()


async def reset(line: Line, data: bytes, after: int) -> None:
    """Say the first `after` bytes and reset the connection."""
    await line.send(data[:after])
    line.reset()


async def flood(line: Line, data: bytes, size: int | None) -> None:
    """Say one line of `size` bytes instead; without a size its end never comes."""
    start = _code(data) + b" "
    await line.send(start[:size])
    for piece in _filling(None if size is None else max(size - len(start), 0)):
        await line.send(piece)
    await line.send(b"\r\n")


async def lines(line: Line, data: bytes, count: int | None) -> None:
    """Say `count` continuation lines first; without a count they never end."""
    more = _code(data) + b"-imcprobe mock has more to say\r\n"
    for each in repeat(more * _LINES) if count is None else repeat(more, count):
        await line.send(each)
    await line.send(data)


async def refuse(line: Line, _data: bytes, code: bytes, count: int) -> None:
    """Say an error reply of `count` lines instead; after 421 the connection ends (RFC 5321, 3.8)."""
    text = REFUSALS[code] + b"\r\n"
    await line.send((code + b"-" + text) * (count - 1) + code + b" " + text)
    if code == b"421":
        line.hang_up()


async def pregreet(line: Line, data: bytes, seconds: float) -> None:
    """Wait, and refuse whoever has spoken by then: a client must not before the greeting (RFC 5321, 3.1)."""
    await line.sleep(seconds)
    if line.received:
        await line.send(b"521 5.5.1 You talk before the greeting\r\n")
        line.hang_up()
    await line.send(data)


async def masked(line: Line, data: bytes) -> None:
    """Say it as it comes through a firewall that stars out what it does not like."""
    await line.send(mask(data))


async def _in_pieces(line: Line, data: bytes, size: int, pause: float) -> None:
    for start in range(0, len(data), size):
        if start:
            await line.sleep(pause)
        await line.send(data[start : start + size])


def _filling(size: int | None) -> Iterator[bytes]:
    if size is None:
        yield from repeat(b"A" * _CHUNK)
        return
    yield from repeat(b"A" * _CHUNK, size // _CHUNK)
    yield b"A" * (size % _CHUNK)


def _code(data: bytes) -> bytes:
    return data[:3] or b"220"
