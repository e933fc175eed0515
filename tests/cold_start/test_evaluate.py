"""The evaluator: worked out by hand, against a simulation, and under changes of the data."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cold_start.hand import one_device, three_equal_devices, two_stages
from cold_start.instances import scaled
from cold_start.strategies import planned
from shardopt.models.cold_start.data import Instance, Solution, Stage, plan
from shardopt.models.cold_start.evaluate import objective, timeline

close = pytest.approx


@pytest.mark.parametrize(("loading", "expected"), [("whole-run", 12), ("layerwise", 9)])
def test_that_one_device_takes_the_time_worked_out_by_hand(loading, expected):
    instance = one_device(loading)
    assert objective(instance, plan(instance, [(0, 0, 3)])) == expected


def test_that_doubling_runs_hide_the_loading_of_equal_devices():
    instance = three_equal_devices()
    doubling = plan(instance, [(0, 0, 1), (1, 1, 3), (2, 3, 7)])
    assert objective(instance, doubling) == 8


@pytest.mark.parametrize(("loading", "expected"), [("whole-run", 8.5), ("layerwise", 8)])
def test_that_two_stages_take_the_time_worked_out_by_hand(loading, expected):
    instance = two_stages(loading)
    assert objective(instance, plan(instance, [(0, 0, 1), (1, 1, 2)])) == expected


def test_that_layerwise_computes_each_block_as_soon_as_it_is_loaded():
    instance = one_device("layerwise")
    (stage,) = timeline(instance, plan(instance, [(0, 0, 3)]))
    assert [end for _, end in stage.compute_s] == [2, 5, 9]


def simulate(instance: Instance, solution: Solution) -> float:
    """Return the finish of a plan, moving every block on its own."""
    devices = {device.name: device for device in instance.devices}
    index = {name: k for k, name in enumerate(devices)}
    now, sender = 0.0, None
    for stage in solution.stages:
        device = devices[stage.device]
        clock, loaded = 0.0, []
        for i in range(stage.start, stage.stop):
            clock += instance.blocks[i].weight_bytes / device.load_bytes_per_s
            loaded.append(clock)
        if instance.loading == "whole-run":
            now = max(now, clock)
        if sender is not None:
            if instance.links_bytes_per_s is None:
                uplink = devices[sender].uplink_bytes_per_s
                rate = min(uplink, device.downlink_bytes_per_s)
            else:
                rate = instance.links_bytes_per_s[index[sender]][index[stage.device]]
            handed_over = instance.blocks[stage.start - 1].activation_bytes
            now += instance.link_latency_s + handed_over / rate
        for i, there in zip(range(stage.start, stage.stop), loaded, strict=True):
            begin = now if instance.loading == "whole-run" else max(now, there)
            now = begin + instance.blocks[i].flops / device.flops_per_s
        sender = stage.device
    return now


@given(planned())
def test_that_the_evaluator_agrees_with_a_simulation_block_by_block(case):
    instance, solution = case
    assert objective(instance, solution) == close(simulate(instance, solution), rel=1e-9)


@given(planned())
def test_that_layerwise_is_never_slower_than_whole_run_plan_by_plan(case):
    instance, solution = case
    whole, layer = (
        objective(replace(instance, loading=mode), solution) for mode in ("whole-run", "layerwise")
    )
    assert layer <= whole * (1 + 1e-12)


@given(planned())
def test_that_a_timeline_is_in_order_and_ends_with_the_objective(case):
    instance, solution = case
    stages = timeline(instance, solution)
    before = 0.0
    for stage in stages:
        assert before <= stage.receive_start_s <= stage.receive_end_s
        if instance.loading == "whole-run":
            assert stage.load_end_s <= stage.receive_start_s
        clock = stage.receive_end_s
        for begin, end in stage.compute_s:
            assert clock <= begin + 1e-12 * stage.finish_s  # starts are ends less the work
            assert begin <= end
            clock = end
        assert stage.finish_s == stage.compute_s[-1][1]
        before = stage.finish_s
    assert before == objective(instance, solution)


@given(planned(latency=st.just(0.0)), st.floats(1e-3, 1e3))
def test_that_scaling_all_rates_divides_the_time(case, factor):
    instance, solution = case
    expected = objective(instance, solution) / factor
    assert objective(scaled(instance, factor), solution) == close(expected, rel=1e-9)


@given(planned())
def test_that_the_names_of_devices_do_not_matter(case):
    instance, solution = case
    new = {device.name: f"{device.name} renamed" for device in instance.devices}
    devices = tuple(replace(d, name=new[d.name]) for d in instance.devices)
    stages = tuple(Stage(new[s.device], s.start, s.stop) for s in solution.stages)
    renamed = replace(instance, devices=devices)
    assert objective(renamed, Solution(stages)) == objective(instance, solution)


@given(planned(), st.randoms(use_true_random=False))
def test_that_the_order_of_devices_in_the_file_does_not_matter(case, random):
    instance, solution = case
    order = list(range(len(instance.devices)))
    random.shuffle(order)
    links = instance.links_bytes_per_s
    if links is not None:
        links = tuple(tuple(links[d][e] for e in order) for d in order)
    devices = tuple(instance.devices[k] for k in order)
    permuted = replace(instance, devices=devices, links_bytes_per_s=links)
    assert objective(permuted, solution) == objective(instance, solution)


@given(planned(min_stages=2))
def test_that_latency_is_paid_at_most_once_per_transfer(case):
    instance, solution = case
    without, late = (
        objective(replace(instance, link_latency_s=latency), solution) for latency in (0.0, 2.0)
    )
    transfers = len(solution.stages) - 1
    assert without <= late <= (without + 2.0 * transfers) * (1 + 1e-12)
