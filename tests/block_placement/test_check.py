"""The checker: every rule is named when it is broken, and no broken plan passes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from block_placement import golden
from block_placement.brute import brute_force
from block_placement.hand import make, one_server
from block_placement.instances import tiny_instance, tiny_instances
from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import (
    MEMORY_TOLERANCE,
    Hosting,
    Instance,
    Route,
    Solution,
)
from shardopt.models.block_placement.evaluate import blocks_run, objective, stops_of

SIX_BLOCKS = make(6, [(21.0, 0.1, 0.1)] * 3, [(4, (0.1,) * 3), (1, (0.2,) * 3)], max_blocks=4)
"""A server that hosts 4 blocks has 17 slots left; with one more block it would have 16."""

PLACED = (("s0", 0, 4), ("s1", 2, 6), ("s2", 0, 3))
ROUTED = (("c0", "s0 s1", 3), ("c0", "s2 s1", 1), ("c1", "s2 s1", 1))


def plan(placed=PLACED, routed=ROUTED) -> Solution:
    return Solution(
        tuple(Hosting(*hosting) for hosting in placed),
        tuple(Route(client, tuple(path.split()), n) for client, path, n in routed),
    )


def changed(rows, n, row):
    return (*rows[:n], row, *rows[n + 1 :])


def test_that_a_feasible_plan_is_accepted_with_its_objective():
    report = check(SIX_BLOCKS, plan())
    assert report.feasible
    assert report.objective == objective(SIX_BLOCKS, plan())


PLACEMENT_FAULTS = [
    ("placement-server", "placement[3].server", 1, (*PLACED, ("ghost", 0, 1))),
    ("one-run", "placement[3].server", 1, (PLACED[0], *PLACED[1:], ("s2", 0, 3))),
    ("run-range", "placement[0]", 2, changed(PLACED, 0, ("s0", -2, 1))),
    ("run-range", "placement[0]", 1, changed(PLACED, 0, ("s0", 4, 4))),
    ("run-range", "placement[0]", 4, changed(PLACED, 0, ("s0", 4, 1))),
    ("run-range", "placement[0]", 2, changed(PLACED, 0, ("s0", 5, 8))),
    ("max-blocks", "placement[0]", 1, changed(PLACED, 0, ("s0", 0, 5))),
]
"""Name, place, amount and the placement; routes do not use the server at fault."""


@pytest.mark.parametrize(("constraint", "where", "amount", "placed"), PLACEMENT_FAULTS)
def test_that_a_broken_rule_of_placements_is_named_alone(constraint, where, amount, placed):
    routed = (("c0", "s2 s1", 4), ("c1", "s2 s1", 1))
    assert_named_alone(plan(placed, routed), constraint, where, amount)


ROUTE_FAULTS = [
    ("route-client", "routes[3].client", 1, (*ROUTED, ("ghost", "s0 s1", 1))),
    ("route-server", "routes[0].path[1]", 1, changed(ROUTED, 0, ("c0", "s0 ghost s1", 3))),
    ("route-start", "routes[0].path[0]", 2, changed(ROUTED, 0, ("c0", "s1", 3))),
    ("route-link", "routes[0].path[1]", 2, changed(ROUTED, 0, ("c0", "s0 s2 s1", 3))),
    ("route-link", "routes[0].path[1]", 1, changed(ROUTED, 0, ("c0", "s2 s2 s1", 3))),
    ("route-end", "routes[0].path", 2, changed(ROUTED, 0, ("c0", "s0", 3))),
    ("route-end", "routes[0].path", 6, changed(ROUTED, 0, ("c0", "", 3))),
    ("demand", "clients[0]", 1, changed(ROUTED, 0, ("c0", "s0 s1", 2))),
    ("demand", "clients[0]", 1, changed(ROUTED, 0, ("c0", "s0 s1", 4))),
    ("demand", "clients[1]", 1, ROUTED[:2]),
    ("route-sessions", "routes[3].sessions", 1, (*ROUTED, ("c1", "s0 s1", 0))),
]
"""Name, place, amount and the routes."""


@pytest.mark.parametrize(("constraint", "where", "amount", "routed"), ROUTE_FAULTS)
def test_that_a_broken_rule_of_routes_is_named_alone(constraint, where, amount, routed):
    assert_named_alone(plan(PLACED, routed), constraint, where, amount)


def assert_named_alone(solution, constraint, where, amount):
    report = check(SIX_BLOCKS, solution)
    (violation,) = report.violations
    assert (violation.constraint, violation.where, violation.amount) == (constraint, where, amount)
    assert violation.message
    assert report.objective is None


def test_that_a_gap_between_two_servers_is_a_broken_link():
    placed = changed(PLACED, 1, ("s1", 4, 6))
    report = check(SIX_BLOCKS, plan(placed))
    found = [(v.constraint, v.where, v.amount) for v in report.violations]
    assert found == [("route-link", f"routes[{n}].path[1]", 1) for n in (1, 2)]


def test_that_a_server_that_hosts_nothing_cannot_be_on_a_path():
    report = check(SIX_BLOCKS, plan(PLACED[:2]))
    assert {v.constraint for v in report.violations} == {"route-server"}
    assert "hosts nothing" in report.violations[0].message


def test_that_negative_sessions_cannot_make_up_for_others():
    routed = changed(ROUTED, 0, ("c0", "s0 s1", 5))
    report = check(SIX_BLOCKS, plan(routed=(*routed, ("c0", "s2 s1", -2))))
    (violation,) = report.violations
    assert (violation.constraint, violation.amount) == ("route-sessions", 3)


def test_that_memory_broken_alone_keeps_the_objective():
    routed = (("c0", "s0 s1", 4), ("c1", "s0 s1", 1))
    solution = plan(routed=routed)
    report = check(SIX_BLOCKS, solution)
    (violation,) = report.violations
    assert (violation.constraint, violation.where) == ("memory", "placement[0]")
    assert violation.amount == 4 + 5 * 4 - 21
    assert report.objective == objective(SIX_BLOCKS, solution)


def test_that_blocks_that_no_session_runs_take_memory():
    roomy = ((("s0", 0, 3), ("s1", 3, 6)), (("c0", "s0 s1", 4), ("c1", "s0 s1", 1)))
    assert check(SIX_BLOCKS, plan(*roomy)).feasible is True
    instance = replace(
        SIX_BLOCKS,
        servers=tuple(replace(s, memory_bytes=18.0, max_blocks=None) for s in SIX_BLOCKS.servers),
    )
    assert check(instance, plan(*roomy)).feasible
    early = ((("s0", 0, 3), ("s1", 2, 6)), roomy[1])
    (violation,) = check(instance, plan(*early)).violations
    assert (violation.constraint, violation.where) == ("memory", "placement[1]")


def test_that_memory_counts_only_the_blocks_that_a_session_runs():
    # s1 hosts 4 blocks; after s0 a session runs only 2 of them.
    routed = (("c0", "s0 s1", 4), ("c1", "s2 s1", 1))
    solution = plan(routed=routed)
    assert blocks_run(stops_of(solution), ("s0", "s1")) == [4, 2]
    tight = replace(
        SIX_BLOCKS,
        servers=tuple(
            replace(s, memory_bytes=m) for s, m in zip(SIX_BLOCKS.servers, (20, 15, 6), strict=True)
        ),
    )
    assert check(tight, solution).feasible
    short = tuple(replace(s, memory_bytes=s.memory_bytes - 1) for s in tight.servers)
    violations = check(replace(tight, servers=short), solution).violations
    assert [(v.constraint, v.where) for v in violations] == [
        ("memory", f"placement[{n}]") for n in range(3)
    ]


def test_that_the_memory_limit_has_a_tolerance_of_one_in_a_billion():
    one = one_server()
    solution = Solution((Hosting("s0", 0, 4),), (Route("c0", ("s0",), 2),))

    def with_memory(memory: float) -> Instance:
        return replace(one, servers=(replace(one.servers[0], memory_bytes=memory),))

    assert check(with_memory(12 / (1 + MEMORY_TOLERANCE / 2)), solution).feasible
    assert not check(with_memory(12 / (1 + MEMORY_TOLERANCE * 2)), solution).feasible


def test_that_memory_is_compared_exactly_with_its_limit():
    # The blocks fill the server to the brim; eight of the smallest numbers vanish in floats.
    one = one_server()
    weight, cache = 1.1 * (1 + MEMORY_TOLERANCE) / 4, 5e-324
    server = replace(one.servers[0], memory_bytes=1.1)
    instance = replace(one, weight_bytes=weight, cache_bytes_per_session=cache, servers=(server,))
    assert 4 * weight + 8 * cache == 1.1 * (1 + MEMORY_TOLERANCE)
    solution = Solution((Hosting("s0", 0, 4),), (Route("c0", ("s0",), 2),))
    assert not check(instance, solution).feasible


def test_that_every_broken_rule_is_reported():
    placed = (("s0", 0, 5), ("s0", 1, 9), ("ghost", 0, 1), ("s1", 2, 6))
    routed = (("c0", "s1", 4), ("ghost", "s2", 0), ("c0", "", 1))
    names = {
        violation.constraint for violation in check(SIX_BLOCKS, plan(placed, routed)).violations
    }
    assert names == {
        "placement-server",
        "one-run",
        "run-range",
        "max-blocks",
        "route-client",
        "route-server",
        "route-start",
        "route-end",
        "route-sessions",
        "demand",
    }


def test_that_an_empty_plan_is_told_what_it_lacks():
    violations = check(SIX_BLOCKS, Solution((), ())).violations
    assert [(v.constraint, v.where, v.amount) for v in violations] == [
        ("demand", "clients[0]", 4),
        ("demand", "clients[1]", 1),
    ]


@pytest.mark.parametrize("name", ["clustered-9-r150", "tiny-a", "tiny-b"])
def test_that_golden_plans_are_feasible(name):
    assert check(golden.instance(name), golden.optimal_plan(name)).feasible


names = st.sampled_from(["s0", "s1", "s2", "s3", "ghost"])
clients = st.sampled_from(["c0", "c1", "ghost"])
numbers = st.integers(-2, 7)
hostings = st.builds(Hosting, names, numbers, numbers)
routes = st.builds(Route, clients, st.lists(names, max_size=4).map(tuple), st.integers(-1, 4))
any_plan = st.builds(
    Solution, st.lists(hostings, max_size=4).map(tuple), st.lists(routes, max_size=4).map(tuple)
)


@given(tiny_instances(), any_plan)
def test_that_any_well_formed_plan_gets_a_verdict(instance, solution):
    report = check(instance, solution)
    only_memory = all(v.constraint == "memory" for v in report.violations)
    assert (report.objective is not None) == only_memory
    assert all(v.amount > 0 and v.where and v.message for v in report.violations)


def test_that_an_optimal_plan_survives_no_single_change_for_the_better():
    """Moving one boundary of one run, or one session, breaks a rule or costs no less."""
    for seed in range(60):
        instance = tiny_instance(seed)
        best = brute_force(instance)
        if best.solution is None:
            continue
        for other in neighbours(best.solution):
            report = check(instance, other)
            if report.feasible:
                assert report.objective >= best.value * (1 - 1e-12)


def neighbours(solution: Solution):
    for n, hosting in enumerate(solution.placement):
        for start, stop in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            moved = replace(hosting, start=hosting.start + start, stop=hosting.stop + stop)
            yield replace(solution, placement=changed(solution.placement, n, moved))
    for n, route in enumerate(solution.routes):
        for more in (-1, 1):
            other = replace(route, sessions=route.sessions + more)
            yield replace(solution, routes=changed(solution.routes, n, other))
