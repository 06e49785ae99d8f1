"""Counting: results that are alike are judged once, and only those."""

from __future__ import annotations

from imcprobe.fingerprint.identify import conclude
from imcprobe.model import Observation, Result, Status, Target
from imcprobe.outputs.tally import Tally, alike


def result(status: Status, greeting: bytes = b"", host: str = "192.0.2.1") -> Result:
    return conclude(Observation(Target(host), host, status, greeting))


def test_alike_are_those_of_one_status_and_one_identification() -> None:
    refused, timeout = result(Status.CONNECTION_REFUSED), result(Status.CONNECTION_TIMEOUT)
    postfix = b"220 mx.example.com ESMTP Postfix\r\n"
    half = result(Status.IO_TIMEOUT, b"22")
    results = [
        refused,
        timeout,
        result(Status.CONNECTION_REFUSED, host="192.0.2.2"),
        result(Status.SUCCESS, postfix),
        result(Status.IO_TIMEOUT),
        half,
        result(Status.SUCCESS, postfix, host="192.0.2.3"),
    ]
    assert [count for _, count in alike(results)] == [2, 1, 2, 1, 1]
    together, apart = Tally(), Tally()
    for each, count in alike(results):
        together.add(each, count)
    for each in results:
        apart.add(each)
    assert (together.by_status, together.by_bucket) == (apart.by_status, apart.by_bucket)
    assert together.answered == apart.answered == 3
