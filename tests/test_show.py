"""Pictures: as text, SVG, PNG and HTML, of plans and of instances, for any names and sizes."""

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
from shardopt.cold_start.phases import Phase, phases
from shardopt.cold_start.plots import plot_gantt, plot_instance
from shardopt.models.cold_start.data import Block, Device, Instance, plan
from shardopt.models.cold_start.evaluate import timeline
from shardopt.show import text, write_picture
from shardopt.units import nice_step


def two_devices(**changes: Any) -> Instance:
    """Return an instance whose plan loads, waits, receives and computes: spec section 7."""
    made = Instance(
        name="two-devices",
        source="by hand",
        blocks=(Block(10, 2, 1), Block(10, 2, 1)),
        devices=(Device("ann", 10, 1, 100, 2, 2), Device("bob", 10, 2, 100, 2, 2)),
        loading="whole-run",
    )
    return replace(made, **changes)


TWO = plan(two_devices(), [(0, 0, 1), (1, 1, 2)])


def as_text(instance: Any, solution: Any = None, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(text(instance, solution, width))
    return capture.get()


def test_that_a_whole_run_stage_loads_waits_receives_and_computes() -> None:
    second = timeline(two_devices(), TWO)[1]
    assert sorted(phases(second), key=lambda p: p.start_s) == [
        Phase("load", 0.0, 1.0),
        Phase("wait", 1.0, 3.0),
        Phase("receive", 3.0, 3.5),
        Phase("compute", 3.5, 4.5),
    ]


def test_that_layerwise_computing_is_interrupted_where_a_block_is_not_loaded_yet() -> None:
    instance = two_devices(loading="layerwise")
    (only,) = timeline(instance, plan(instance, [(0, 0, 2)]))
    computing = [p for p in phases(only) if p.kind == "compute"]
    assert computing == [Phase("compute", 2.0, 3.0), Phase("compute", 4.0, 5.0)]


def test_that_the_text_chart_draws_each_phase_at_its_time() -> None:
    # 4.5 s on 45 columns: a tenth of a second each.
    margin = len("bob  [1, 2)  ")
    chart = as_text(two_devices(), TWO, width=margin + 45 + len(" 3.000 s") + 1)
    (row,) = [line for line in chart.splitlines() if line.startswith("bob")]
    assert row[margin : margin + 45] == "░" * 10 + "·" * 20 + "»" * 5 + "█" * 10


def test_that_a_phase_too_short_for_a_column_is_drawn_all_the_same() -> None:
    instance = two_devices(link_latency_s=0.0, blocks=(Block(10, 2, 1e-9), Block(10, 2, 0)))
    assert "»" in as_text(instance, plan(instance, [(0, 0, 1), (1, 1, 2)])).split("receive")[0]


@pytest.mark.parametrize("width", [20, 40, 79, 100, 200])
def test_that_no_line_of_the_chart_is_wider_than_the_terminal(width: int) -> None:
    chart = as_text(two_devices(), TWO, width)
    assert max(map(len, chart.splitlines())) <= width


def test_that_a_plan_of_no_duration_has_a_picture() -> None:
    nothing = two_devices(blocks=(Block(0, 0, 0), Block(0, 0, 0)))
    assert "0.000 s" in as_text(nothing, TWO)


def test_that_unused_devices_are_named_or_counted() -> None:
    many = shardopt.generate("cold-start", "random-edge", devices=40)
    whole = plan(many, [(0, 0, 1), *[(k, k, k + 1) for k in range(1, 40)]])
    alone = replace(many, devices=tuple(replace(d, memory_bytes=1e30) for d in many.devices))
    assert "not used" not in as_text(many, whole)
    assert "34 more (39 of 40 devices)" in as_text(alone, plan(alone, [(0, 0, 40)]))
    assert "not used: bob" in as_text(two_devices(), plan(two_devices(), [(0, 0, 2)]))


def test_that_a_plan_beyond_the_memory_is_drawn_and_marked() -> None:
    small = two_devices(devices=(Device("ann", 10, 1, 1, 2, 2),))
    assert "NOT FEASIBLE" in as_text(small, plan(small, [(0, 0, 2)]))


def test_that_a_broken_plan_is_refused_with_the_reason() -> None:
    with pytest.raises(shardopt.InputError, match="last-block"):
        text(two_devices(), plan(two_devices(), [(0, 0, 1)]))


def test_that_an_instance_alone_is_shown_as_its_blocks_and_devices() -> None:
    shown = as_text(two_devices())
    for words in ("[0, 2)", "ann", "bob", "10 FLOP/s", "uplink", "100 B"):
        assert words in shown


def test_that_a_matrix_of_links_is_summarised() -> None:
    linked = two_devices(links_bytes_per_s=((0.0, 5e6), (7e6, 0.0)))
    assert "links: 5 MB/s to 7 MB/s" in as_text(linked)


@pytest.mark.parametrize("solution", [None, TWO])
def test_that_the_same_picture_has_the_same_bytes(tmp_path: Path, solution: Any) -> None:
    for name in ("a.svg", "b.svg"):
        write_picture(tmp_path / name, two_devices(), solution)
    svg = (tmp_path / "a.svg").read_bytes()
    assert svg == (tmp_path / "b.svg").read_bytes()
    assert b"<dc:date>" not in svg
    ElementTree.fromstring(svg.decode())


def test_that_a_png_is_a_png(tmp_path: Path) -> None:
    write_picture(tmp_path / "x.png", two_devices(), TWO)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_that_the_page_stands_alone_and_says_the_same_as_text(tmp_path: Path) -> None:
    named = two_devices(name="<b>&amp;")
    write_picture(tmp_path / "x.html", named, TWO)
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<svg" in page and "plan (times in seconds)" in page
    assert "<b>" not in page and "&lt;b&gt;&amp;amp;" in page
    assert "src=" not in page and "<link" not in page


def test_that_the_text_file_is_the_text_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "x.txt", two_devices(), TWO)
    assert "»" in (tmp_path / "x.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["$x_1$", "[red]a", "\x1b[2J", "名前", "n" * 300, "a\nb"])
@pytest.mark.parametrize("kind", [".svg", ".png", ".html", ".txt"])
def test_that_any_name_can_be_drawn(tmp_path: Path, kind: str, name: str) -> None:
    first, second = two_devices().devices
    odd = two_devices(name=name, devices=(replace(first, name=name), second))
    for solution in (None, plan(odd, [(0, 0, 1), (1, 1, 2)])):
        write_picture(tmp_path / f"x{kind}", odd, solution)
        if kind == ".svg":
            ElementTree.fromstring((tmp_path / "x.svg").read_text(encoding="utf-8"))


@pytest.mark.parametrize("loading", ["whole-run", "layerwise"])
def test_that_the_chart_draws_on_the_axes_it_is_given(loading: Any) -> None:
    ax = Figure().subplots()
    assert plot_gantt(two_devices(loading=loading), TWO, ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ann  [0, 1)", "bob  [1, 2)"]
    assert [t.get_text() for t in ax.texts][-1].startswith("F2 = ")


def test_that_the_chart_makes_its_own_axes_when_given_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    assert plot_gantt(two_devices(), TWO).get_xlabel().startswith("seconds")
    assert plot_instance(two_devices()).get_title(loc="left").startswith("two-devices")
    plt.close("all")


@pytest.mark.parametrize(("span", "step"), [(4.2, 0.5), (1.0, 0.1), (90.0, 10.0), (0.0, 1.0)])
def test_that_the_ruler_has_round_steps(span: float, step: float) -> None:
    assert nice_step(span, 10) == pytest.approx(step)
