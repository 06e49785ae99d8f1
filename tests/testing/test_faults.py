from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcprobe.errors import UsageError
from imcprobe.testing.behaviours import say, script, split
from imcprobe.testing.faults import FAULTS, Fault, Point, parse_fault, speak
from imcprobe.testing.running import serve_in_thread
from imcprobe.testing.server import MockServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from imcprobe.testing.behaviours import Line, Step

    Connect = Callable[[MockServer], socket.socket]
    Dialogue = Callable[[MockServer, bytes], bytes]
    Running = Callable[[MockServer], MockServer]

GREETING = b"220 mx.example.com ready 5.2.0\r\n"
BYE = b"221 closing connection\r\n"


class EndedError(Exception):
    pass


class FakeLine:
    """Writes down what a behaviour does; ends after `patience` steps, as a client would."""

    def __init__(self, patience: int = 1000, received: bytes = b"") -> None:
        self.received = bytearray(received)
        self.done: list[bytes | float | str] = []
        self._patience = patience

    def _note(self, what: bytes | float | str) -> None:
        self.done.append(what)
        if len(self.done) >= self._patience:
            raise EndedError

    async def send(self, data: bytes) -> None:
        self._note(data)

    async def sleep(self, seconds: float) -> None:
        self._note(seconds)

    async def until_left(self) -> NoReturn:
        self._note("left")
        raise EndedError

    def hang_up(self) -> NoReturn:
        self._note("FIN")
        raise EndedError

    def reset(self) -> NoReturn:
        self._note("RST")
        raise EndedError


async def done_by(
    *texts: str, data: bytes = b"220 hi\r\n", patience: int = 1000, received: bytes = b""
) -> list[bytes | float | str]:
    line = FakeLine(patience, received)
    try:
        await speak(line, [parse_fault(text).behave for text in texts], data)
    except EndedError:
        line.done.append("ended")
    return line.done


@pytest.mark.parametrize(
    ("texts", "done"),
    [
        ((), [b"220 hi\r\n"]),
        (("delay=20s",), [20.0, b"220 hi\r\n"]),
        (("delay=500ms",), [0.5, b"220 hi\r\n"]),
        (("delay=2m",), [120.0, b"220 hi\r\n"]),
        (("delay=1.5",), [1.5, b"220 hi\r\n"]),
        (("silence",), ["left", "ended"]),
        (("split=3",), [b"220", 0.001, b" hi", 0.001, b"\r\n"]),
        (("split",), [b"2", *(x for c in b"20 hi\r\n" for x in (0.001, bytes([c])))]),
        (("drip=0.5s",), [b"2", *(x for c in b"20 hi\r\n" for x in (0.5, bytes([c])))]),
        (("close",), [b"", "FIN", "ended"]),
        (("close=5",), [b"220 h", "FIN", "ended"]),
        (("reset",), [b"", "RST", "ended"]),
        (("reset=99",), [b"220 hi\r\n", "RST", "ended"]),
        (("masked",), [b"220 **\r\n"]),
        (("lines=2",), [b"220-imcprobe mock has more to say\r\n"] * 2 + [b"220 hi\r\n"]),
        (("flood=10",), [b"220 ", b"AAAAAA", b"\r\n"]),
        (("flood=2",), [b"22", b"", b"\r\n"]),
        (("flood=16389",), [b"220 ", b"A" * 16384, b"A", b"\r\n"]),
        (("554",), [b"554 No SMTP service here\r\n"]),
        (("450",), [b"450 Try again later\r\n"]),
        (("554=3",), [b"554-No SMTP service here\r\n" * 2 + b"554 No SMTP service here\r\n"]),
        (("421",), [b"421 Service not available, closing transmission channel\r\n", "FIN", "ended"]),
        (("delay=1s", "masked", "split=4"), [1.0, b"220 ", 0.001, b"**\r\n"]),
        (("split=4", "delay=1s"), [1.0, b"220 ", 0.001, 1.0, b"hi\r\n"]),
        (("split=4", "close=1"), [b"2", "FIN", "ended"]),
        (("split=4", "silence"), ["left", "ended"]),
        (("split=4", "reset=1"), [b"2", "RST", "ended"]),
        (("pregreet=2s",), [2.0, b"220 hi\r\n"]),
        (("pregreet=2s", "split=4"), [2.0, b"220 ", 0.001, b"hi\r\n"]),
    ],
)
async def test_a_fault_says_exactly_this(texts: tuple[str, ...], done: list[bytes | float | str]) -> None:
    assert await done_by(*texts) == done


