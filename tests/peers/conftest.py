"""Real servers on loopback: Postfix, Exim and OpenSMTPD of Debian, aiosmtpd of PyPI, each once a worker.

Debian's run as root, each in namespaces of its own: what it writes is seen by nobody else, and all of it ends
with the end of its stdin, which is the end of the tests, whatever ended them. Exim and OpenSMTPD are not
installed, where each would throw out the other: `tests/peers/fetch` puts them into `.peers`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "mx.example.com"
FETCHED = Path(__file__).parents[2] / ".peers"
# A shell is the first process and ends with its stdin, as HOLD says; then the system ends all the others, and
# `unshare` last. (A server as the first process would not do: as another user it outlives --kill-child.)
NAMESPACE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc"]
HOLD = "& cat"
# What a package would bring, from the folder $1, and folders to write to. (The clone may lie in /var/lib.)
INSTALLED = """
mount -t tmpfs peer /run
mkdir /run/peer
mount --bind "$1" /run/peer
export LD_LIBRARY_PATH="$(echo /run/peer/lib/*-linux-gnu /run/peer/usr/lib/*-linux-gnu | tr ' ' :)"
mount -t tmpfs peer /var/lib
mount -t tmpfs peer /var/spool
mkdir -p /var/lib/opensmtpd/empty
mkdir -m 711 /var/spool/smtpd
{ cat /etc/passwd; echo Debian-exim:x:64001:64001::/:/bin/false
  echo opensmtpd:x:64002:64002::/:/bin/false; echo opensmtpq:x:64003:64003::/:/bin/false; } >/run/passwd
{ cat /etc/group; echo Debian-exim:x:64001:; echo opensmtpd:x:64002:; echo opensmtpq:x:64003:; } >/run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
"""

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.com
mydestination =
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = {base}/certificate.pem
smtpd_tls_key_file = {base}/key.pem
local_recipient_maps =
alias_maps =
smtpd_relay_restrictions = reject
"""
POSTFIX_MASTER = """
{host}:{own} inet n - n - - smtpd
{host}:{disguised} inet n - n - - smtpd
  -o {{ smtpd_banner = {banner} }}
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
tlsmgr unix - - n - 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
DISGUISE = f"{NAME} ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready"

EXIM = """
primary_hostname = mx.example.com
spool_directory = /var/spool/exim
log_file_path = /var/spool/exim/%slog
host_lookup =
tls_advertise_hosts = *
tls_certificate = {base}/certificate.pem
tls_privatekey = {base}/key.pem
"""

OPENSMTPD = """
pki peer cert "{base}/certificate.pem"
pki peer key "{base}/key.pem"
listen on {host} port {port} tls pki peer hostname mx.example.com
action "nowhere" mbox
match for local action "nowhere"
"""

# `python -m aiosmtpd`, but it ends with its stdin.
AIOSMTPD = """
import os, sys, threading
from aiosmtpd.main import main
threading.Thread(target=lambda: sys.stdin.read() or os._exit(0), daemon=True).start()
main()
"""


class Peer(NamedTuple):
    """A server that runs: where, what its greeting says that it is, and the keywords of its reply to EHLO."""

    host: str
    port: int
    product: str
    keywords: frozenset[str]


def _lacking(what: str) -> NoReturn:
    """Skip the test, unless CI_PEERS says that all must be there."""
    if os.environ.get("CI_PEERS"):
        pytest.fail(f"CI_PEERS is set, and there is {what}")
    pytest.skip(f"there is {what}")


def _need_namespaces() -> None:
    if os.geteuid() != 0:
        _lacking("no root to start a mail server")
    command = [*NAMESPACE, "true"]
    if (
        shutil.which("unshare") is None
        or subprocess.run(command, capture_output=True, check=False).returncode
    ):
        _lacking("no namespace to be had from Linux (unshare)")


def _fetched(package: str, program: str) -> Path:
    """The folder of a package that was fetched, and that has the program."""
    if not (FETCHED / package / program).is_file():
        _lacking(f"no {program} in .peers/{package} (tests/peers/fetch puts it there, as root on Debian)")
    return FETCHED / package


def _place(count: int = 1) -> tuple[str, list[int]]:
    """A loopback address that no other test has taken, and free ports there.

    They are ports that nobody gets by asking the system for one, as other tests do.
    """
    host = f"127.67.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
    if sys.platform != "linux":
        host = "127.0.0.1"
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        with contextlib.suppress(OSError):
            sockets.append(socket.create_server((host, secrets.choice(range(12_000, 19_000)))))
    ports = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return host, ports


def _wait_for(host: str, port: int, log: Path) -> None:
    for _ in range(500):
        with socket.socket() as sock:
            sock.settimeout(10)
            if sock.connect_ex((host, port)) == 0:
                assert sock.recv(100).startswith(b"220 "), log.read_text()
                return
        select.select([], [], [], 0.02)
    pytest.fail(f"nothing listens on port {port}: {log.read_text()}")


class _Base:
    """A folder of a peer's own, with a key and a certificate for mx.example.com that nobody trusts."""

    def __init__(self, stack: ExitStack) -> None:
        # Not below the folders of pytest, which are closed to other users.
        self.path = Path(stack.enter_context(TemporaryDirectory(prefix="imcprobe-peer-", dir="/var/tmp")))
        self.path.chmod(0o755)
        self._stack = stack
        certificate = trustme.CA().issue_cert(NAME)
        certificate.private_key_pem.write_to_path(self.path / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(self.path / "certificate.pem")
        (self.path / "key.pem").chmod(0o600)

    def start(self, command: list[str], host: str, ports: list[int]) -> None:
        """Run `command`, which listens when this returns, until the stack ends and so its stdin does."""
        log = self.path / "log"
        with log.open("wb") as out:
            running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out)
        self._stack.enter_context(running)
        for port in ports:
            _wait_for(host, port, log)


