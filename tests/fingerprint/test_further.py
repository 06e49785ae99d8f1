"""What else a server said, and what it adds to its greeting: one table, one promise each."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcprobe.evidence import Certificate, Ntlm, Replies, Reply, Tls
from imcprobe.fingerprint.ehlo import MAX_KEYWORDS, MAX_PARAMETERS, keywords, row_for, telling, with_keywords
from imcprobe.fingerprint.identify import conclude, identify
from imcprobe.knowledge.keywords import GENERATIONS, NOTHING_TOLD, KeywordRow, Transcript
from imcprobe.knowledge.replies import REPLIES, ReplyRow
from imcprobe.meaning import DENIAL, Channel
from imcprobe.model import Confidence, Family, Identification, Match, Observation, Status, Target
from imcprobe.outputs.wording import headline

IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2448.0) ready\r\n"
MASKED = "220 ****2**0*2*\r\n"
OWN = "220 ESMTP Ready\r\n"
WINDOWS = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.3959 ready at x\r\n"
WINDOWS_2000 = WINDOWS.replace("6.0.3790.3959", "5.0.2195.6713")
LATER = "220 mx.example.com Microsoft ESMTP MAIL Service ready at x\r\n"
CALLED = "220 x ESMTP MS Exchange\r\n"
POSTFIX = "220 mx.example.com ESMTP Postfix\r\n"
READY = "Microsoft ESMTP MAIL Service ready at y"
HELLO = "mx.example.com Hello [192.0.2.1]"
LIST_2013 = ("mx.example.com", "ENHANCEDSTATUSCODES", "XEXCH50", "XRDST", "XSHADOWREQUEST")
# Of each family a greeting, for rows that are for it.
SAID = {
    Family.EXCHANGE_IMS: IMS,
    Family.MASKED: MASKED,
    Family.SMTP: OWN,
    Family.WINDOWS_SMTP: WINDOWS,
    Family.EXCHANGE_2007: LATER,
}
BYE = (221, ("2.0.0 Service closing transmission channel",))


def seen(
    greeting: str,
    ehlo: tuple[str, ...] | None = None,
    tls: Tls | None = None,
    ntlm: Ntlm | None = None,
    status: Status = Status.SUCCESS,
    **replies: tuple[int, tuple[str, ...]],
) -> Observation:
    said = Replies(**{name: Reply(*reply) for name, reply in replies.items()}) if replies else None
    data = greeting.encode("utf-8", "surrogateescape")
    return Observation(Target("h"), "192.0.2.1", status, data, ehlo, tls, ntlm, replies=said)


def judged(greeting: str, ehlo: tuple[str, ...] | None = None, **further: object) -> Identification:
    found = conclude(seen(greeting, ehlo, **further)).identification  # type: ignore[arg-type]  # seen's own
    assert found is not None
    return found


def readings(found: Identification) -> list[str]:
    return [hint.reading for hint in found.hints]


# Keywords as data


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ((), {}),
        (("XEXCH50",), {}),
        (("mx", "SIZE 0", "HELP"), {"SIZE": ("0",), "HELP": ()}),
        (("mx", "8bitmime"), {"8BITMIME": ()}),
        (("mx", "AUTH GSSAPI NTLM LOGIN", "AUTH=LOGIN"), {"AUTH": ("GSSAPI", "NTLM", "LOGIN")}),
        (("mx", "AUTH=LOGIN PLAIN", "AUTH NTLM"), {"AUTH": ("LOGIN", "PLAIN", "NTLM")}),
        (("mx", "X-EXPS GSSAPI", "X-EXPS=LOGIN"), {"X-EXPS": ("GSSAPI", "LOGIN")}),
        (("mx", "size 1", "SIZE 2", "Size 1"), {"SIZE": ("1", "2")}),
        (("mx", "LIMITS MAILMAX=1000 RCPTMAX=9"), {"LIMITS": ("MAILMAX=1000", "RCPTMAX=9")}),
        (("mx", "", " X", "=", "=LOGIN"), {}),
        (("mx", "AUTH="), {"AUTH": ("",)}),
        (("mx", "X \x1b[2J \udcff"), {"X": ("\x1b[2J", "\udcff")}),
    ],
)
def test_the_lines_of_a_reply_to_ehlo_are_read_as_data(
    lines: tuple[str, ...], found: dict[str, tuple[str, ...]]
) -> None:
    assert keywords(lines) == found
    assert list(keywords(lines)) == list(found)


def test_a_flood_of_keywords_and_parameters_is_cut() -> None:
    flood = ["mx", *(f"X{number} {' '.join(map(str, range(200)))}" for number in range(4000)), "X0 last"]
    found = keywords(flood)
    assert list(found) == [f"X{number}" for number in range(MAX_KEYWORDS)]
    assert {len(parameters) for parameters in found.values()} == {MAX_PARAMETERS}


# Keywords as evidence


@pytest.mark.parametrize(
    ("row", "example"),
    [(row, example) for row in GENERATIONS for example in row.examples],
    ids=lambda value: value.reading if isinstance(value, KeywordRow) else value.source,
)
def test_each_transcript_is_told_by_its_own_row_and_no_other(row: KeywordRow, example: Transcript) -> None:
    found = identify(example.greeting)
    assert found is not None
    assert row_for(found, telling(example.lines)) is row
    told = judged(example.greeting, example.lines)
    (hint,) = told.hints
    assert (hint.channel, hint.reading, hint.source) == (Channel.EHLO, row.reading, row.source)
    assert set(hint.evidence.split(", ")) <= row.present | row.any_of
    same = ("family", "build", "match", "releases", "below", "above", "caveats", "host", "cpe")
    assert [getattr(told, name) for name in same] == [getattr(found, name) for name in same]
    if row.generation is None:
        denied = row.reading.startswith(DENIAL)
        assert told.product == found.product
        assert told.confidence is (Confidence.LOW if denied else found.confidence)
    else:
        assert told.exchange
        hidden = found.family in (Family.MASKED, Family.SMTP)
        assert told.confidence is (Confidence.LOW if hidden else Confidence.MEDIUM)


@pytest.mark.parametrize("said", NOTHING_TOLD, ids=lambda said: said.source)
def test_a_transcript_that_says_nothing_new_adds_nothing(said: Transcript) -> None:
    assert judged(said.greeting, said.lines) is judged(said.greeting)


def test_every_row_has_a_transcript_a_source_and_something_to_look_for() -> None:
    for row in GENERATIONS:
        assert row.examples
        assert row.source
        assert row.present | row.any_of
        assert not (row.present | row.any_of) & row.absent
        assert bool(row.windows) <= (row.families == {Family.WINDOWS_SMTP})


@pytest.mark.parametrize(
    ("row", "keyword"),
    [
        (row, keyword)
        for row in GENERATIONS
        if Family.MASKED in row.families
        for keyword in sorted(row.absent)
    ],
    ids=lambda value: value if isinstance(value, str) else value.generation,
)
def test_a_keyword_that_must_be_absent_rules_out_a_row_for_hidden_greetings(
    row: KeywordRow, keyword: str
) -> None:
    found = judged(MASKED)
    assert row_for(found, row.present) is row
    assert row_for(found, row.present | {keyword}) is not row


@pytest.mark.parametrize(
    ("greeting", "ehlo", "product", "confidence", "generation"),
    [
        (MASKED, LIST_2013, "Exchange, consistent with 2013", Confidence.LOW, "2013"),
        (OWN, ("mx", "XEXCH50", "AUTH=LOGIN"), "Exchange, consistent with 5.5", Confidence.LOW, "5.5"),
        (CALLED, LIST_2013, "Exchange Server, consistent with 2013", Confidence.LOW, "2013"),
        (WINDOWS, ("mx", "XEXCH50"), "Exchange 2000 or 2003", Confidence.MEDIUM, "2003"),
        (WINDOWS_2000, ("mx", "XEXCH50"), "Exchange 2000 or 2003", Confidence.MEDIUM, "2000 or 2003"),
        (
            LATER,
            ("mx", "XRDST"),
            "Exchange 2007 or later, consistent with 2016",
            Confidence.MEDIUM,
            "2016, or with 2013 or 2019 in other settings",
        ),
    ],
)
def test_keywords_of_exchange_alone_give_an_open_greeting_a_product_and_say_why(
    greeting: str, ehlo: tuple[str, ...], product: str, confidence: Confidence, generation: str
) -> None:
    found = judged(greeting, ehlo)
    assert (found.product, found.confidence) == (product, confidence)
    assert readings(found) == [f"consistent with Exchange {generation}"]
    assert found.exchange
    assert (found.releases, found.match, found.cpe) == ((), Match.NONE, ())


def test_a_masked_server_that_shows_one_disputed_keyword_gets_a_hint_and_no_product() -> None:
    found = judged(MASKED, ("mx", "XEXCH50"))
    assert (found.product, found.exchange, found.confidence) == (None, False, Confidence.HIGH)
    assert len(found.hints) == 1


def test_what_is_offered_within_tls_counts_as_what_is_offered_before_it() -> None:
    inside = Tls(offered=True, negotiated=True, ehlo=LIST_2013)
    assert judged(MASKED, ("mx", "STARTTLS"), tls=inside) == judged(MASKED, LIST_2013)
    assert judged(MASKED, None, tls=Tls(implicit=True, ehlo=LIST_2013)) == judged(MASKED, LIST_2013)
    assert judged(MASKED, None, tls=Tls(error="x")) is judged(MASKED)


# Texts as evidence


@pytest.mark.parametrize(
    ("row", "family", "lines"),
    [(row, family, lines) for row in REPLIES for family in sorted(row.families) for lines in row.examples],
    ids=lambda value: value.name if isinstance(value, ReplyRow) else None,
)
def test_each_text_is_told_by_its_row_and_gives_no_product(
    row: ReplyRow, family: Family, lines: tuple[str, ...]
) -> None:
    plain = judged(SAID[family])
    if row.hint.channel is Channel.EHLO:
        found = judged(SAID[family], lines)
    else:
        found = judged(SAID[family], None, **{str(row.hint.channel): (row.code, lines)})
    assert found.hints == (row.hint,)
    denied = row.hint.reading.startswith(DENIAL)
    assert (found.product, found.exchange) == (plain.product, plain.exchange)
    assert found.confidence is (Confidence.LOW if denied else plain.confidence)


def test_the_rows_of_texts_are_in_the_order_of_their_channels() -> None:
    channels = [list(Channel).index(row.hint.channel) for row in REPLIES]
    assert channels == sorted(channels)
    assert len({row.name for row in REPLIES}) == len(REPLIES)


@pytest.mark.parametrize(
    "text",
    [
        "mx.example.com closing connection",
        "2.0.0 Bye",
        "2.0.0 mx.example.com closing connection",
        "Bye",
        "Closing connection",
        "closing connection ",
        "closing connection\ngoodbye",
        "mx.example.com Service closing transmission channel",
        "Service closing transmission channel",
        "2.0.0 Service closing transmission channel.",
        "2.0.0 mx example Service closing transmission channel",
        f"2.0.0 {'x' * 256} Service closing transmission channel",
        "2.0.0 closing connection x - gsmtp",
    ],
)
def test_the_goodbyes_of_other_servers_are_no_evidence(text: str) -> None:
    assert judged(MASKED, quit=(221, tuple(text.split("\n")))) is judged(MASKED)


@pytest.mark.parametrize(
    "said",
    [
        {"ehlo": ("mx.example.com Hello localhost [127.0.0.1], pleased to meet you",)},
        {"ehlo": ("mx.example.com Hello [127.0.0.1] [127.0.0.1]",)},
        {"ehlo": ("mx.example.com Hello localhost [127.0.0.1]",)},
        {"ehlo": ("mx.example.com",)},
        {"ehlo": ("Hello [127.0.0.1]",)},
        {"starttls": (220, ("2.0.0 Ready to start TLS",))},
        {"starttls": (454, ("2.0.0 SMTP server ready",))},
        {"help": (214, ("This server supports the following commands:", "HELO EHLO QUIT"))},
        {"help": (214, ("This server supports the following commands",))},
        {"help": (500, ("This server supports the following commands:",))},
        {"quit": (250, BYE[1])},
        {"helo": (250, BYE[1])},
    ],
)
def test_words_that_are_nearly_those_of_a_row_are_no_evidence(said: dict[str, object]) -> None:
    assert judged(MASKED, **said) is judged(MASKED)  # type: ignore[arg-type]  # of replies, by name


def test_hints_come_in_the_order_of_their_channels() -> None:
    commands = "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT"
    listed = ("This server supports the following commands:", commands)
    found = judged(
        MASKED, (HELLO,), starttls=(220, ("2.0.0 SMTP server ready",)), quit=BYE, help=(214, listed)
    )
    channels = [Channel.EHLO, Channel.HELP, Channel.QUIT, Channel.STARTTLS]
    assert [hint.channel for hint in found.hints] == channels


def test_the_words_of_ehlo_say_nothing_new_behind_its_keywords() -> None:
    assert len(judged(MASKED, (HELLO, *LIST_2013[1:])).hints) == 1


def test_a_certificate_of_later_servers_says_nothing_of_an_internet_mail_service() -> None:
    """It came before there was such a default, so that its certificate is somebody's own."""
    default = Certificate(
        b"x",
        subject="CN=mx",
        issuer="CN=mx",
        names=("mx", "mx.example.com"),
        self_signed=True,
    )
    shown = Tls(offered=True, negotiated=True, certificate=default)
    assert [hint.channel for hint in judged(LATER, tls=shown).hints] == [Channel.CERTIFICATE]
    assert judged(IMS, tls=shown).hints == ()