async def test_who_speaks_before_the_greeting_is_refused() -> None:
    told = [1.0, b"521 5.5.1 You talk before the greeting\r\n", "FIN", "ended"]
    assert await done_by("pregreet=1s", received=b"E") == told


async def test_a_script_does_one_thing_after_the_other() -> None:
    line = FakeLine()
    steps: tuple[Step, ...] = (b"22", 0.5, 2, partial(split, size=4), say)
    await speak(line, [partial(script, steps=steps)], b"220 hi\r\n")
    assert line.done == [b"22", 0.5, 2, b"220 ", 0.001, b"hi\r\n", b"220 hi\r\n"]


async def test_an_endless_line_has_no_end_and_endless_lines_never_finish() -> None:
    assert await done_by("flood", patience=50) == [b"220 ", *[b"A" * 16384] * 49, "ended"]
    hundred = b"220-imcprobe mock has more to say\r\n" * 100
    assert await done_by("lines", patience=50) == [hundred] * 50 + ["ended"]


@pytest.mark.parametrize(
    ("text", "data", "first"),
    [
        ("lines", b"250 ok\r\n", b"250-imcprobe mock has more to say\r\n"),
        ("lines", b"", b"220-imcprobe mock has more to say\r\n"),
        ("flood", b"221 bye\r\n", b"221 "),
    ],
)
async def test_a_flood_has_the_code_of_what_it_replaces(text: str, data: bytes, first: bytes) -> None:
    said = (await done_by(text, data=data, patience=1))[0]
    assert isinstance(said, bytes)
    assert said.startswith(first)


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("silence", Point.GREETING),
        ("greeting:silence", Point.GREETING),
        ("connect:close", Point.CONNECT),
        ("ehlo:500", Point.EHLO),
        ("quit:split=2", Point.QUIT),
    ],
)
def test_a_fault_strikes_at_its_point(text: str, point: Point) -> None:
    fault = parse_fault(text)
    assert fault.point is point
    assert fault.text == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("slow", "unknown. Known: 421, 450, 500, 554, close, delay, drip, flood, lines, masked, pregreet"),
        ("", "unknown. Known: "),
        ("delay=1s\n", "unknown. Known: "),
        ("a:b:delay=1s", "unknown. Known: "),
        ("\x1b[2J\u202e", "unknown. Known: "),
        ("delay", "write it as delay=TIME"),
        ("delay=", "write it as delay=TIME"),
        ("delay=-1s", "write it as delay=TIME"),
        ("delay=1h", "write it as delay=TIME"),
        ("delay=" + "9" * 5000, "write it as delay=TIME"),
        ("delay=\u0663s", "write it as delay=TIME"),
        ("drip=", "write it as drip=TIME"),
        ("split=0", "write it as split[=N]"),
        ("close=-1", "write it as close[=N]"),
        ("close=", "write it as close[=N]"),
        ("reset=x", "write it as reset[=N]"),
        ("flood=" + "9" * 5000, "write it as flood[=BYTES]"),
        ("flood=0", "write it as flood[=BYTES]"),
        ("lines=0", "write it as lines[=N]"),
        ("masked=1", "write it as masked."),
        ("silence=1", "write it as silence."),
        ("421=0", "write it as 421[=LINES]"),
        ("554=10000", "write it as 554[=LINES]"),
        ("helo:delay=1s", "no such point. Known: connect, greeting, ehlo, starttls, handshake, tls, auth, "),
        ("connect:drip=1s", "nothing is said at connect yet. Try greeting:drip=1s"),
        ("handshake:split", "nothing is said at handshake yet. Try starttls:split"),
        ("connect:masked", "nothing is said at connect yet. Try greeting:masked"),
    ],
)
def test_text_that_is_no_fault_is_refused_with_a_remedy(text: str, remedy: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_fault(text)
    message = str(refused.value)
    assert remedy in message
    assert message.startswith("fault '")
    assert message.isascii()
    assert message.isprintable()


@settings(max_examples=50)
@given(st.text(max_size=30) | st.from_regex(r"(connect|quit|ehlo):[a-z0-9]{3,8}(=[0-9a-z.]{0,8})?"))
def test_any_text_is_a_fault_or_a_usage_error(text: str) -> None:
    try:
        fault = parse_fault(text)
    except UsageError:
        return
    assert fault.text == text


def test_every_name_is_listed_as_it_is_written() -> None:
    assert list(FAULTS) == sorted(FAULTS)
    for name, row in FAULTS.items():
        assert row.usage.startswith(name)
        assert row.help


# On the wire.


@pytest.mark.parametrize(
    ("texts", "heard"),
    [
        ([], GREETING + BYE),
        (["connect:delay=1ms", "delay=1ms"], GREETING + BYE),
        (["split=7", "quit:split"], GREETING + BYE),
        (["drip=1ms"], GREETING + BYE),
        (["close"], b""),
        (["connect:close"], b""),
        (["close=9"], GREETING[:9]),
        (["close=1000"], GREETING),
        (["masked"], b"220 ************** ***** **2*0\r\n" + BYE),
        (["lines=2"], b"220-imcprobe mock has more to say\r\n" * 2 + GREETING + BYE),
        (["flood=100000"], b"220 " + b"A" * 99_996 + b"\r\n" + BYE),
        (["554=2"], b"554-No SMTP service here\r\n554 No SMTP service here\r\n" + BYE),
        (["421"], b"421 Service not available, closing transmission channel\r\n"),
        (["connect:554"], b"554 No SMTP service here\r\n" + GREETING + BYE),
        (["quit:554"], GREETING + b"554 No SMTP service here\r\n"),
        (["quit:close=4"], GREETING + b"221 "),
        (["quit:flood=9"], GREETING + b"221 AAAAA\r\n"),
    ],
)
def test_the_wire_carries_the_fault(
    running: Running, dialogue: Dialogue, texts: list[str], heard: bytes
) -> None:
    server = running(MockServer(GREETING, faults=map(parse_fault, texts)))
    assert dialogue(server, b"QUIT\r\n") == heard


def test_a_drip_shows_one_byte_for_as_long_as_it_takes(running: Running, connect: Connect) -> None:
    client = connect(running(MockServer(GREETING, faults=[parse_fault("drip=2m")])))
    assert client.recv(100) == b"2"
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(100)


@pytest.mark.parametrize("text", ["silence", "connect:silence", "delay=2m", "connect:delay=2m"])
def test_silence_is_heard(running: Running, connect: Connect, text: str) -> None:
    client = connect(running(MockServer(GREETING, faults=[parse_fault(text)])))
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(100)


@pytest.mark.parametrize(
    ("text", "before"), [("reset", b""), ("reset=5", GREETING[:5]), ("connect:reset", b"")]
)
def test_a_reset_is_a_reset_and_no_close(
    running: Running, connect: Connect, text: str, before: bytes
) -> None:
    server = running(MockServer(GREETING, faults=[parse_fault(text)]))
    heard = bytearray()

    def listen() -> None:
        client = connect(server)
        while data := client.recv(1):
            heard.extend(data)

    with pytest.raises(ConnectionResetError):  # when it is quick, connect() meets it already
        listen()
    assert heard in (before, b"")


@pytest.mark.parametrize(("text", "ends"), [("flood", 0), ("lines", 20_000)])
def test_a_flood_goes_on_until_the_client_leaves(
    running: Running, connect: Connect, text: str, ends: int
) -> None:
    client = connect(running(MockServer(GREETING, faults=[parse_fault(text)])))
    heard = bytearray()
    while len(heard) < 1_000_000:
        heard += client.recv(65_536)
    assert heard[:3] == b"220"
    assert (heard.count(b"\n") > ends) is (ends > 0)


def test_a_behaviour_of_ones_own_needs_no_name(running: Running, dialogue: Dialogue) -> None:
    async def twice(line: Line, data: bytes) -> None:
        await line.send(data + data)

    server = running(MockServer(GREETING, faults=[Fault(twice), Fault(twice, Point.QUIT)]))
    assert dialogue(server, b"QUIT\r\n") == GREETING * 2 + BYE * 2


def test_a_fault_strikes_at_its_point_only(running: Running, dialogue: Dialogue) -> None:
    server = running(MockServer(GREETING, faults=[parse_fault("ehlo:500")]))
    assert dialogue(server, b"EHLO a\r\nHELO a\r\nQUIT\r\n") == (
        GREETING
        + b"500 Unrecognized command\r\n"
        + b"250 mock.example.com Hello, this is imcprobe mock\r\n"
        + BYE
    )


@pytest.mark.parametrize("text", ["silence", "flood", "lines", "delay=2m", "drip=2m", "quit:silence"])
def test_no_fault_keeps_a_server_from_stopping(connect: Connect, text: str) -> None:
    with serve_in_thread(MockServer(GREETING, faults=[parse_fault(text)])) as server:
        client = connect(server)
        client.sendall(b"QUIT\r\n")
    with contextlib.suppress(ConnectionResetError):
        while client.recv(65_536):
            pass
