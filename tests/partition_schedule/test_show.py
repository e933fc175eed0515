"""Pictures of plans: who is served, who waits, who travels; few requests and many."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

import shardopt
from shardopt.models.partition_schedule.data import (
    Assignment,
    Block,
    Instance,
    Link,
    Node,
    Request,
    Solution,
    Tier,
)
from shardopt.partition_schedule.demand import demand, longest_run
from shardopt.partition_schedule.gantt_text import gantt_text
from shardopt.partition_schedule.plots import figure_size, plot_gantt, plot_instance
from shardopt.partition_schedule.spans import busy_share, make_spans, present, shown_nodes
from shardopt.show import plan_table, text, write_picture

close = pytest.approx


def small(**changes: Any) -> Instance:
    """Return two tiers of two nodes and three requests, to be worked out by hand."""
    made = Instance(
        name="small",
        source="by hand",
        blocks=(Block(1.0, 3, 2),) * 4,
        tiers=(
            Tier("near", (Node("n1", 1.0, 9), Node("n2", 2.0, 9))),
            Tier("far", (Node("f1", 4.0, 9), Node("f2", 1.0, 2))),
        ),
        links=(Link(0.5, 4.0),),
        requests=(Request(10.0, 1), Request(10.0, 2), Request(11.0, 2)),
        objective="mean-latency",
    )
    return replace(made, **changes)


# One block near, three far. Request 1 waits for n1 from 0 to 1, and 2 for f1 from 3 to 4.5.
SMALL = Solution(
    (1,),
    (
        Assignment(0, ("n1", "f1"), (10.0, 12.0)),
        Assignment(1, ("n1", "f1"), (11.0, 14.5)),
        Assignment(2, ("n2", "f1"), (11.0, 16.0)),
    ),
)


def as_text(instance: Any, solution: Any = None, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(text(instance, solution, width))
    return capture.get()


def in_turn(instance: Instance) -> Solution:
    """Return a plan with equal cuts that serves one request after the other on first nodes."""
    runs = demand(instance).equal_runs
    assignments, now = [], instance.requests[0].arrival_s
    names = tuple(tier.nodes[0].name for tier in instance.tiers)
    for r, request in enumerate(instance.requests):
        now, starts = max(now, request.arrival_s), []
        for j, (first, stop) in enumerate(runs):
            starts.append(now)
            work = sum(b.flops_per_token for b in instance.blocks[first:stop])
            now += request.tokens * work / instance.tiers[j].nodes[0].flops_per_s
            if j + 1 < len(runs):
                link, handed = instance.links[j], instance.blocks[stop - 1]
                bytes_ = request.tokens * handed.activation_bytes_per_token
                now += link.latency_s + bytes_ / link.bytes_per_s
        assignments.append(Assignment(r, names, tuple(starts)))
    return Solution(tuple(stop for _, stop in runs[:-1]), tuple(assignments))


def test_that_a_plan_is_worked_out_from_the_first_arrival_on() -> None:
    spans = make_spans(small(), SMALL)
    assert spans.runs == ((0, 1), (1, 4))
    assert spans.weights_bytes == (3, 9)
    assert spans.node.tolist() == [[0, 0], [0, 0], [1, 0]]
    assert spans.ready_s == close(np.array([[0, 2], [0, 4.5], [1, 3.5]]))
    assert spans.start_s == close(np.array([[0, 2], [1, 4.5], [1, 6]]))
    assert spans.end_s == close(np.array([[1, 2.75], [3, 6], [2, 7.5]]))
    assert spans.wait_s == close(np.array([[0, 0], [1, 0], [0, 2.5]]))


def test_that_a_start_a_rounding_error_after_the_arrival_is_no_waiting() -> None:
    late = replace(SMALL.assignments[0], start_s=(10.0, np.nextafter(12.0, 13.0)))
    spans = make_spans(small(), replace(SMALL, assignments=(late, *SMALL.assignments[1:])))
    assert not spans.wait_s[0].any()


def test_that_columns_of_time_count_who_is_present_and_how_long() -> None:
    start, end = np.array([0.0, 1.0, 2.5, 3.0]), np.array([2.0, 1.0, 3.0, 4.0])
    edges = np.arange(5.0)
    assert present(start, end, edges).tolist() == [1, 1, 1, 1]
    assert present(start, end, np.array([0.0, 4.0])).tolist() == [3]
    assert busy_share(start, end, edges) == close(np.array([1, 1, 0.5, 1]))


def test_that_the_text_chart_draws_each_request_at_its_time() -> None:
    spans = make_spans(small(), SMALL)
    margin = len("  on their way ")
    chart = gantt_text(small(), spans, margin + 75 + len(" 100 %")).plain.splitlines()
    # 7.5 s on 75 columns: a tenth of a second each.
    (n1,) = [n for n, line in enumerate(chart) if line.startswith("  n1")]
    assert chart[n1][margin:] == "0" * 10 + "1" * 20 + " " * 45 + "  40 %"
    assert chart[n1 + 1] == "    waiting".ljust(margin) + "1" * 10
    (way,) = [line for line in chart if line.startswith("  on their way")]
    assert way[margin:] == " " * 10 + "1" * 20 + "2" * 5 + "1" * 10
    (f1,) = [line for line in chart if line.startswith("  f1")]
    assert f1[margin:] == " " * 20 + "0" * 8 + " " * 17 + "1" * 15 + "2" * 15 + "  50 %"


@pytest.mark.parametrize("width", [40, 79, 100, 200])
def test_that_no_line_of_the_chart_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, as_text(small(), SMALL, width).splitlines())) <= width


def test_that_many_requests_are_shown_as_how_busy_a_node_is() -> None:
    many = shardopt.generate("partition-schedule", "stress", requests=200, spread=0.1)
    shown = as_text(many, in_turn(many))
    assert "▒" in shown.split("t1-1", 1)[1].splitlines()[0]
    assert "share of the time" in shown


def test_that_the_label_of_a_scaled_count_is_whole_whatever_the_number() -> None:
    many = shardopt.generate("partition-schedule", "stress", requests=2000, spread=0.01)
    lines = as_text(many, shardopt.solve(many, "arts").solution).splitlines()
    counts = [line for line in lines if line.startswith(("  on their way", "    waiting"))]
    assert any(re.match(r" +(on their way|waiting) \(9=\d{3,4}\) ", line) for line in counts)
    assert all(line.count("(") == line.count(")") for line in counts)
    few = as_text(small(), SMALL)
    assert "ninths" in lines[-2] + lines[-1]
    assert "ninths" not in few


def test_that_the_cuts_are_shown_as_a_strip_of_blocks_with_the_memory_they_take() -> None:
    shown = as_text(small(), SMALL)
    (near,) = [line for line in shown.splitlines() if line.startswith("near  █")]
    (far,) = [line for line in shown.splitlines() if line.startswith("far") and "█" in line]
    assert near.split() == ["near", "█···", "[0,", "1)", "3", "B", "33", "%"]
    assert far.split() == ["far", "·███", "[1,", "4)", "9", "B", "100", "%"]


def test_that_the_table_lists_every_node_with_its_requests_and_waiting() -> None:
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(plan_table(small(), SMALL))
    rows = [line.split() for line in capture.get().splitlines()]
    assert ["near", "n1", "[0,", "1)", "33", "%", "2", "3.000", "0.500", "1.000"] in rows
    assert ["f2", "[1,", "4)", "450", "%", "0"] in rows


def test_that_the_table_of_a_testbed_needs_no_more_than_80_columns() -> None:
    testbed = shardopt.generate("partition-schedule", "hyperion-llama3-8b")
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(plan_table(testbed, shardopt.solve(testbed, "arts").solution))
    shown = capture.get()
    assert "for mean-latency" in shown
    for tier in testbed.tiers:
        assert all(f" {node.name} " in shown for node in tier.nodes)


def test_that_a_plan_beyond_the_memory_and_the_times_is_drawn_and_marked(tmp_path: Path) -> None:
    broken = tuple(replace(a, nodes=("n1", "f2"), start_s=(10.0, 10.0)) for a in SMALL.assignments)
    shown = as_text(small(), replace(SMALL, assignments=broken))
    assert "NOT FEASIBLE" in shown
    for rule in ("memory", "arrival", "precedence", "no-overlap"):
        assert rule in shown
    write_picture(tmp_path / "x.svg", small(), replace(SMALL, assignments=broken))


def test_that_a_plan_without_an_objective_is_refused_with_the_reason() -> None:
    with pytest.raises(shardopt.InputError, match="served-once"):
        text(small(), replace(SMALL, assignments=SMALL.assignments[:2]))


def test_that_an_instance_alone_is_shown_with_what_fits_and_its_load() -> None:
    shown = as_text(small())
    for words in ("[0, 4)", "near to far", "3 blocks", "0 blocks", "does not fit", "0.5 s"):
        assert words in shown
    assert "3 requests of 1.667 tokens (1 to 2) over 1 s, a load of" in shown
    assert "1 request of 1 tokens" in as_text(small(requests=(Request(0, 1),)))
    assert "all at once" in as_text(small(requests=(Request(0, 1),) * 2))


def test_that_the_load_is_the_work_per_second_over_the_speed_of_all_nodes() -> None:
    figures = demand(small())
    assert figures.load == close(2 * (5 / 3) * 4 / 8)
    assert figures.equal_runs == ((0, 2), (2, 4))
    assert figures.equal_s[0] == close((10 / 3, 5 / 3))
    assert figures.equal_s[1] == (close(5 / 6), None)
    assert figures.transfer_s == close((0.5 + (5 / 3) * 2 / 4,))
    assert [longest_run(small(), memory) for memory in (2, 3, 8, 9, 100)] == [0, 1, 2, 3, 4]


def test_that_an_instance_with_too_few_blocks_for_its_tiers_has_a_picture(tmp_path: Path) -> None:
    few = small(blocks=(Block(1.0, 3, 2),))
    assert "does not fit" in as_text(few)
    write_picture(tmp_path / "x.svg", few)


@pytest.mark.parametrize("solution", [None, SMALL])
def test_that_the_same_picture_has_the_same_bytes(tmp_path: Path, solution: Any) -> None:
    for name in ("a.svg", "b.svg"):
        write_picture(tmp_path / name, small(), solution)
    svg = (tmp_path / "a.svg").read_bytes()
    assert svg == (tmp_path / "b.svg").read_bytes()
    ElementTree.fromstring(svg.decode())


@pytest.mark.parametrize("name", ["$x_1$", "[red]a", "\x1b[2J", "名前", "n" * 300, "a\nb"])
@pytest.mark.parametrize("kind", [".svg", ".html", ".txt"])
def test_that_any_name_can_be_drawn(tmp_path: Path, kind: str, name: str) -> None:
    near, far = small().tiers
    odd = small(name=name, tiers=(replace(near, name=name), replace(far, nodes=(
        replace(far.nodes[0], name=name), far.nodes[1]))))  # fmt: skip
    plan = replace(SMALL, assignments=tuple(
        replace(a, nodes=(a.nodes[0], name)) for a in SMALL.assignments))  # fmt: skip
    for solution in (None, plan):
        write_picture(tmp_path / f"x{kind}", odd, solution)
        if kind == ".svg":
            ElementTree.fromstring((tmp_path / "x.svg").read_text(encoding="utf-8"))


def texts(ax: Any) -> list[str]:
    return [found.get_text() for found in ax.texts]


def test_that_the_chart_has_a_line_per_node_and_names_tiers_and_requests() -> None:
    ax = Figure().subplots()
    assert plot_gantt(small(), SMALL, ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["n1", "n2", "f1", "f2"]
    assert "near:  blocks [0, 1), 3 B" in texts(ax)
    assert sorted(set(texts(ax)) & {"0", "1", "2"}) == ["0", "1", "2"]
    memory = texts(ax.child_axes[0])
    assert "100 % of 9 B" in memory and "450 % of 2 B" in memory


def test_that_the_picture_of_an_instance_marks_what_does_not_fit() -> None:
    ax = Figure().subplots()
    assert plot_instance(small(), ax) is ax
    assert any("an equal share does not fit" in words for words in texts(ax))


@pytest.mark.parametrize("requests", [1, 40, 150, 1000, 3000])
def test_that_few_and_many_requests_have_a_picture(tmp_path: Path, requests: int) -> None:
    made = shardopt.generate("partition-schedule", "stress", requests=requests, nodes=1)
    write_picture(tmp_path / "x.svg", made, in_turn(made))
    assert (tmp_path / "x.svg").stat().st_size < 4e6


def test_that_of_many_nodes_those_in_use_are_shown_and_the_others_counted() -> None:
    many = shardopt.generate("partition-schedule", "stress", nodes=100)
    last = tuple(tier.nodes[-1].name for tier in many.tiers)
    plan = in_turn(many)
    plan = replace(plan, assignments=(replace(plan.assignments[0], nodes=last),
                                      *plan.assignments[1:]))  # fmt: skip
    assert shown_nodes(many, make_spans(many, plan), 40) == [[0, 99]] * 3
    assert "98 more nodes, 0 of them in use" in as_text(many, plan)
    assert figure_size(many, plan)[1] < 10


def test_that_one_tier_where_all_happens_at_once_has_a_picture(tmp_path: Path) -> None:
    one = small(
        blocks=(Block(1e-9, 0, 0),),
        tiers=(Tier("only", (Node("n", 1e30, 1),)),),
        links=(),
        requests=(Request(0.0, 1),),
    )
    plan = Solution((), (Assignment(0, ("n",), (0.0,)),))
    assert "only" in as_text(one, plan)
    write_picture(tmp_path / "x.svg", one, plan)


@pytest.mark.parametrize("starts", [(10.0, 1e308), (-50.0, 3.0), (-1e308, 1e308)])
def test_that_starts_beyond_all_bounds_have_a_picture(tmp_path: Path, starts: Any) -> None:
    odd = replace(SMALL.assignments[0], start_s=starts)
    plan = replace(SMALL, assignments=(odd, *SMALL.assignments[1:]))
    assert "seconds" in as_text(small(), plan)
    write_picture(tmp_path / "x.svg", small(), plan)


def test_that_assignments_may_stand_in_any_order() -> None:
    turned = replace(SMALL, assignments=SMALL.assignments[::-1])
    assert as_text(small(), turned) == as_text(small(), SMALL)
