from __future__ import annotations

import json
import os
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from imcprobe.errors import InputError
from imcprobe.fingerprint.identify import conclude
from imcprobe.outputs.records import result_record
from imcprobe.outputs.schema import json_schema
from imcprobe.sources.detect import read_stored
from pieces import FLOODS, PIECES
from promises import PROMISES
from seeds import stored

SCHEMA = Draft202012Validator(json_schema())
HEAD, RESULT, _ = stored("jsonl", [b"220 x\r\n"]).splitlines(keepends=True)
# More for who looks for something: 10,000 take a quarter of an hour on a busy machine.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "80"))
LARGE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


@pytest.mark.parametrize("name", PROMISES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=LARGE)
@given(data=st.data())
def test_a_parser_keeps_its_promises_whatever_it_reads(name: str, data: st.DataObject) -> None:
    PROMISES[name](data.draw(PIECES[name]))


@pytest.mark.parametrize("name", PROMISES)
@settings(max_examples=max(4, EXAMPLES // 16), deadline=None, suppress_health_check=LARGE)
@given(data=st.data())
def test_a_flood_of_anything_costs_no_more_than_its_length(name: str, data: st.DataObject) -> None:
    PROMISES[name](data.draw(FLOODS[name]))


@settings(max_examples=max(20, EXAMPLES // 4), deadline=None, suppress_health_check=LARGE)
@given(PIECES["records"])
def test_whatever_was_stored_is_written_as_the_schema_says(data: bytes) -> None:
    with suppress(InputError):
        for seen in read_stored(data, "f")[1]:
            SCHEMA.validate(json.loads(json.dumps(result_record(conclude(seen)))))


@pytest.mark.parametrize("name", ["targets", "records", "unfinished"])
@pytest.mark.parametrize(
    "line",
    [b"a" * 1_000_000, b"\xff" * 200_000, b"1." * 500_000, b"::" * 500_000, b"1.1.1.1/" + b"1" * 1_000_000],
    ids=["letters", "no UTF-8", "octets", "groups", "prefix"],
)
def test_a_line_of_a_megabyte_never_comes_back_in_a_message(name: str, line: bytes) -> None:
    for data in (line, HEAD + line, HEAD + line + b"\n" + RESULT, b"10.0.0.1!!" + line):
        PROMISES[name](data)


@pytest.mark.parametrize("name", ["records", "unfinished"])
@pytest.mark.parametrize("depth", [256, 900, 970, 980, 985, 990, 995, 1_000, 100_000])
@pytest.mark.parametrize("key", [b"target", b"status", b"times", b"ehlo", b"tls", b"replies"])
def test_json_of_any_depth_is_read_or_refused(name: str, depth: int, key: bytes) -> None:
    record = RESULT.replace(b'"' + key + b'":', b'"' + key + b'":' + b"[" * depth + b"]" * depth + b',"x":')
    PROMISES[name](HEAD + record + RESULT)


@pytest.mark.parametrize("name", ["records", "unfinished"])
@pytest.mark.parametrize("number", [b"9" * 5_000, b"9" * 1_000_000 + b".5", b"1e" + b"9" * 5_000, b"-0.0"])
def test_a_number_of_any_length_is_read_or_refused(name: str, number: bytes) -> None:
    for key in (b'"port":', b'"connect_ms":', b'"attempts":', b'"x":'):
        PROMISES[name](HEAD + RESULT.replace(key, key + number + b',"x":') + RESULT)


@pytest.mark.parametrize(
    "number", [b"9" * 5_000, b"5.5." + b"9" * 5_000, b"5.5.2650." + b"0" * 5_000 + b"21"]
)
def test_a_build_of_five_thousand_digits_is_no_build(number: bytes) -> None:
    for name in ("greeting", "records"):
        PROMISES[name](
            b"220 x ESMTP Server (Microsoft Exchange Internet Mail Service " + number + b") ready\r\n"
        )
