"""What a conversation may have shown, put together by Hypothesis around any text of a stranger's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls

if TYPE_CHECKING:
    from imcprobe.model import Observation

_flags = st.sampled_from([None, False, True])
_moments = st.sampled_from([None, "0001-01-01T00:00:00Z", "2026-11-25T18:00:00Z", "9999-12-31T23:59:59Z"])
_windows = st.one_of(st.none(), st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 65_535)))


def tls(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Tls]:
    """TLS of every kind, also of kinds that no server can show."""
    text, lines = st.one_of(st.none(), texts), st.lists(texts, max_size=3).map(tuple)
    certificate = st.builds(
        Certificate,
        st.binary(max_size=8),
        subject=text,
        issuer=text,
        names=lines,
        not_before=_moments,
        not_after=_moments,
        self_signed=_flags,
        key=text,
        signature=text,
        error=text,
    )
    return st.builds(
        Tls,
        implicit=st.booleans(),
        offered=_flags,
        negotiated=st.booleans(),
        verified=_flags,
        distrust=text,
        version=text,
        cipher=text,
        certificate=st.one_of(st.none(), certificate),
        ehlo=st.one_of(st.none(), lines),
        error=text,
    )


def ntlm(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Ntlm]:
    names = [st.one_of(st.none(), texts)] * 6
    return st.builds(Ntlm, st.binary(max_size=8), *names, windows=_windows)


def replies(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Replies]:
    lines = st.lists(texts, min_size=1, max_size=3).map(tuple)
    reply = st.one_of(st.none(), st.builds(Reply, st.integers(200, 599), lines))
    return st.builds(Replies, reply, reply, reply, reply, reply)


def with_conversation(
    seen: st.SearchStrategy[Observation], texts: st.SearchStrategy[str]
) -> st.SearchStrategy[Observation]:
    """Observations, some of them with all that further questions bring."""

    def added(one: Observation, more: dict[str, Any]) -> Observation:
        return one._replace(**more)

    lines = st.lists(texts, min_size=1, max_size=3).map(tuple)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "ehlo": lines,
        "tls": tls(texts),
        "ntlm": ntlm(texts),
        "replies": replies(texts),
        "ptr": st.lists(texts, max_size=3).map(tuple),
    }
    some = st.fixed_dictionaries({name: st.one_of(st.none(), kind) for name, kind in kinds.items()})
    return st.one_of(seen, st.builds(added, seen, some))
