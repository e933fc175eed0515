"""Chains end with the device that has the output layer, where that costs nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shardopt.export.engines import export
from shardopt.models.errors import InputError
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import (
    Device,
    Instance,
    Link,
    Links,
    Model,
    Replica,
    Solution,
    Stage,
    Workload,
)
from shardopt.replica_clustering.export import deployment


def device(name: str) -> Device:
    return Device(name, 1000.0, 0.001, (0.01, 0.015), 0.0, (0.001, 0.001))


INSTANCE = Instance(
    "four",
    "by hand",
    Model(6, 10.0, 5.0, 0.0, 1.0),
    tuple(map(device, ("a", "b", "c", "d"))),
    Link(1e6, 1e-4),
    None,
    Workload(100.0, 50.0, 1.0, 0.0, 3),
)


def plan(master: str) -> Solution:
    stages = (Stage("a", 0, 1), Stage("b", 1, 3), Stage("c", 3, 6))
    alone = Replica("decode", 1, "d", (Stage("d", 0, 6),))
    return Solution((Replica("prefill", 1, master, stages), alone))


def chain(instance: Instance, master: str) -> list[tuple[str, int, int]]:
    stages = deployment(instance, plan(master)).pipelines[0].stages
    return [(s.device, s.start, s.stop) for s in stages]


@pytest.mark.parametrize(
    ("master", "expected"),
    [
        ("c", [("a", 0, 1), ("b", 1, 3), ("c", 3, 6)]),
        ("b", [("a", 0, 1), ("c", 1, 4), ("b", 4, 6)]),
        ("a", [("c", 0, 3), ("b", 3, 5), ("a", 5, 6)]),
    ],
)
def test_that_the_device_with_the_head_comes_last(
    master: str, expected: list[tuple[str, int, int]]
) -> None:
    assert check(INSTANCE, plan(master)).feasible
    assert chain(INSTANCE, master) == expected
    text = export(INSTANCE, plan(master), "sglang")
    assert ("another order than in the plan" in text) == (master != "c")


def test_that_no_order_is_taken_that_makes_a_plan_slower() -> None:
    """Between a and c the network is so slow that they cannot stand beside each other."""
    fast, slow = 1e6, 1.0
    rates = tuple(tuple(slow if {i, j} == {0, 2} else fast for j in range(4)) for i in range(4))
    links = Links(rates, ((1e-4,) * 4,) * 4)
    instance = replace(INSTANCE, link=None, links=links)
    assert [name for name, _, _ in chain(instance, "a")] == ["c", "b", "a"]
    assert [name for name, _, _ in chain(instance, "b")] == ["a", "b", "c"]
    with pytest.raises(InputError, match="the output layer on 'b'"):
        export(instance, plan("b"), "sglang")