@pytest.fixture(scope="session")
def postfixes() -> Iterator[tuple[Peer, Peer]]:
    """A Postfix with its own greeting, and the same one where it says that it is Exchange 5.5 SP3."""
    _need_namespaces()
    program = shutil.which("postfix", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        _lacking("no Postfix (apt-get install postfix)")
    host, ports = _place(2)
    with ExitStack() as stack:
        base = _Base(stack)
        for name in ("queue", "data"):
            (base.path / name).mkdir()
        shutil.chown(base.path / "data", "postfix")
        (base.path / "main.cf").write_text(POSTFIX_MAIN.format(base=base.path, host=host))
        (base.path / "master.cf").write_text(
            POSTFIX_MASTER.format(host=host, own=ports[0], disguised=ports[1], banner=DISGUISE)
        )
        base.start([*NAMESPACE, f"{program} -c {base.path} start-fg {HOLD}"], host, ports)
        words = "PIPELINING SIZE VRFY ETRN STARTTLS ENHANCEDSTATUSCODES 8BITMIME DSN SMTPUTF8 CHUNKING"
        keywords = frozenset(words.split())
        yield Peer(host, ports[0], "Postfix", keywords), Peer(host, ports[1], "Exchange Server 5.5", keywords)


@pytest.fixture(scope="session")
def postfix(postfixes: tuple[Peer, Peer]) -> Peer:
    return postfixes[0]


@pytest.fixture(scope="session")
def disguised(postfixes: tuple[Peer, Peer]) -> Peer:
    return postfixes[1]


@pytest.fixture(scope="session")
def exim() -> Iterator[Peer]:
    _need_namespaces()
    root = _fetched("exim4-daemon-light", "usr/sbin/exim4")
    host, (port,) = _place()
    with ExitStack() as stack:
        base = _Base(stack)
        settings = base.path / "exim.conf"
        settings.write_text(EXIM.format(base=base.path))
        (base.path / "key.pem").chmod(0o644)  # it is read by the user that the server turns into
        run = f"/run/peer/usr/sbin/exim4 -C {settings} -bdf -oX [{host}]:{port} {HOLD}"
        base.start([*NAMESPACE, INSTALLED + run, "peer", str(root)], host, [port])
        words = "SIZE 8BITMIME PIPELINING PIPECONNECT CHUNKING STARTTLS SMTPUTF8 HELP"
        yield Peer(host, port, "Exim", frozenset(words.split()))


@pytest.fixture(scope="session")
def opensmtpd() -> Iterator[Peer]:
    """The OpenSMTPD of Debian 12: it offers STARTTLS, and every handshake ends in an alert."""
    _need_namespaces()
    root = _fetched("opensmtpd", "usr/sbin/smtpd")
    host, (port,) = _place()
    with ExitStack() as stack:
        base = _Base(stack)
        settings = base.path / "smtpd.conf"
        settings.write_text(OPENSMTPD.format(base=base.path, host=host, port=port))
        run = f"/run/peer/usr/sbin/smtpd -d -f {settings} {HOLD}"
        base.start([*NAMESPACE, INSTALLED + run, "peer", str(root)], host, [port])
        words = "8BITMIME ENHANCEDSTATUSCODES SIZE DSN STARTTLS HELP"
        yield Peer(host, port, "OpenSMTPD", frozenset(words.split()))


@pytest.fixture(scope="session")
def aiosmtpd() -> Iterator[Peer]:
    host, (port,) = _place()
    with ExitStack() as stack:
        base = _Base(stack)
        files = ["--tlscert", str(base.path / "certificate.pem"), "--tlskey", str(base.path / "key.pem")]
        options = ["-n", "-c", "aiosmtpd.handlers.Sink", "-l", f"{host}:{port}", *files]
        base.start([sys.executable, "-c", AIOSMTPD, *options], host, [port])
        yield Peer(host, port, "aiosmtpd", frozenset(("8BITMIME", "STARTTLS", "HELP")))


@pytest.fixture(scope="session", params=["postfix", "exim", "opensmtpd", "aiosmtpd"])
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each of the four, one after the other."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Peer)
    return found
