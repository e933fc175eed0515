"""Pictures of placements: which servers share a line, which routes are drawn, and what they say."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from rich.console import Console

import shardopt
from block_placement.golden import instance as golden
from block_placement.golden import optimal_plan
from block_placement.hand import make, more_sessions_than_fit, witness
from shardopt.block_placement.layout import Span, main_rides, rides, rows
from shardopt.block_placement.plots import figure_size, plot_instance, plot_map
from shardopt.models.block_placement.data import Client, Hosting, Instance, Route, Solution
from shardopt.models.block_placement.evaluate import route_s
from shardopt.show import plan_table, text, write_picture


def two_paths() -> tuple[Instance, Solution]:
    """Two sessions run blocks 0 to 3 on s0 alone, one enters s1 at block 2; s2 has no session."""
    instance = make(4, [(20.0, 0.1, 0.2), (10.0, 0.2, 0.3), (5.0, 0.1, 0.1)], [(3, (0.3,) * 3)])
    placement = (Hosting("s0", 0, 4), Hosting("s1", 1, 4), Hosting("s2", 0, 2))
    alone, both = Route("c0", ("s0",), 2), Route("c0", ("s2", "s1"), 1)
    return instance, Solution(placement, (both, alone))


def copies(count: int, *, sessions: int = 1, blocks: int = 4) -> tuple[Instance, Solution]:
    """So many equal servers with the whole model on each; one session per server, on the first."""
    instance = make(blocks, [(1e4, 0.1, 0.1)] * count, [(sessions, (0.1,) * count)])
    hosted = tuple(Hosting(f"s{j}", 0, blocks) for j in range(count))
    return instance, Solution(hosted, tuple(Route("c0", (f"s{j}",), 1) for j in range(sessions)))


def printed(picture: Any, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(picture)
    return capture.get()


def test_that_a_route_is_split_into_round_trips_and_compute():
    instance, plan = two_paths()
    first, second = rides(instance, plan)
    assert (first.sessions, second.sessions) == (2, 1)  # the larger comes first
    assert first.round_trips_s == pytest.approx(0.3)
    assert first.compute_s == pytest.approx(0.4)
    assert second.steps == (("s2", 0, 2), ("s1", 2, 4))
    assert second.round_trips_s == pytest.approx(0.6)
    assert second.compute_s == pytest.approx(0.2 + 0.4)


@pytest.mark.parametrize("name", ["tiny-a", "tiny-b", "clustered-9-r8-session"])
def test_that_the_parts_of_a_route_add_up_to_what_it_costs(name):
    instance = golden(name)
    plan = shardopt.solve(instance, "cg-bp").solution
    costs = sorted(route_s(instance, plan, route) for route in plan.routes)
    assert sorted(ride.time_s for ride in rides(instance, plan)) == pytest.approx(costs)


def test_that_a_line_says_what_is_hosted_what_is_run_and_how_full_the_memory_is():
    instance, plan = two_paths()
    s2, s0, s1 = rows(instance, plan, 10)
    assert (s0.name, s1.name, s2.name) == ("s0", "s1", "s2")
    assert (s1.hosted, s1.used, s1.sessions) == ((Span(1, 4),), (Span(2, 4),), 1)
    assert (s0.weights, s0.cache) == pytest.approx((4 / 20, 2 * 4 / 20))
    assert (s1.weights, s1.cache) == pytest.approx((3 / 10, 2 / 10))


def test_that_servers_have_lines_of_their_own_as_long_as_there_is_room():
    assert len(rows(*copies(10), 10)) == 10


def test_that_equal_servers_with_equal_runs_share_a_line_where_there_is_no_room():
    busy, idle = rows(*copies(10, sessions=4), 5)
    assert (busy.name, busy.sessions, idle.name, idle.sessions) == ("s0 +3", 4, "s4 +5", 0)
    assert busy.cache == pytest.approx(4 / 1e4)
    assert idle.cache == 0


def test_that_servers_without_sessions_share_a_line_and_then_those_with_the_fewest():
    instance = make(20, [(1e3, 0.1, 0.1)] * 30, [(15, (0.1,) * 30)])
    path = tuple(f"s{j}" for j in range(20))
    plan = Solution(
        tuple(Hosting(f"s{j}", j % 20, j % 20 + 1) for j in range(20))
        + tuple(Hosting(f"s{j}", 0, j - 18) for j in range(20, 30)),
        (Route("c0", path, 10), Route("c0", ("s29", *path[11:]), 5)),
    )
    unvisited = rows(instance, plan, 25)[-1]
    assert unvisited.name == "9 unvisited"
    assert unvisited.hosted == (Span(0, 10),)
    others = rows(instance, plan, 10)
    assert len(others) == 10
    assert others[-1].name == "21 others"
    assert min(row.sessions for row in others[:-1]) == 15
    assert others[-1].sessions == 15  # a session that visits several of them counts once


def test_that_each_client_has_a_route_before_any_has_a_second():
    instance, plan = copies(6, sessions=6)
    clients = (Client("a", 5, (0.1,) * 6, (0.1,) * 6), Client("b", 1, (0.1,) * 6, (0.1,) * 6))
    routes = (Route("b", ("s0",), 1), *(Route("a", (f"s{j}",), 1) for j in range(1, 6)))
    found = rides(replace(instance, clients=clients), Solution(plan.placement, routes))
    assert [ride.client for ride in main_rides(found, 3)] == ["a", "a", "b"]
    assert main_rides(found, 10) == found


def test_that_the_text_map_draws_each_run_at_its_blocks():
    instance, plan = two_paths()
    margin = len("s0  [0, 4)  ")
    shown = printed(text(instance, plan, 79), 79)
    (line,) = [row for row in shown.splitlines() if row.startswith("s1  ")]
    columns = line.index("▓") - margin - 2
    bar = line[margin : margin + columns]
    assert bar == (" " * (columns // 4) + "░" * columns)[: columns // 2].ljust(columns, "█")
    assert "2 x c0      s0---" in shown
    assert "0.700 s" in shown and "1.200 s" in shown


@pytest.mark.parametrize("width", [20, 60, 100, 200])
def test_that_no_line_of_the_map_is_wider_than_the_terminal(width):
    shown = printed(text(golden("tiny-a"), optimal_plan("tiny-a"), width), width)
    assert max(map(len, shown.splitlines())) <= width


def test_that_long_paths_and_many_blocks_fit_into_the_text():
    instance = shardopt.generate("block-placement", "random-loose", servers=200, blocks=10_000)
    plan = shardopt.solve(instance, "cg-bp").solution
    assert max(map(len, printed(text(instance, plan)).splitlines())) <= 100
    assert " more > " in printed(plan_table(instance, plan), 200)


def test_that_the_table_of_routes_counts_what_it_does_not_list():
    shown = printed(plan_table(*copies(40, sessions=40)))
    assert "10 more" in shown
    assert "not shown: 28 more routes with 28 sessions" in printed(text(*copies(40, sessions=40)))


def test_that_servers_that_host_nothing_are_named_or_counted():
    instance, plan = copies(10)
    assert "host nothing" not in printed(text(instance, plan))
    one = Solution(plan.placement[:1], plan.routes)
    assert "host nothing: s1, s2, s3, s4, s5 and 4 more" in printed(text(instance, one))


def test_that_a_plan_beyond_the_memory_is_drawn_and_marked():
    instance = more_sessions_than_fit()
    plan = Solution((Hosting("s0", 0, 1), Hosting("s1", 1, 2)), (Route("c0", ("s0", "s1"), 3),))
    shown = printed(text(instance, plan))
    assert "NOT FEASIBLE: memory exceeded on 2 server(s)" in shown
    assert "133 %!" in shown
    side = plot_map(instance, plan, Figure().subplots()).child_axes[0]
    assert {label.get_color() for label in side.get_yticklabels()} == {"#c00000"}


def test_that_a_broken_plan_is_refused_with_the_reason():
    instance, plan = two_paths()
    with pytest.raises(shardopt.InputError, match="demand"):
        text(instance, Solution(plan.placement, plan.routes[:1]))


def test_that_an_instance_alone_is_shown_with_what_fits():
    shown = printed(text(golden("clustered-9-r150")))
    for words in ("4 (limit)", "79.13 GB", "105 to 200 ms", "2.09 times the model", "0.625379 s"):
        assert words in shown


def test_that_an_instance_with_no_room_for_the_model_says_so():
    instance = make(9, [(2.0, 0.1, 0.1)] * 2, [(1, (0.1, 0.1))])
    assert "no plan: the servers have room for 2 of the 9 blocks" in printed(text(instance))


@pytest.mark.parametrize("cost", ["decode", "session"])
def test_that_times_are_for_what_the_cost_counts(cost):
    instance, plan = two_paths()
    shown = printed(text(replace(instance, cost=cost), plan))
    assert f"mean time per {'token' if cost == 'decode' else 'session'} " in shown


def test_that_the_map_draws_on_the_axes_it_is_given():
    instance, plan = two_paths()
    ax = Figure().subplots()
    assert plot_map(instance, plan, ax) is ax
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["s2  [0, 2)", "s0  [0, 4)", "s1  [1, 4)"]
    legend = ax.get_legend()
    assert legend is not None
    assert [t.get_text()[:9] for t in legend.get_texts()] == ["1  2 x c0", "2  1 x c0"]


def test_that_the_pictures_make_their_own_axes_when_given_none():
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    assert plot_map(*two_paths()).get_xlabel() == "blocks"
    assert plot_instance(witness()).get_title(loc="left").startswith("hand-made")
    plt.close("all")


def test_that_pictures_of_many_servers_stay_of_a_size_that_can_be_looked_at():
    assert figure_size(*copies(300))[1] < 20
    assert figure_size(copies(300)[0], None)[1] < 30


@pytest.mark.parametrize("name", ["$x_1$", "\x1b[2J", "n" * 300])
@pytest.mark.parametrize("kind", [".svg", ".png", ".html", ".txt"])
def test_that_any_name_can_be_drawn(tmp_path: Path, kind: str, name: str):
    instance, plan = two_paths()
    first, *others = instance.servers
    odd = replace(instance, name=name, servers=(replace(first, name=name), *others))
    hosted = (replace(plan.placement[0], server=name), *plan.placement[1:])
    drawn = Solution(hosted, (plan.routes[0], replace(plan.routes[1], path=(name,))))
    for solution in (None, drawn):
        write_picture(tmp_path / f"x{kind}", odd, solution)
        if kind == ".svg":
            ElementTree.fromstring((tmp_path / "x.svg").read_text(encoding="utf-8"))


def test_that_the_same_map_has_the_same_bytes(tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        write_picture(tmp_path / name, golden("tiny-a"), optimal_plan("tiny-a"))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
