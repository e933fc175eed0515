"""`even`, `harmonic` and `single-device`: the published numbers, and our rules for memory."""

import pytest

import shardopt
from cold_start.hand import make, no_plan_fits
from shardopt.models.cold_start.tables import make_tables
from shardopt.solvers.cold_start import even, harmonic, single_device
from shardopt.solvers.cold_start.baselines import lay, stronger_first

close = pytest.approx


def csgo(tokens, loading="whole-run"):
    return shardopt.generate("cold-start", "csgo-table1", tokens=tokens, loading=loading)


def counts(result) -> list[int]:
    """Return the blocks of each stage, in the plan's order."""
    return [stage.stop - stage.start for stage in result.solution.stages]


GOLDEN = [
    (256, "whole-run", 3.458884212, 2.787209951, 5.884037709),
    (2048, "whole-run", 4.235123849, 4.190583686, 6.385432086),
    (8192, "whole-run", 12.387056992, 10.739885990, 9.216788236),
    (2048, "layerwise", 3.645923631, 3.719682456, 5.073635802),
]


@pytest.mark.parametrize(("tokens", "loading", "even_s", "harmonic_s", "alone_s"), GOLDEN)
def test_that_the_baselines_take_the_golden_times(tokens, loading, even_s, harmonic_s, alone_s):
    instance = csgo(tokens, loading)
    assert even(instance).objective == close(even_s, rel=1e-9)
    assert harmonic(instance).objective == close(harmonic_s, rel=1e-9)
    assert single_device(instance).extra["reference"] == close(alone_s, rel=1e-9)


@pytest.mark.parametrize(
    ("tokens", "split"), [(256, [11, 13, 8, 8]), (2048, [15, 13, 7, 5]), (8192, [17, 13, 6, 4])]
)
def test_that_harmonic_splits_the_blocks_as_on_the_page(tokens, split):
    assert counts(harmonic(csgo(tokens))) == split


def test_that_even_gives_every_device_the_same():
    result = even(csgo(2048))
    assert counts(result) == [10, 10, 10, 10]
    assert [s.device for s in result.solution.stages] == [f"device-{n}" for n in (1, 2, 3, 4)]


def test_that_the_first_devices_take_one_more_where_even_does_not_divide():
    result = even(make([(1, 1, 0)] * 8, [(1, 1, 100, 1, 1)] * 3))
    assert counts(result) == [3, 3, 2]


def test_that_stronger_devices_come_first_and_ties_keep_the_order_of_the_file():
    slow, fast = (1, 1, 100, 1, 1), (2, 2, 100, 1, 1)
    tables = make_tables(make([(1, 1, 0)], [slow, fast] * 20))
    assert stronger_first(tables) == [*range(1, 40, 2), *range(0, 40, 2)]


def test_that_the_units_decide_the_split_of_harmonic():
    instance = csgo(2048)
    same_unit = harmonic(instance, compute_unit=1.0, load_unit=1.0)
    assert counts(same_unit) != counts(harmonic(instance))


def test_that_harmonic_takes_excess_blocks_back_from_the_last_devices():
    # Four equal shares of half a block each round up to 1: the strongest gets 2 - 4 + 1 = -1,
    # so 0, and the last device that has a block gives one back.
    result = harmonic(make([(1, 1, 0)] * 2, [(1, 1, 100, 1, 1)] * 4))
    assert [stage.device for stage in result.solution.stages] == ["d1", "d2"]
    assert counts(result) == [1, 1]


def laid(memories, wanted, blocks=6):
    """Lay blocks of weight 1 along the file's order; return (device, start, stop) triples."""
    tables = make_tables(make([(1, 1, 0)] * blocks, [(1, 1, m, 1, 1) for m in memories]))
    plan = lay(tables, range(len(memories)), wanted)
    if plan is None:
        return None
    return [(int(s.device[1:]), s.start, s.stop) for s in plan.stages]


def test_that_what_does_not_fit_is_carried_to_the_next_device():
    assert laid([1, 9, 9], [3, 2, 1]) == [(0, 0, 1), (1, 1, 5), (2, 5, 6)]


def test_that_a_device_too_small_for_any_block_is_passed_over():
    assert laid([0.5, 9, 9], [2, 2, 2]) == [(1, 0, 4), (2, 4, 6)]


def test_that_blocks_left_at_the_end_start_a_second_round_that_fills_every_device():
    assert laid([9, 1, 1], [2, 2, 2]) == [(0, 0, 6)]


def test_that_the_second_round_gives_up_where_memory_is_short():
    assert laid([2, 2, 1], [2, 2, 2]) is None


@pytest.mark.parametrize("heuristic", [even, harmonic])
def test_that_a_heuristic_without_a_plan_proves_nothing(heuristic):
    result = heuristic(no_plan_fits())
    assert (result.status, result.termination) == ("unknown", "completed")
    assert (result.objective, result.bound, result.solution) == (None, None, None)


def test_that_a_heuristic_claims_no_bound():
    assert even(csgo(2048)).bound is None
    assert harmonic(csgo(2048)).bound is None


def test_that_a_single_device_that_is_too_small_is_only_a_reference():
    result = single_device(csgo(2048))
    assert (result.status, result.solution, result.objective) == ("unknown", None, None)
    assert result.extra["device"] == "device-1"


def test_that_a_single_device_that_is_large_enough_is_also_a_plan():
    result = single_device(make([(1, 1, 0)] * 3, [(1, 1, 9, 1, 1), (2, 2, 9, 1, 1)]))
    assert result.objective == result.extra["reference"] == 3
    assert [stage.device for stage in result.solution.stages] == ["d1"]
