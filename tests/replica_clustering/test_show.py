"""Pictures of plans: replicas, their stages in proportion to T, hops, memory; few and many."""

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
from replica_clustering.hand import AB_BEST, make, plan, replica, uniform_links
from shardopt.models.replica_clustering.data import Instance, Solution
from shardopt.replica_clustering.layout import first_rows, hidden_text, replica_rows
from shardopt.replica_clustering.plots import figure_size, plot_instance, plot_replicas
from shardopt.show import plan_table, text, write_picture

# Two stages: three blocks of 0.1 s; the hop takes 0.02 s; one block of 0.2 s and no head.
PAIR = plan(
    replica("decode", 1, ("a1", 0, 4)),
    replica("prefill", 1, ("a2", 0, 3), ("b1", 3, 4)),
)


def pair(**changes: Any) -> Instance:
    """Return the instance of `PAIR`, with a head of 0.03 s in decode and a device to spare."""
    instance = make("aabb", head_decode=(0.03, 0.05), activation=0.2, link=(1000.0, 0.0))
    return replace(instance, **changes)


def as_text(instance: Any, solution: Any = None, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(text(instance, solution, width))
    return capture.get()


def as_table(instance: Instance, solution: Solution) -> str:
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(plan_table(instance, solution))
    return capture.get()


def many(pairs: int) -> tuple[Instance, Solution]:
    """Return a plan with so many prefill replicas of one device and as many for decode."""
    replicas = [replica("prefill", 1, (f"b{n + 1}", 0, 4)) for n in range(pairs)]
    replicas += [replica("decode", 1, (f"a{n + 1}", 0, 4)) for n in range(pairs)]
    return make("a" * pairs + "b" * pairs), plan(*replicas)


def test_that_the_text_names_the_objective_and_the_bottleneck_of_the_paper() -> None:
    shown = as_text(make("ab"), AB_BEST)
    assert "slower phase 1.5 s; bottleneck 0.5 s" in shown
    assert "1 prefill: 1.25 requests/s; 1 decode: 0.6667 requests/s (slower)" in shown


def test_that_prefill_comes_first_and_replicas_keep_their_place_in_the_file() -> None:
    lines = as_text(pair(), PAIR).splitlines()
    titles = [line for line in lines if "replicas[" in line]
    assert titles == [
        "prefill (replicas[1]): T = 0.3 s, 3.333 requests/s",
        "decode (replicas[0]), q = 1, 1 request: T = 0.07 s, 0.2857 requests/s, "
        "14.29 tokens/s each",
    ]


def test_that_bars_are_in_proportion_to_the_time_of_the_replica() -> None:
    # T = 0.3 s of blocks, then the hop of 0.02 s, then 0.2 s.
    lines = as_text(pair(), PAIR, 100).splitlines()
    first, hop, second = lines[5:8]
    full = first.count("█")
    assert (hop.count("»"), second.count("█")) == (round(full / 15), round(full * 2 / 3))
    assert first.split("█")[-1] == " 0.3000 s  30 % memory"


def test_that_the_head_is_drawn_behind_the_blocks_of_the_master() -> None:
    lines = as_text(pair(), PAIR).splitlines()
    (bar,) = [line for line in lines if line.startswith("  a1 *")]
    blocks, head = bar.count("█"), bar.count("▒")
    assert head == pytest.approx(0.03 / 0.07 * (blocks + head), abs=1)
    assert "█" not in bar[bar.index("▒") :]


def test_that_a_head_too_short_for_a_column_is_drawn_all_the_same() -> None:
    tiny = make("ab", head_decode=(1e-9, 1e-9))
    assert "█▒ " in as_text(tiny, AB_BEST)


@pytest.mark.parametrize("width", [20, 40, 79, 100, 200])
def test_that_no_line_of_the_picture_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, as_text(pair(), PAIR, width).splitlines())) <= width


def test_that_unused_devices_are_named_or_counted() -> None:
    assert "not used: b2" in as_text(pair(), PAIR)
    assert "not used" not in as_text(make("ab"), AB_BEST)
    spare = as_text(make("ab" + "a" * 10), AB_BEST)
    assert "not used: a2, a3, a4, a5, a6 and 5 more (10 of 12 devices)" in spare


def test_that_a_plan_beyond_memory_and_token_rate_is_drawn_and_marked() -> None:
    tight = make("ab", memory=39.0, least_rate=30.0)
    shown = as_text(tight, AB_BEST)
    assert "NOT FEASIBLE: memory (2x), token-rate (1x)" in shown
    assert "103 % memory" in shown


