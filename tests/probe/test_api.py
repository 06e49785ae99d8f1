"""The library: `imcprobe.check`, `imcprobe.scan`, `imcprobe.identify`, `imcprobe.BUILDS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import imcprobe

if TYPE_CHECKING:
    from imcprobe.testing.factories import FleetFactory, ServerFactory


async def test_check_gives_the_result_of_one_host(imc_server: ServerFactory) -> None:
    result = await imcprobe.check(imc_server().address)
    assert result.identification is not None
    assert result.identification.releases[0].name == "Exchange Server 5.5 Service Pack 3"


async def test_check_takes_a_port_and_options(imc_server: ServerFactory) -> None:
    server = imc_server()
    result = await imcprobe.check("127.0.0.1", server.port, options=imcprobe.ProbeOptions(ehlo=True))
    assert result.observation.ehlo


async def test_check_is_for_one_host() -> None:
    with pytest.raises(imcprobe.UsageError, match=r"^10\.0\.0\.0/24 is 256 hosts: scan"):
        await imcprobe.check("\u202810.0.0.0/24\x85\n")
    with pytest.raises(imcprobe.TargetError):
        await imcprobe.check("10.0.0.300")


async def test_scan_gives_a_result_for_each_target(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(["5.5.2650.21", "5.0.1460.8", "refused", "postfix"])
    found = {}
    spec = f"{fleet[0].host}-{fleet[3].host}"
    async for result in imcprobe.scan([spec], exclude=[fleet[3].host], ports=[fleet[0].port]):
        found[result.observation.target.host] = result.identification
    assert len(found) == 3
    assert found[fleet[2].host] is None


async def test_scan_raises_for_bad_input_before_the_first_connection() -> None:
    with pytest.raises(imcprobe.TargetError):
        await anext(aiter(imcprobe.scan(["127.1"])))


def test_names_that_do_not_exist_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        imcprobe.nothing  # noqa: B018
    assert set(imcprobe.__all__) <= set(dir(imcprobe))
    assert len(imcprobe.BUILDS) == 61


async def test_a_scan_may_be_shuffled_and_one_of_several_shards(imc_fleet: FleetFactory) -> None:
    fleet = imc_fleet(6)
    seen = []
    for part in (1, 2):
        order = imcprobe.Order(shuffle=True, seed=3, shard=(part, 2))
        results = imcprobe.scan(fleet.addresses, order=order, options=imcprobe.ProbeOptions(concurrency=1))
        seen.append([str(result.observation.target) async for result in results])
    assert sorted(seen[0] + seen[1]) == sorted(fleet.addresses)
    assert [len(shard) for shard in seen] == [3, 3]
    assert seen != [list(fleet.addresses[::2]), list(fleet.addresses[1::2])]
