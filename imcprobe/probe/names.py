"""What DNS says: the hosts that take mail for a domain, and what reverse DNS calls an address.

The system's resolver is not asked for either; dnspython (extra `dns`) is, and loaded for nothing else. Who
answers is a stranger: names are bounded in number, and what is no host name is never connected to.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from imcprobe.addresses import host_name, read_ranges
from imcprobe.errors import ImcprobeError, TargetError
from imcprobe.probe.extras import require_extra
from imcprobe.safetext import clip, quoted, safe

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver
    from dns.name import Name

DNS_MODULE, DNS_EXTRA = "dns.asyncresolver", "dns"
# A domain with more than a few has made a mistake, or wants to make work.
MAX_MAIL_HOSTS = 64
MAX_REVERSE_NAMES = 16
# Seconds for all questions about one domain, and for the one about an address.
MX_TIMEOUT = 10.0
PTR_TIMEOUT = 3.0
# Of these IDNA 2003, which is what Python knows, and IDNA 2008 make different domains (UTS #46, deviations).
_DEVIATIONS = frozenset("\u00df\u1e9e\u03c2\u200c\u200d")
_ENDLESS = 3600.0
_LONGEST_NAME = 255
_LONGEST_REASON = 80


async def mail_hosts(
    domain: str, *, resolver: Resolver | None = None, limit: float = MX_TIMEOUT
) -> tuple[str, ...]:
    """Return the hosts that take mail for a domain, in its order of preference, MAX_MAIL_HOSTS at the most.

    Without MX records that is the domain itself, when it has an address (RFC 5321, 5.1). Hosts of one
    preference are sorted, so that the same answer gives the same list; what is no host name is passed over.
    `resolver` is a `dns.asyncresolver.Resolver`, by default dnspython's own for this machine.

    Raises UsageError without the extra `dns`, TargetError for text that is no domain, and ImcprobeError for
    a domain that takes no mail, has too many hosts or cannot be looked up in `limit` seconds.
    """
    require_extra("mail_hosts", DNS_MODULE, DNS_EXTRA)
    import dns.resolver
    from dns.exception import DNSException

    name = _domain(domain)
    shown = quoted(domain)
    try:
        async with asyncio.timeout(limit):
            return await _mail_hosts(name, shown, resolver or default_resolver())
    except TimeoutError as error:
        raise ImcprobeError(f"{shown}: no answer from the name servers in time. Try again.") from error
    except dns.resolver.NXDOMAIN as error:
        raise ImcprobeError(f"{shown} does not exist in DNS. Check its spelling.") from error
    except dns.resolver.NoNameservers as error:
        raise ImcprobeError(f"{shown}: no name server could answer ({_reason(error)}).") from error
    except (DNSException, OSError) as error:
        raise ImcprobeError(f"{shown} cannot be looked up: {_words(error)}.") from error


async def reverse_names(address: str, resolver: Resolver, *, limit: float = PTR_TIMEOUT) -> tuple[str, ...]:
    """Return what reverse DNS calls a literal address, sorted, MAX_REVERSE_NAMES at the most.

    Empty when it has no name, or none can be had in `limit` seconds. Bytes that are no UTF-8 are lone
    surrogates.
    """
    from dns.reversename import from_address

    try:
        question = from_address(address.partition("%")[0])
        async with asyncio.timeout(limit):
            found = await _asked(resolver, question, "PTR")
        names = {_text(record.target) for record in found}
    except Exception:  # noqa: BLE001 - a scan is not to end by what a stranger makes dnspython raise
        return ()
    return tuple(sorted(names - {""}))[:MAX_REVERSE_NAMES]


def default_resolver() -> Resolver:
    """The resolver of this machine, as dnspython has it. Raises ImcprobeError where it knows no server."""
    import dns.asyncresolver
    from dns.resolver import NoResolverConfiguration

    try:
        return dns.asyncresolver.get_default_resolver()
    except (NoResolverConfiguration, ValueError) as error:
        raise ImcprobeError("this machine knows no name server. Name one in /etc/resolv.conf.") from error


async def _mail_hosts(name: str, shown: str, resolver: Resolver) -> tuple[str, ...]:
    mail = await _asked(resolver, f"{name}.", "MX")
    found = sorted((record.preference, _text(record.exchange).lower()) for record in mail)
    if not found:
        if await _has_address(name, resolver):
            return (name,)
        raise ImcprobeError(f"{shown} has no mail hosts and no address. Nothing takes its mail.")
    given = dict.fromkeys(host for _, host in found)
    if list(given) == [""]:
        raise ImcprobeError(f"{shown} says that it takes no mail (null MX, RFC 7505).")
    hosts = tuple(filter(_is_host, given))
    if not hosts:
        raise ImcprobeError(f"{shown}: what its MX records name are no host names.")
    if len(hosts) > MAX_MAIL_HOSTS:
        raise ImcprobeError(
            f"{shown} has {len(hosts):,} mail hosts, more than {MAX_MAIL_HOSTS}. Name those that you mean."
        )
    return hosts


async def _has_address(name: str, resolver: Resolver) -> bool:
    return bool(await _asked(resolver, f"{name}.", "A") or await _asked(resolver, f"{name}.", "AAAA"))


async def _asked(resolver: Resolver, question: Name | str, kind: str) -> list[Any]:
    """Return the records of a kind, none when there are none. Raises what dnspython does."""
    # Whoever asks has a limit of time; dnspython's own must not come first.
    answer = await resolver.resolve(question, kind, lifetime=_ENDLESS, search=False, raise_on_no_answer=False)
    return list(answer)


def _domain(text: str) -> str:
    """A domain as DNS has it, without a dot at the end. Raises TargetError."""
    name = text.strip()
    if len(name) > _LONGEST_NAME:
        raise TargetError(f"{quoted(text)} is too long for a domain.")
    if not name.isascii():
        if _DEVIATIONS.intersection(name):
            raise TargetError(f"{quoted(text)} may be two domains. Write the one you mean as xn--....")
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise TargetError(f"{quoted(text)} is no domain. Give one like example.com.") from error
    name = name.lower().removesuffix(".")
    if not _is_host(name):
        raise TargetError(f"{quoted(text)} is no domain. Give one like example.com.")
    return name


def _is_host(name: str) -> bool:
    """Whether it is a name, and nothing that targets are written as: an address, a network, a range."""
    try:
        return ":" not in name and read_ranges(name) is None and host_name(name, name) == name
    except TargetError:
        return False


def _text(name: Name) -> str:
    """A name from an answer without the dot at the end, byte for byte."""
    return b".".join(name.labels).decode("utf-8", "surrogateescape").removesuffix(".")


def _reason(error: Any) -> str:
    """Why name servers could not answer, by the last of them: SERVFAIL, or an error of the system's."""
    errors = error.kwargs.get("errors") or [(None, None, None, "none is left to ask", None)]
    reason = errors[-1][3]
    return _words(reason) if isinstance(reason, Exception) else safe(clip(str(reason), _LONGEST_REASON))


def _words(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return safe(clip(words.rstrip("."), _LONGEST_REASON))
