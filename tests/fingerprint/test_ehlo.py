from __future__ import annotations

import pytest

from imcprobe.fingerprint.ehlo import telling, with_keywords
from imcprobe.fingerprint.identify import conclude, identify
from imcprobe.model import Confidence, Observation, Status, Target

WINDOWS = "220 mx.example.com Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at now\r\n"
LATER = "220 mx.example.com Microsoft ESMTP MAIL Service ready at now\r\n"
IMS = "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2448.0) ready\r\n"
POSTFIX = "220 mx.example.com ESMTP Postfix\r\n"


@pytest.mark.parametrize(
    ("greeting", "keywords", "product"),
    [
        (WINDOWS, ["TURN", "X-LINK2STATE", "XEXCH50", "OK"], "Exchange 2000 or 2003"),
        (WINDOWS, ["x-link2state"], "Exchange 2000 or 2003"),
        (WINDOWS, ["TURN", "SIZE 2097152", "OK"], "Windows SMTP service"),
        (WINDOWS.replace("6.0.3790.4675", "10.0.17763.1"), ["XEXCH50"], "Windows SMTP service"),
        (LATER, ["XEXCH50", "XRDST", "XSHADOWREQUEST"], "Exchange 2007 or later, consistent with 2013"),
        (LATER, ["XEXCH50", "XRDST", "XSHADOW"], "Exchange 2007 or later, consistent with 2010"),
        (LATER, ["XEXCH50"], "Exchange 2007 or later, consistent with 2007, 2010 or 2013"),
        (LATER, ["SMTPUTF8", "XRDST"], "Exchange 2007 or later, consistent with 2019 or later"),
        (LATER, ["XRDST"], "Exchange 2007 or later, consistent with 2016"),
        (LATER, ["PIPELINING"], "Exchange 2007 or later"),
        (IMS, ["XEXCH50", "HELP"], "Exchange Server 5.5"),
        (POSTFIX, ["XEXCH50"], "Postfix"),
    ],
)
def test_keywords_narrow_what_a_greeting_leaves_open(
    greeting: str, keywords: list[str], product: str
) -> None:
    found = identify(greeting)
    assert found is not None
    narrowed = with_keywords(found, telling(["mx.example.com Hello", *keywords]))
    assert narrowed.product == product
    assert (narrowed.build, narrowed.releases, narrowed.host) == (found.build, found.releases, found.host)


def test_the_greeting_of_the_reply_is_no_keyword() -> None:
    found = identify(WINDOWS)
    assert found is not None
    assert with_keywords(found, telling(["XEXCH50"])) == found


def test_an_observation_with_an_ehlo_reply_is_concluded_with_it() -> None:
    seen = Observation(
        Target("192.0.2.1"), "192.0.2.1", Status.SUCCESS, WINDOWS.encode(), ehlo=("h", "X-LINK2STATE")
    )
    answer = conclude(seen).identification
    assert answer is not None
    assert (answer.product, answer.exchange, answer.confidence) == (
        "Exchange 2000 or 2003",
        True,
        Confidence.MEDIUM,
    )
