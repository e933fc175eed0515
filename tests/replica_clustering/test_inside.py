"""Inside one replica: three ways to cut against enumeration, the best order, rates and batches."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from replica_clustering.hand import HAND, make
from shardopt.instances.replica_clustering.presets import e2llm_testbed, links, random_edge
from shardopt.models.replica_clustering.check import check
from shardopt.models.replica_clustering.data import Solution
from shardopt.models.replica_clustering.evaluate import replica_times
from shardopt.models.replica_clustering.inside import (
    best_cut,
    greedy,
    replica_rate,
    stage_dp,
    stage_times,
    to_replica,
)
from shardopt.models.replica_clustering.ordering import MOST_ORDERED, best_order
from shardopt.models.replica_clustering.tables import make_tables


def compositions(total, parts):
    """Yield every way to write ``total`` as positive parts."""
    for cuts in itertools.combinations(range(1, total), parts - 1):
        yield tuple(b - a for a, b in itertools.pairwise((0, *cuts, total)))


def enumerated(tables, role, q, devices):
    """Return the least slowest stage over all cuts and masters, ``None`` if nothing fits."""
    best = None
    most = {head: tables.most_blocks(role, q, len(devices), head) for head in (False, True)}
    for counts in compositions(tables.block_count, len(devices)):
        for master in devices:
            fits = all(c <= most[k == master][k] for c, k in zip(counts, devices, strict=True))
            if fits:
                time = stage_times(tables, role, q, devices, counts, master).max()
                best = time if best is None else min(best, time)
    return best


def draws(count, *, blocks=9):
    """Yield tables of small random instances with a role, a batch and some devices."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        memory = float(rng.choice([0.3, 0.5, 1.0]))
        preset = links if seed % 2 else random_edge
        instance = preset(seed=seed, devices=5, memory=memory, blocks=blocks)
        tables = make_tables(instance)
        stages = int(rng.integers(1, 5))
        devices = rng.permutation(5)[:stages].tolist()
        for role in ("prefill", "decode"):
            q = 1 if role == "prefill" else int(rng.integers(1, 16 // stages + 1))
            yield tables, role, q, devices


def test_that_greedy_dp_and_bisection_find_the_best_of_all_cuts():
    found = 0
    for tables, role, q, devices in draws(60):
        best = enumerated(tables, role, q, devices)
        order, hop = best_order(tables, role, q, devices)
        cuts = [greedy(tables, role, q, devices), best_cut(tables, role, q, devices)]
        dp = stage_dp(tables, role, q, order)
        if best is None:
            assert cuts == [None, None]
            assert dp is None
            continue
        found += 1
        assert [cut.time_s for cut in cuts] == [best, best]
        assert dp.time_s == max(best, hop)
        for cut, line in ((cuts[0], devices), (cuts[1], devices), (dp, list(order))):
            assert sum(cut.counts) == tables.block_count
            times = stage_times(tables, role, q, line, cut.counts, cut.master)
            assert times.max() <= cut.time_s
    assert 30 < found < 110


def test_that_a_device_may_hold_one_block_more_than_an_even_cut_to_be_spared_the_head():
    # Two equal devices at 0.01 per block, head 0.03: 3 + 1 with the head on the 1 takes 0.04.
    instance = make("aa", head_decode=(0.03, 0.03))
    cut = greedy(make_tables(instance), "decode", 1, [0, 1])
    assert cut.time_s == pytest.approx(0.04)
    assert sorted(cut.counts) == [1, 3]
    assert cut.counts[cut.master] == 1


@pytest.mark.parametrize("cut_by", [greedy, best_cut])
def test_that_the_order_of_devices_changes_nothing_on_a_uniform_lan(cut_by):
    tables = make_tables(random_edge(seed=3, devices=4, blocks=11))
    times = {cut_by(tables, "decode", 2, list(p)).time_s for p in itertools.permutations(range(4))}
    assert len(times) == 1


def test_that_ten_thousand_blocks_are_cut_at_once_and_as_by_greedy():
    tables = make_tables(random_edge(seed=1, devices=6, blocks=10_000, memory=1000.0))
    devices = list(range(6))
    assert best_cut(tables, "decode", 1, devices).time_s == pytest.approx(
        greedy(tables, "decode", 1, devices).time_s, rel=1e-15
    )


def test_that_more_devices_than_blocks_make_no_replica():
    tables = make_tables(random_edge(seed=0, devices=4, blocks=3, memory=100.0))
    for cut_by in (greedy, best_cut, stage_dp):
        assert cut_by(tables, "prefill", 1, [0, 1, 2, 3]) is None
        assert cut_by(tables, "prefill", 1, [0, 1, 2]).counts == (1, 1, 1)


def test_that_the_best_order_has_the_least_slowest_hop_of_all_orders():
    for tables, role, q, devices in draws(40):
        order, hop = best_order(tables, role, q, devices)
        assert sorted(order) == sorted(devices)
        if tables.uniform or len(devices) == 1:
            continue
        hop_s = tables.hop_s(role, q)
        slowest = [
            max(hop_s[i, j] for i, j in itertools.pairwise(p))
            for p in itertools.permutations(devices)
        ]
        assert hop == min(slowest)
        assert hop == max(hop_s[i, j] for i, j in itertools.pairwise(order))


def test_that_too_many_devices_for_the_best_order_still_get_one():
    tables = make_tables(links(seed=0, devices=MOST_ORDERED + 2))
    order, hop = best_order(tables, "decode", 1, range(MOST_ORDERED + 2))
    hop_s = tables.hop_s("decode", 1)
    assert sorted(order) == list(range(MOST_ORDERED + 2))
    assert hop == max(hop_s[i, j] for i, j in itertools.pairwise(order))
    assert hop < np.median(hop_s)


def test_that_a_made_replica_is_feasible_and_as_fast_as_promised():
    for tables, role, _, devices in draws(40):
        rate, q = replica_rate(tables, role, devices)
        if rate == 0.0:
            assert q == 0
            continue
        replica = to_replica(tables, role, q, devices)
        report = check(tables.instance, Solution((replica,)))
        assert [v.constraint for v in report.violations] == ["role-count"]
        slowest = replica_times(tables.instance, replica).slowest_s
        served = 1 if role == "prefill" else q / tables.output_tokens
        assert rate == pytest.approx(served / slowest, rel=1e-14)


def test_that_the_golden_replicas_of_the_testbed_have_their_rates():
    tables = make_tables(e2llm_testbed())
    index = tables.instance.device_index()

    def of(role, *names):
        return replica_rate(tables, role, [index[name] for name in names])

    assert of("decode", "rtx5070", "rtx3060m") == (pytest.approx(0.4424953084, abs=1e-10), 8)
    assert of("decode", "m2max-a") == (pytest.approx(0.1386054879, abs=1e-10), 5)
    assert of("prefill", "m1-b", "orin") == (pytest.approx(0.9080544009, abs=1e-10), 1)


def test_that_the_largest_batch_is_never_faster_than_the_best():
    differ = 0
    for seed in range(20):
        tables = make_tables(random_edge(seed=seed, devices=3))
        for size in (1, 2, 3):
            best, q = replica_rate(tables, "decode", range(size))
            largest, most = replica_rate(tables, "decode", range(size), "largest")
            assert largest <= best
            assert most >= q
            differ += most > q
    assert differ > 0


def test_that_a_slower_larger_batch_is_taken_only_where_that_is_the_rule():
    # One request takes 0.01 per block and two 0.03: two at once are slower than one by one.
    instance = make("a")
    device = replace(instance.devices[0], decode_s_per_block=(0.01, 0.03))
    tables = make_tables(replace(instance, devices=(device,)))
    assert replica_rate(tables, "decode", [0]) == (pytest.approx(1 / 0.04 / 50), 1)
    assert replica_rate(tables, "decode", [0], "largest") == (pytest.approx(2 / 0.12 / 50), 2)


def test_that_memory_and_token_rate_limit_the_batch():
    tight = make_tables(HAND["a-b-cache"][0])
    assert replica_rate(tight, "decode", [0]) == (pytest.approx(1 / 0.04 / 50), 1)
    quick = make_tables(HAND["a-b-rate-25"][0])
    assert replica_rate(quick, "decode", [0]) == (pytest.approx(1 / 0.04 / 50), 1)
    too_quick = make_tables(HAND["a-b-rate-30"][0])
    assert replica_rate(too_quick, "decode", [0]) == (0.0, 0)
