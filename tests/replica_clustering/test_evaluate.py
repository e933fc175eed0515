"""The evaluator: worked out by hand, against a simulation, and under changes of the data."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replica_clustering.draws import planned
from replica_clustering.hand import AB_BEST, make, plan, replica, uniform_links, with_links
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import Instance, Links, Replica, Solution
from shardopt.models.replica_clustering.evaluate import (
    bottleneck,
    need_bytes,
    objective,
    phase_rate,
    replica_times,
)
from shardopt.solvers.budget import Budget
from shardopt.solvers.finish import finish

close = pytest.approx


def test_that_times_are_those_of_the_page():
    """Two equal devices, 0.01 s per block, 0.03 s for the head."""
    instance = make("aab", head_decode=(0.03, 0.05))
    even = replica("decode", 1, ("a1", 0, 2), ("a2", 2, 4))
    uneven = replica("decode", 1, ("a1", 0, 3), ("a2", 3, 4), master="a2")
    assert replica_times(instance, even).stage_s == close((0.05, 0.02))
    assert replica_times(instance, uneven).stage_s == close((0.03, 0.04))
    assert replica_times(instance, uneven).hop_s == (0.0,)
    assert replica_times(instance, uneven).slowest_s == close(0.04)


def test_that_the_batch_chooses_the_entry_of_the_profile():
    instance = make("a", head_decode=(0.03, 0.05))
    times = [replica_times(instance, replica("decode", q, ("a1", 0, 4))).stage_s for q in (1, 2)]
    assert times == [close((0.07,)), close((0.11,))]


def test_that_the_head_of_a_prompt_counts_all_its_tokens():
    instance = make("ab")
    devices = tuple(replace(d, head_prefill_s_per_token=0.004) for d in instance.devices)
    one = replica("prefill", 1, ("a1", 0, 1), ("b1", 1, 4), master="a1")
    assert replica_times(replace(instance, devices=devices), one).stage_s == close((0.5, 0.6))


def test_that_a_hop_is_a_stage_of_its_own_and_not_added():
    slow = make("aabb", memory=25.0, activation=1.0, link=(80.0, 0.0))
    pair = replica("prefill", 1, ("b1", 0, 2), ("b2", 2, 4))
    times = replica_times(slow, pair)
    assert times.stage_s == close((0.4, 0.4))
    assert times.hop_s == close((1.25,))
    assert times.slowest_s == close(1.25)


def test_that_what_travels_is_a_prompt_in_prefill_and_a_batch_in_decode():
    instance = make("aa", activation=3.0, link=(1000.0, 0.5))
    stages = (("a1", 0, 2), ("a2", 2, 4))
    prefill, decode = replica("prefill", 1, *stages), replica("decode", 2, *stages)
    assert replica_times(instance, prefill).hop_s == close((0.5 + 300 / 1000,))
    assert replica_times(instance, decode).hop_s == close((0.5 + 6 / 1000,))


def test_that_links_are_read_from_sender_to_receiver():
    rates = ((0.0, 100.0, 1.0), (50.0, 0.0, 1.0), (1.0, 200.0, 0.0))
    latencies = ((0.0, 0.25, 9.0), (0.75, 0.0, 9.0), (9.0, 0.5, 0.0))
    instance = with_links(make("aaa", activation=1.0), rates, latencies)
    one = replica("prefill", 1, ("a3", 0, 1), ("a2", 1, 2), ("a1", 2, 4))
    assert replica_times(instance, one).hop_s == close((0.5 + 100 / 200, 0.75 + 100 / 50))


def test_that_memory_holds_the_tokens_of_all_requests():
    instance = make("ab", cache=0.05)
    model = replace(instance.model, head_weight_bytes=7.0)
    instance = replace(instance, model=model)
    assert need_bytes(instance, "decode", 1, 4, False) == close(4 * (10 + 0.05 * 150))
    assert need_bytes(instance, "decode", 4, 4, False) == close(4 * (10 + 0.05 * 150 * 4))
    assert need_bytes(instance, "prefill", 2, 3, True) == close(3 * (10 + 0.05 * 100 * 2) + 7)


def test_that_the_slower_phase_is_the_objective():
    instance = make("ab")
    assert phase_rate(instance, AB_BEST, "prefill") == close(1 / 0.8)
    assert phase_rate(instance, AB_BEST, "decode") == close(2 / 0.06 / 50)
    assert objective(instance, AB_BEST) == close(1.5)
    turned = plan(replica("prefill", 1, ("a1", 0, 4)), replica("decode", 2, ("b1", 0, 4)))
    assert objective(instance, turned) == close(3.0)


def test_that_rates_of_replicas_add_up():
    both = plan(
        replica("prefill", 1, ("b1", 0, 4)),
        replica("decode", 2, ("a1", 0, 4)),
        replica("decode", 2, ("b2", 0, 4)),
    )
    assert objective(make("abb"), both) == close(1.0)


def test_that_the_bottleneck_is_the_objective_less_the_arrival_period():
    instance = make("ab")
    late = replace(instance, workload=replace(instance.workload, arrival_period_s=0.25))
    value = objective(late, AB_BEST)
    assert value == objective(instance, AB_BEST)
    assert bottleneck(late, value) == close(1.25)


def test_that_a_result_has_the_bottleneck_beside_the_objective():
    instance = make("ab")
    late = replace(instance, workload=replace(instance.workload, arrival_period_s=0.25))
    result = finish(late, "test", Budget(), [AB_BEST], extra={"rounds": 3})
    assert result.objective == close(1.5)
    assert result.extra == {"bottleneck": close(1.25), "rounds": 3}
    assert finish(late, "test", Budget(), []).extra == {}


def simulated_rate(instance: Instance, one: Replica, batches: int = 400) -> float:
    """Return requests/s by pushing one micro-batch after the other through a flow line.

    Stages and hops are the machines, with room for any number of micro-batches between them.
    """
    index, workload = instance.device_index(), instance.workload
    machines = []
    for k, stage in enumerate(one.stages):
        device = instance.devices[index[stage.device]]
        blocks, is_master = stage.stop - stage.start, stage.device == one.master
        if one.role == "prefill":
            per_token = blocks * device.prefill_s_per_token_per_block
            per_token += is_master * device.head_prefill_s_per_token
            machines.append(workload.input_tokens * per_token)
            handed = workload.input_tokens
        else:
            time_s = blocks * device.decode_s_per_block[one.batch - 1]
            machines.append(time_s + is_master * device.head_decode_s[one.batch - 1])
            handed = one.batch
        if k + 1 < len(one.stages):
            i, j = index[stage.device], index[one.stages[k + 1].device]
            link = instance.link
            latency = link.latency_s if link else instance.links.latency_s[i][j]
            rate = link.bytes_per_s if link else instance.links.bytes_per_s[i][j]
            machines.append(latency + instance.model.activation_bytes_per_token * handed / rate)
    free = [0.0] * len(machines)
    left: list[float] = []
    for _ in range(2 * batches):
        now = 0.0
        for m, time_s in enumerate(machines):
            now = free[m] = max(now, free[m]) + time_s
        left.append(now)
    per_s = batches / (left[-1] - left[batches - 1])
    return per_s if one.role == "prefill" else per_s * one.batch / workload.output_tokens


@given(planned())
def test_that_the_evaluator_agrees_with_a_flow_of_micro_batches(case):
    instance, solution = case
    rates = {"prefill": 0.0, "decode": 0.0}
    for one in solution.replicas:
        rates[one.role] += simulated_rate(instance, one)
    assert objective(instance, solution) == close(1 / min(rates.values()), rel=1e-9)


@given(planned())
def test_that_the_formula_of_the_page_gives_the_same(case):
    """max(I / sum P, U / sum D) with P = I / T and D = q / T."""
    instance, solution = case
    workload = instance.workload
    prompt, generated = [], []
    for one in solution.replicas:
        slowest = replica_times(instance, one).slowest_s
        if one.role == "prefill":
            prompt.append(workload.input_tokens / slowest)
        else:
            generated.append(one.batch / slowest)
    value = max(workload.input_tokens / sum(prompt), workload.output_tokens / sum(generated))
    assert objective(instance, solution) == close(value, rel=1e-12)


@given(planned())
def test_that_a_uniform_lan_may_be_written_as_matrices(case):
    instance, solution = case
    if instance.link is not None:
        assert objective(uniform_links(instance), solution) == objective(instance, solution)


@given(planned(), st.floats(1e-3, 1e3))
def test_that_scaling_all_times_scales_the_objective(case, factor):
    instance, solution = case
    expected = objective(instance, solution) * factor
    assert objective(scaled(instance, factor), solution) == close(expected, rel=1e-9)


def scaled(instance: Instance, factor: float) -> Instance:
    """Return the instance with every time, latency and 1 / bandwidth times a factor."""
    devices = tuple(
        replace(
            d,
            prefill_s_per_token_per_block=factor * d.prefill_s_per_token_per_block,
            decode_s_per_block=tuple(factor * t for t in d.decode_s_per_block),
            head_prefill_s_per_token=factor * d.head_prefill_s_per_token,
            head_decode_s=tuple(factor * t for t in d.head_decode_s),
        )
        for d in instance.devices
    )
    workload = instance.workload
    workload = replace(workload, min_tokens_per_s=workload.min_tokens_per_s / factor)
    link, links = instance.link, instance.links
    if link is not None:
        link = replace(
            link, bytes_per_s=link.bytes_per_s / factor, latency_s=link.latency_s * factor
        )
    if links is not None:
        links = Links(
            tuple(tuple(v / factor for v in row) for row in links.bytes_per_s),
            tuple(tuple(v * factor for v in row) for row in links.latency_s),
        )
    return replace(instance, devices=devices, workload=workload, link=link, links=links)


@given(planned())
def test_that_the_order_of_replicas_and_of_devices_in_the_file_does_not_matter(case):
    instance, solution = case
    value = objective(instance, solution)
    assert objective(instance, Solution(solution.replicas[::-1])) == value
    if instance.link is not None:
        turned = replace(instance, devices=instance.devices[::-1])
        assert objective(turned, solution) == value
        # Nor does the order of the stages, as the blocks are equal.
        stages = tuple(
            replace(one, stages=tuple(_renumbered(one.stages[::-1]))) for one in solution.replicas
        )
        assert check(instance, Solution(stages)).objective == value


def _renumbered(stages):
    start = 0
    for stage in stages:
        stop = start + stage.stop - stage.start
        yield replace(stage, start=start, stop=stop)
        start = stop


def test_that_the_largest_and_the_smallest_numbers_have_an_objective():
    instance = make("aa", activation=1e30, link=(1e-15, 1e30))
    slow = tuple(replace(d, prefill_s_per_token_per_block=1e30) for d in instance.devices)
    workload = replace(instance.workload, input_tokens=1e30, output_tokens=1e30)
    both = plan(replica("prefill", 1, ("a1", 0, 4)), replica("decode", 2, ("a2", 0, 4)))
    for made in (
        replace(instance, devices=slow, workload=workload),
        replace(instance, workload=replace(instance.workload, input_tokens=1e-15)),
    ):
        assert 0 < objective(made, both) < math.inf