@pytest.mark.parametrize(
    "replies",
    [{"quit": (221, ("closing connection",))}, {"quit": (221, ("",))}, {"starttls": (220, ("ready",))}],
)
def test_an_internet_mail_service_gains_nothing_from_what_one_says(
    replies: dict[str, tuple[int, tuple[str, ...]]],
) -> None:
    own = (HELLO, "XEXCH50", "HELP", "ETRN", "DSN", "SIZE 0", "AUTH LOGIN", "AUTH=LOGIN")
    assert judged(IMS, own, **replies) is judged(IMS)


def test_another_server_behind_the_words_of_an_internet_mail_service_is_a_hint_beside_the_answer() -> None:
    found = judged(IMS, ("mx.example.com", "PIPELINING", "CHUNKING"), quit=(221, ("2.0.0 Bye",)))
    assert [reading.partition(",")[0] for reading in readings(found)] == [
        "not consistent with an Internet Mail Service"
    ] * 2
    assert [hint.evidence for hint in found.hints] == ["CHUNKING", "221 with an enhanced status code"]
    plain = judged(IMS)
    assert (found.product, found.releases) == (plain.product, plain.releases)
    assert (plain.confidence, found.confidence) == (Confidence.HIGH, Confidence.LOW)


@pytest.mark.parametrize(
    "ehlo", [LIST_2013, ("mx", "XEXCH50", "XSHADOW"), ("mx", "X-LINK2STATE", "SMTPUTF8")]
)
def test_a_greeting_of_windows_is_not_raised_by_a_list_that_only_later_servers_have(
    ehlo: tuple[str, ...],
) -> None:
    found = judged(WINDOWS, ehlo)
    assert (found.product, found.exchange) == ("Windows SMTP service", False)


