"""What nobody expected, told on stderr: it may quote a server, and is made safe as all else is."""

from __future__ import annotations

import logging
import traceback

from imcprobe.cli.terminal import say

_FRAME = "  File "


def show(error: BaseException) -> None:
    """Show a traceback, a line each of its own."""
    for piece in traceback.format_exception(error):
        # A frame has its line of source below it; any other line end in a piece is somebody else's.
        lines = piece.splitlines() if piece.startswith(_FRAME) else [piece.strip("\n")]
        for line in lines:
            say(line)


def catch_log() -> None:
    """Have what is logged where nobody listens, as asyncio does of exceptions in callbacks, made safe."""
    logging.lastResort = _Log(logging.WARNING)


class _Log(logging.Handler):
    """Tells on stderr what was logged."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            show(record.exc_info[1])
