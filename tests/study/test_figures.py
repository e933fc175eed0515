"""Figures draw what the metrics say, on the axes that they are given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from shardopt.study import figures, metrics
from study.hand import frame, proof, run


@pytest.fixture
def ax():
    return Figure().subplots()


def three_instances():
    rows = []
    for n, name in enumerate(("a", "b", "c")):
        rows.append(proof(name, 10.0))
        rows.append(run(name, "even", 10.0 + 2 * n, trace=[[0.1, 20.0, None]]))
        rows.append(run(name, "harmonic", None if n == 2 else 10.0))
    return frame(*rows)


def line_of(ax, solver):
    (line,) = (line for line in ax.get_lines() if line.get_label() == solver)
    return line.get_xdata(), line.get_ydata()


def test_that_a_profile_starts_at_the_share_of_wins_and_ends_at_the_share_of_plans(ax):
    costs = metrics.plan_costs(metrics.compared(three_instances()))
    assert figures.plot_performance_profile(costs, ax) is ax
    x, y = line_of(ax, "harmonic")
    assert x[0] == 1.0
    assert y[0] == y[-1] == pytest.approx(2 / 3)
    x, y = line_of(ax, "even")
    assert (y[0], y[-1]) == (pytest.approx(2 / 3), 1.0)


def test_that_the_line_over_size_goes_through_the_medians(ax):
    assert figures.plot_gap_against_size(three_instances(), "size_devices", ax) is ax
    x, y = line_of(ax, "even")
    assert list(x) == [2, 3, 4]
    assert y == pytest.approx([0.0, 2 / 12, 4 / 14])


def test_that_many_sizes_are_put_into_classes(ax):
    rows = [
        row for n in range(40) for row in (proof(f"i{n:02}", 9.0), run(f"i{n:02}", "even", 10.0))
    ]
    figures.plot_gap_against_size(frame(*rows), "size_devices", ax)
    assert len(line_of(ax, "even")[0]) == 10


def test_that_the_distribution_has_a_row_per_solver(ax):
    assert figures.plot_gap_distribution(three_instances(), ax) is ax
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert sorted(names) == ["dssr", "even", "harmonic"]


def test_that_an_anytime_curve_falls_from_100_percent_to_the_final_mean_gap(ax):
    assert figures.plot_anytime(three_instances(), ax) is ax
    _, y = line_of(ax, "even")
    assert y[0] == 1.0
    assert y[-1] == pytest.approx(np.mean([0.0, 2 / 12, 4 / 14]))
    assert (np.diff(y) <= 0).all()
    assert line_of(ax, "harmonic")[1][-1] == pytest.approx(1 / 3)


def test_that_solvers_beyond_the_colours_differ_in_their_lines():
    looks = figures.looks_of(f"solver-{n}" for n in range(30))
    assert len({(look.colour, str(look.line)) for look in looks.values()}) == 30


def test_that_a_figure_makes_axes_of_its_own_when_it_gets_none():
    import matplotlib.pyplot as plt

    drawn = figures.plot_gap_distribution(three_instances())
    plt.close(drawn.figure)


def test_that_a_name_with_a_dollar_sign_is_drawn_as_it_is(ax):
    rows = [proof("a", 1.0), run("a", "even", 2.0, parameters={"note": "$x$ and $"})]
    figures.plot_anytime(frame(*rows), ax)
    ax.figure.canvas.draw()