@pytest.mark.parametrize("greeting", [IMS, POSTFIX, "554 no\r\n"])
def test_a_windows_is_no_news_behind_a_greeting_that_names_its_server(greeting: str) -> None:
    """Nor is a letter that is none in a keyword."""
    ntlm = Ntlm(b"x", windows=(10, 0, 17763))
    assert judged(greeting, ntlm=ntlm).hints == ()
    assert [hint.channel for hint in judged(LATER, ntlm=ntlm).hints] == [Channel.NTLM]
    assert judged(MASKED, ("mx", "x\u017fhadow")).hints == ()


@pytest.mark.parametrize(
    "greeting", [POSTFIX, "220 mx.protection.outlook.com ESMTP Postfix\r\n", "554 no\r\n"]
)
def test_a_greeting_that_names_another_server_or_refuses_gains_nothing(greeting: str) -> None:
    assert judged(greeting, (HELLO, *LIST_2013), quit=BYE) is judged(greeting)


# Exchange Online


@pytest.mark.parametrize(
    ("greeting", "family"),
    [
        (f"220 x.mail.protection.outlook.com {READY} [08DD]\r\n", Family.EXCHANGE_ONLINE),
        (f"220 X.OUTLOOK.OFFICE365.COM {READY}\r\n", Family.EXCHANGE_ONLINE),
        ("220 x.protection.outlook.com ESMTP Postfix\r\n", Family.OTHER_SMTP),
        ("220 x.outlook.office365.com ESMTP Postfix\r\n", Family.OTHER_SMTP),
        (f"220 x.protection.outlook.com.example.com {READY}\r\n", Family.EXCHANGE_2007),
        ("220 protection.outlook.com ESMTP\r\n", Family.SMTP),
    ],
)
def test_exchange_online_is_told_by_its_host_and_its_words_together(greeting: str, family: Family) -> None:
    found = judged(greeting)
    assert found.family is family
    online = family is Family.EXCHANGE_ONLINE
    assert (found.product == "Exchange Online") == online
    if online:
        assert judged(greeting, (HELLO, "SMTPUTF8", "XRDST", "XEXCH50"), quit=BYE) is found


