"""`exact`: which method it takes, and what must not change an optimum or worsen it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replica_clustering.brute import brute_force
from replica_clustering.draws import tiny_instance, tiny_instances
from replica_clustering.solving import assert_solved
from shardopt.instances.replica_clustering.presets import e2llm_testbed, random_edge, typed
from shardopt.models.replica_clustering.data import Device, Instance
from shardopt.models.replica_clustering.evaluate import bottleneck
from shardopt.models.result import Result, TracePoint
from shardopt.solvers.replica_clustering import exact, pricing

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_that_packing_dp_is_taken_where_it_is_affordable():
    result = exact(typed(seed=0, types=4, devices=20))
    assert result.extra["method"] == "packing-dp"
    assert result.status == "optimal"


def test_that_columns_are_priced_where_packing_dp_is_not_affordable(monkeypatch):
    monkeypatch.setattr(pricing, "MOST_PAIRS", 10)
    instance = e2llm_testbed()
    result = exact(instance)
    assert result.extra["method"] == "columns/price"
    assert_solved(instance, result, 1.3894557019089393)


def test_that_columns_are_priced_where_time_is_too_short_for_packing_dp():
    result = exact(random_edge(seed=0, devices=19), time_limit=4.0)
    assert result.extra["method"] == "columns/price"
    assert result.objective is not None
    assert result.bound is not None


def test_that_both_methods_make_one_result_where_the_first_does_not_end(monkeypatch):
    monkeypatch.setattr(pricing, "PAIRS_PER_S", 50.0)  # so that it is worth a try
    monkeypatch.setattr(pricing, "price", stopped(pricing.price, 1.25))
    seen: list[TracePoint] = []
    result = exact(e2llm_testbed(), on_progress=seen.append)
    assert result.extra["method"] == "packing-dp"
    assert_solved(e2llm_testbed(), result, 1.3894557019089393)
    assert result.runtime_s >= 1.25
    assert [p.t_s for p in result.trace] == sorted(p.t_s for p in result.trace)
    assert seen[-1].t_s >= 1.25


def stopped(price: Callable[..., Result], after_s: float) -> Callable[..., Result]:
    """Return `price` as if time had been up before it knew a bound."""

    def run(instance: Instance, **options: object) -> Result:
        result = price(instance, **options)
        trace = tuple(replace(p, t_s=0.0) for p in result.trace)
        return replace(
            result, status="feasible", termination="time-limit", bound=1.0,
            runtime_s=after_s, trace=trace,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("unequal", [False, True])
def test_that_it_solves_what_brute_force_solves(unequal):
    for seed in range(5000, 5010):
        instance = tiny_instance(seed, unequal)
        assert_solved(instance, exact(instance), brute_force(instance).value)


def optimum(instance: Instance) -> float:
    """Return the optimum, infinite where no plan exists."""
    result = exact(instance)
    assert result.status in ("optimal", "infeasible")
    return np.inf if result.objective is None else result.objective


def with_device(instance: Instance, k: int, **change: object) -> Instance:
    devices = list(instance.devices)
    devices[k] = replace(devices[k], **change)
    return replace(instance, devices=tuple(devices))


def times(device: Device, factor: float) -> Device:
    return replace(
        device,
        prefill_s_per_token_per_block=device.prefill_s_per_token_per_block * factor,
        head_prefill_s_per_token=device.head_prefill_s_per_token * factor,
        decode_s_per_block=tuple(t * factor for t in device.decode_s_per_block),
        head_decode_s=tuple(t * factor for t in device.head_decode_s),
    )


@settings(max_examples=20)
@given(instance=tiny_instances(), data=st.data())
def test_that_more_of_anything_never_worsens_the_optimum(instance, data):
    k = data.draw(st.integers(0, len(instance.devices) - 1))
    device, asked = instance.devices[k], instance.workload
    richer = [
        with_device(instance, k, memory_bytes=device.memory_bytes * 2),
        replace(
            instance,
            devices=(*instance.devices[:k], times(device, 0.5), *instance.devices[k + 1 :]),
        ),
        replace(instance, workload=replace(asked, min_tokens_per_s=asked.min_tokens_per_s / 2)),
    ]
    if all(len(d.decode_s_per_block) > asked.max_batch for d in instance.devices):
        more = replace(asked, max_batch=asked.max_batch + 1)
        richer.append(replace(instance, workload=more))
    if instance.link is not None:
        richer += [
            replace(instance, devices=(*instance.devices, replace(device, name="one more"))),
            replace(
                instance, link=replace(instance.link, bytes_per_s=instance.link.bytes_per_s * 2)
            ),
        ]
    before = optimum(instance)
    for other in richer:
        assert optimum(other) <= before * (1 + 1e-9)


@settings(max_examples=20)
@given(instance=tiny_instances(), factor=st.sampled_from([1e-6, 0.5, 3.0, 1e6]))
def test_that_scaling_all_times_scales_the_optimum(instance, factor):
    asked = instance.workload
    links = instance.links and replace(
        instance.links,
        bytes_per_s=tuple(tuple(b / factor for b in row) for row in instance.links.bytes_per_s),
        latency_s=tuple(tuple(t * factor for t in row) for row in instance.links.latency_s),
    )
    link = instance.link and replace(
        instance.link,
        bytes_per_s=instance.link.bytes_per_s / factor,
        latency_s=instance.link.latency_s * factor,
    )
    scaled = replace(
        instance,
        devices=tuple(times(d, factor) for d in instance.devices),
        link=link,
        links=links,
        workload=replace(asked, min_tokens_per_s=asked.min_tokens_per_s / factor),
    )
    assert optimum(scaled) == pytest.approx(optimum(instance) * factor, rel=1e-9)


@settings(max_examples=20)
@given(instance=tiny_instances(), seed=st.integers(0, 1000))
def test_that_renaming_and_permuting_devices_changes_nothing(instance, seed):
    order = np.random.default_rng(seed).permutation(len(instance.devices)).tolist()
    devices = tuple(replace(instance.devices[k], name=f"renamed {n}") for n, k in enumerate(order))
    links = instance.links and replace(
        instance.links,
        bytes_per_s=tuple(tuple(instance.links.bytes_per_s[i][j] for j in order) for i in order),
        latency_s=tuple(tuple(instance.links.latency_s[i][j] for j in order) for i in order),
    )
    other = replace(instance, devices=devices, links=links)
    assert optimum(other) == pytest.approx(optimum(instance), rel=1e-12)


def test_that_the_period_of_arrivals_moves_the_bottleneck_alone():
    slow, quick = (exact(e2llm_testbed(period=p)).objective for p in (2.0, 0.25))
    assert slow == quick
    assert bottleneck(e2llm_testbed(period=2.0), slow) == slow - 2.0
