"""What `imcprobe builds BUILD` says of a build, as a screen and as data."""

from __future__ import annotations

import json

import pytest

from imcprobe.fingerprint.answer import of_build
from imcprobe.fingerprint.builds import BUILDS, find
from imcprobe.fingerprint.identify import identify
from imcprobe.knowledge.components import COMPONENTS
from imcprobe.model import Build, Release
from imcprobe.outputs.explain import explanation, explanation_line, explanation_record
from imcprobe.outputs.records import identification_record

SP3 = """\
Exchange Server 5.5 Service Pack 3
  Build       5.5.2650.21   exact, confidence high
  Row         5.5.2650.21   Exchange Server 5.5 Service Pack 3, release (Q257618)
  Below       5.5.2650.1   Exchange Server 5.5, after Service Pack 2, before Service Pack 3, hotfix (Q237927)
  Above       5.5.2651.58   Exchange Server 5.5, after Service Pack 3, before Service Pack 4, hotfix (Q246889)
  Support     ended (2006-01-10; 31 Dec 2005 in other sources); newer service pack: SP4
  Fixed       MS99-027, CVE-1999-0682: encapsulated addresses are relayed in spite of restrictions (fixed in 5.5.2650.1; Q237927, cvelistV5)
  Not fixed   Q264330: mail may be relayed in spite of restrictions (fixed in 5.5.2652.78; Q264330, Q246889)
  Not fixed   MS02-037, CVE-2002-0698: a client's long name in reverse DNS overruns the reply to EHLO (fixed in 5.5.2656.59; Q326322, cvelistV5)
  Not shown   Q169174, CVE-1999-0945: a long address or AUTH stops the service (Q169174, cvelistV5; ISS, 24 Jul 1998)
  Not shown   MS98-007, CVE-1999-1043: malformed SMTP or NNTP data stops a service (cvelistV5)
  Not shown   MS00-082, CVE-2000-1006: an empty charset in a MIME header stops the store, which SP4 renews (Q275714, cvelistV5)
  Not shown   MS02-011, CVE-2002-0054: AUTH with a null session lets mail be relayed (MS02-011, cvelistV5)
  Not shown   MS03-046, CVE-2003-0714: extended verbs exhaust memory; in Exchange 2000 XEXCH50 lets code run (cvelistV5)
  Not shown   MS06-003, CVE-2006-0002: a TNEF attachment lets code run (cvelistV5, NVD)
  CPE         cpe:2.3:a:microsoft:exchange_server:5.5:sp3:*:*:*:*:*:*
"""  # noqa: E501 - as it is shown
TWO_NAMES = """\
Exchange Server 4.0 Service Pack 2 | Exchange Server 4.0a
  Build       4.0.993.5   ambiguous, confidence high
  Row         4.0.993.5   Exchange Server 4.0 Service Pack 2, release (Q257618)
  Row         4.0.993.5   Exchange Server 4.0a, release (Q257618)
  Also        4.0.993.5   Exchange Server 4.0 Service Pack 2, component (Q158336): inproxy.dll
  Also        4.0.993.5   Exchange Server 4.0a, component (Q158336): inproxy.dll
  Below       4.0.838.14   Exchange Server 4.0 Service Pack 1, release (Q257618)
  Above       4.0.994.63   Exchange Server 4.0a Service Pack 3, release (Q257618)
  Support     ended (date not found); newer service pack: SP3
  Not shown   CVE-1999-0284: a long HELO stops the service (NVD)
  CPE         cpe:2.3:a:microsoft:exchange_server:4.0:*:*:*:*:*:*:*
"""
BEFORE_RELEASE = """\
Exchange Server 4.0, before release
  Build       4.0.500   older, confidence medium
  Caveat      the number has no revision that tells builds apart
  Above       4.0.837.3   Exchange Server 4.0, release (Q257618)
  Support     ended (date not found); newer service pack: SP1
  Not shown   CVE-1999-0284: a long HELO stops the service (NVD)
  CPE         cpe:2.3:a:microsoft:exchange_server:4.0:*:*:*:*:*:*:*
"""


def explained(text: str) -> str:
    found = of_build(Build.parse(text))
    return explanation(found, [row for row in find(text) if row not in found.releases])


@pytest.mark.parametrize(
    ("build", "told"), [("2650.21", SP3), ("993.5", TWO_NAMES), ("4.0.500", BEFORE_RELEASE)]
)
def test_a_build_is_explained_as_it_is_here(build: str, told: str) -> None:
    assert explained(build) == told


@pytest.mark.parametrize("row", [*BUILDS, *COMPONENTS], ids=lambda row: f"{row.kind}-{row.build}")
def test_every_row_explains_itself_with_its_source_and_note(row: Release) -> None:
    told = explained(str(row.build))
    assert row.source in told
    assert (row.note or "") in told
    assert all(line.isprintable() for line in told.splitlines())


@pytest.mark.parametrize("build", ["5.5.2650.21", "5.5.2655.21", "5.5.2650.24", "5.0.2653.13", "5.5.2650"])
def test_a_build_is_what_a_greeting_with_it_is_identified_as(build: str) -> None:
    greeting = f"220 mx ESMTP Server (Microsoft Exchange Internet Mail Service {build}) ready\r\n"
    said = identify(greeting)
    assert said is not None
    record = explanation_record(of_build(Build.parse(build)))
    assert {**record, "caveats": [], "confidence": ""} == {
        **identification_record(said),
        "advisories": record["advisories"],
        "advisories_not_shown": record["advisories_not_shown"],
        "fixed": record["fixed"],
        "others": [],
        "caveats": [],
        "confidence": "",
    }


def test_as_data_an_explanation_has_what_is_fixed_and_the_rows_of_others() -> None:
    found = of_build(Build.parse("993.5"))
    others = [row for row in find("993.5") if row not in found.releases]
    record = json.loads(json.dumps(explanation_record(found, others)))
    assert [row["note"] for row in record["others"]] == ["inproxy.dll", "inproxy.dll"]
    assert record["fixed"] == []
    (fixed,) = explanation_record(of_build(Build.parse("5.5.2650.21")))["fixed"]
    assert fixed == {
        "id": "MS99-027",
        "cve": "CVE-1999-0682",
        "title": "encapsulated addresses are relayed in spite of restrictions",
        "fixed_in": "5.5.2650.1",
        "source": "Q237927, cvelistV5",
    }


def test_as_data_an_explanation_tells_what_each_advisory_is_about() -> None:
    """Records of scans do not: they have the names alone."""
    found = of_build(Build.parse("5.5.2650.21"))
    told, named = explanation_record(found), identification_record(found)
    missing, unseen = "advisories", "advisories_not_shown"
    assert [{key: each[key] for key in named[missing][0]} for each in told[missing]] == named[missing] != []
    assert [each["id"] for each in told[unseen]] == named[unseen] != []
    assert all(each["title"] and each["source"] for each in [*told[missing], *told[unseen]])


def test_a_line_of_a_build_without_a_row_has_its_position() -> None:
    told = explanation_line(of_build(Build.parse("2655.21")))
    assert told == "5.5.2655.21\tExchange Server 5.5 Service Pack 4 with later fixes\tbetween\t\t\n"