# Put together


def test_nothing_is_added_where_the_greeting_is_no_whole_one_or_no_smtp() -> None:
    cut = conclude(seen("220 ESMTP Ready\r\n", LIST_2013, status=Status.IO_TIMEOUT)).identification
    assert cut is not None
    assert cut.hints == ()
    assert conclude(seen("220 (vsFTPd 3.0.3)\r\n", LIST_2013, quit=BYE)).identification is None


def test_the_same_evidence_behind_the_same_greeting_is_the_same_identification() -> None:
    one = judged(OWN, (HELLO, *LIST_2013[1:], "SIZE 1"), quit=BYE)
    other = judged(OWN, ("a.example.net Hello [192.0.2.9]", "SIZE 2", *LIST_2013[1:]), quit=BYE)
    assert one is other


def test_with_nothing_that_tells_the_identification_is_the_greetings_own() -> None:
    assert judged(OWN, ntlm=Ntlm(b""), tls=Tls(), helo=(250, ("mx",))) is judged(OWN)
    found = judged(LATER)
    assert with_keywords(found, telling(["mx", "PIPELINING"])) is found


_words = st.sampled_from(
    sorted(chain.from_iterable(row.present | row.absent | row.any_of for row in GENERATIONS))
)
_line = st.one_of(_words, st.text(max_size=30), st.builds("{} {}".format, _words, st.text(max_size=9)))
_lines = st.one_of(
    st.lists(_line, max_size=12).map(tuple),
    st.sampled_from([lines for row in REPLIES for lines in row.examples]),
)
_reply = st.none() | st.builds(Reply, st.sampled_from([214, 220, 221, 250, 500]), _lines)
_greeting = st.sampled_from([*SAID.values(), POSTFIX, "554 no\r\n"]) | st.text(max_size=40).map(
    "220 {}\r\n".format
)