def test_that_a_broken_plan_is_refused_with_the_reason() -> None:
    short = plan(replica("prefill", 1, ("b1", 0, 3)), *AB_BEST.replicas[1:])
    with pytest.raises(shardopt.InputError, match="cover"):
        text(make("ab"), short)


def test_that_the_table_has_a_line_for_each_stage_and_marks_the_master() -> None:
    rows = [line.split() for line in as_table(pair(), PAIR).splitlines()]
    (first,) = [row for row in rows if "prefill" in row]
    assert first[:7] == ["prefill", "a2", "*", "[0,", "3)", "30", "%"]
    assert ["b1", "[3,", "4)", "10", "%", "0.20000"] in rows


def test_that_of_very_many_replicas_the_first_are_shown_and_the_rest_counted() -> None:
    instance, solution = many(40)
    assert "and 30 decode replicas more" in as_text(instance, solution)
    assert "and 30 decode replicas more" in as_table(instance, solution)


def test_that_a_replica_with_more_stages_than_are_listed_is_shown_whole() -> None:
    rows = replica_rows(pair(), PAIR)
    shown = first_rows(rows, 1)
    assert [len(row.stages) for row in shown] == [2]
    assert hidden_text(rows, shown) == "and 1 decode replica more"
    assert hidden_text(rows, rows) == ""


def test_that_an_instance_alone_is_shown_as_its_model_workload_and_devices() -> None:
    shown = as_text(pair())
    for words in ("4 blocks of 10 B", "100 tokens in and 50 out", "at most 2 of them", "b2"):
        assert words in shown
    assert "uniform LAN: 1 kB/s, latency 0 s" in shown


def test_that_a_matrix_of_links_is_summarised() -> None:
    assert "links: 1 kB/s to 1 kB/s, latency 0 to 0 s" in as_text(uniform_links(pair()))
    assert "links: none, with one device" in as_text(uniform_links(make("a")))


@pytest.mark.parametrize("batch", [1, 2])
def test_that_an_instance_shows_decoding_in_a_batch_where_there_is_one(batch: int) -> None:
    assert ("q = 2" in as_text(make("ab", batch=batch))) == (batch == 2)


@pytest.mark.parametrize("solution", [None, PAIR])
def test_that_the_same_picture_has_the_same_bytes(tmp_path: Path, solution: Any) -> None:
    for name in ("a.svg", "b.svg"):
        write_picture(tmp_path / name, pair(), solution)
    svg = (tmp_path / "a.svg").read_bytes()
    assert svg == (tmp_path / "b.svg").read_bytes()
    ElementTree.fromstring(svg.decode())


@pytest.mark.parametrize("name", ["$x_1$", "\x1b[2J", "名前", "n" * 300, "a\nb"])
def test_that_any_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    made = make("ab")
    odd = replace(made, name=name, devices=(replace(made.devices[0], name=name), made.devices[1]))
    solution = plan(replica("prefill", 1, ("b1", 0, 4)), replica("decode", 2, (name, 0, 4)))
    for drawn in (None, solution):
        write_picture(tmp_path / "x.svg", odd, drawn)
        ElementTree.fromstring((tmp_path / "x.svg").read_text(encoding="utf-8"))


def test_that_the_picture_draws_on_the_axes_it_is_given() -> None:
    ax = Figure().subplots()
    assert plot_replicas(pair(), PAIR, ax) is ax
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["a2 *  [0, 3)", "b1  [3, 4)", "a1 *  [0, 4)"]
    assert ax.get_xlabel().endswith("not used: b2")


def test_that_memory_beyond_what_there_is_stands_in_red() -> None:
    def reds(memory: float) -> int:
        ax = plot_replicas(make("ab", memory=memory), AB_BEST, Figure().subplots())
        return sum(words.get_color() == "#c00000" for words in ax.texts)

    assert (reds(39.0), reds(40.0)) == (2, 0)


def test_that_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    def legend(instance: Instance, solution: Solution) -> list[str]:
        found = plot_replicas(instance, solution, Figure().subplots()).get_legend()
        assert found is not None
        return [words.get_text() for words in found.get_texts()]

    assert legend(make("ab"), AB_BEST) == ["prefill", "decode"]
    assert legend(pair(), PAIR) == ["prefill", "decode", "head", "hop"]


def test_that_a_picture_of_many_devices_stays_of_bounded_size() -> None:
    instance, solution = many(400)
    assert figure_size(instance, solution)[1] <= 60.0
    assert figure_size(instance, None)[1] <= 60.0
    ax = plot_instance(instance, Figure().subplots())
    assert "800 devices, the first 60 shown" in ax.get_title(loc="left")
