"""The server for machines without a C compiler: every loopback address greets; QUIT is answered."""

from __future__ import annotations

import select
import socket
from contextlib import suppress

_GREETING = (
    b"220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready\r\n"
)
_GOODBYE = b"221 closing connection\r\n"
_BACKLOG = 4096


def main() -> None:
    """Serve until killed."""
    listener = socket.create_server(("0.0.0.0", 0), backlog=_BACKLOG)
    print(listener.getsockname()[1], flush=True)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                client, _ = listener.accept()
                client.send(_GREETING)
                epoll.register(client, select.EPOLLIN)
                clients[client.fileno()] = client
            else:
                _part(clients.pop(fd))


def _part(client: socket.socket) -> None:
    with client, suppress(OSError):
        if client.recv(512):
            client.send(_GOODBYE)


if __name__ == "__main__":
    main()