@settings(max_examples=150, deadline=None)
@given(
    _greeting,
    st.none() | _lines,
    st.none() | st.builds(Tls, ehlo=st.none() | _lines),
    st.none() | st.builds(Replies, _reply, _reply, _reply, _reply),
    st.sampled_from(Status),
)
def test_whatever_was_said_a_conclusion_is_drawn_and_hints_are_few_and_ours(
    greeting: str,
    ehlo: tuple[str, ...] | None,
    tls: Tls | None,
    replies: Replies | None,
    status: Status,
) -> None:
    data = greeting.encode("utf-8", "surrogatepass")
    plain = conclude(Observation(Target("h"), None, status, data)).identification
    told = conclude(Observation(Target("h"), None, status, data, ehlo, tls, replies=replies))
    found = told.identification
    assert headline(told).isprintable()
    keywords(ehlo or ())
    assert (found is None) == (plain is None)
    if found is None or plain is None:
        return
    channels = [hint.channel for hint in found.hints]
    assert channels == sorted(set(channels), key=list(Channel).index)
    for hint in found.hints:
        assert re.fullmatch(r"(?:not )?consistent with .{1,150}", hint.reading)
        assert hint.evidence.isprintable()
        assert len(hint.evidence) <= 150
        assert hint.source
    for name in ("family", "build", "match", "releases", "below", "above", "caveats", "host", "cpe"):
        assert getattr(found, name) == getattr(plain, name)


