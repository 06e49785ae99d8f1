"""A server's side of TLS over bytes: what comes is decrypted, what is to be said encrypted.

The connection stays as it is, whatever becomes of the TLS in it: it can be reset in the middle of it.
"""

from __future__ import annotations

import contextlib
import ssl

_PIECE = 65_536


class TlsLayer:
    """TLS as a server speaks it. `is_ready` once the handshake is done, `is_over` when no more comes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._heard, self._said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._heard, self._said, server_side=True)
        self.is_ready = False
        self.is_over = False

    def decrypted(self, data: bytes) -> bytes:
        """Take what the client sent; what it says with it, nothing while the handshake lasts."""
        self._heard.write(data)
        plain = bytearray()
        try:
            self._shake_hands()
            while piece := self._tls.read(_PIECE):
                plain += piece
            self.is_over = True
        except ssl.SSLWantReadError:
            pass  # the rest is still to come
        except ssl.SSLError:
            self.is_over = True
        return bytes(plain)

    def outgoing(self) -> bytes:
        """What TLS itself has to say: the handshake, alerts."""
        return self._said.read()

    def encrypted(self, data: bytes) -> bytes:
        """What is to be sent to say `data`; nothing when TLS has failed."""
        with contextlib.suppress(ssl.SSLError):
            while data:
                data = data[self._tls.write(data) :]
        return self.outgoing()

    def last_words(self) -> bytes:
        """What tells the client that no more is said (close_notify), where there is TLS to say it in."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        return self.outgoing()

    def _shake_hands(self) -> None:
        if not self.is_ready:
            self._tls.do_handshake()
            self.is_ready = True