# In one line


SERVICE = "Windows SMTP service 6.0.3790.3959 (Windows Server 2003 SP2)"
POSSIBLE = f"{SERVICE}; Exchange 2000 or 2003 possible."
FILTERED = "consistent with no Exchange, or with one whose keywords are filtered or missing"
SAYS_2013 = "its replies are consistent with Exchange 2013"
SAYS_2007 = "its replies are consistent with Exchange 2007 or later, or Exchange Online"
MAKE = "SMTP server of unknown make"
CALLS = "Calls itself Exchange Server: words that a person chose"


@pytest.mark.parametrize(
    ("observation", "told"),
    [
        (seen(WINDOWS, ("mx", "XEXCH50")), f"Exchange 2000 or 2003, consistent with 2003: {SERVICE}"),
        (
            seen(WINDOWS_2000, ("mx", "XEXCH50")),
            "Exchange 2000 or 2003: Windows SMTP service 5.0.2195.6713 (Windows 2000 SP4)",
        ),
        (seen(WINDOWS, tls=Tls(implicit=True, ehlo=("mx", "TURN"))), POSSIBLE),
        (seen(WINDOWS, tls=Tls(implicit=True)), f"{POSSIBLE} --ehlo tells."),
        (seen(WINDOWS, ("mx", "OK")), f"{SERVICE}; {FILTERED}"),
        (
            seen(LATER, LIST_2013),
            "Exchange 2007 or later, consistent with 2013: the greeting carries no build",
        ),
        (seen(MASKED, LIST_2013), f"Greeting masked by a firewall; {SAYS_2013}"),
        (seen(MASKED, quit=BYE), f"Greeting masked by a firewall; {SAYS_2007}"),
        (seen(OWN, LIST_2013), f"{MAKE}; {SAYS_2013}"),
        (seen(OWN, quit=BYE), f"{MAKE}; {SAYS_2007}"),
        (seen(CALLED, LIST_2013), f"{CALLS}; {SAYS_2013}"),
        (seen(CALLED, quit=BYE), f"{CALLS}; {SAYS_2007}"),
        (seen(IMS, LIST_2013), "Exchange Server 5.5 Service Pack 2"),
    ],
)
def test_what_else_was_said_is_in_the_answer(observation: Observation, told: str) -> None:
    assert headline(conclude(observation)) == told
