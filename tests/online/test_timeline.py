"""What a run looks like over time: the numbers, the picture, and the lines for the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import shardopt
from shardopt.models.errors import InputError
from shardopt.simulation_plots import timeline_lines, write_timelines
from shardopt.solvers.online.timeline import BINS, MOST_POINTS, WINDOWS, timeline


@pytest.fixture(scope="module")
def found():
    """Return what two policies do with bursts, with and without constants."""
    return shardopt.simulate(
        shardopt.generate("block-placement", "bloom-clustered-9"),
        "ws-rr,petals",
        arrivals="gamma:0.4:3",
        requests=120,
        allocation_delay="5",
    )


def random_times(count, seed=0):
    rng = np.random.default_rng(seed)
    arrival = 7.0 + np.cumsum(rng.exponential(1.0, count))
    wait = rng.exponential(3.0, count)
    return arrival, wait, wait + rng.exponential(5.0, count)


def test_that_areas_under_the_curves_are_the_sums_of_all_times_and_waits():
    arrival, wait, total = random_times(3000)
    over_time = timeline(arrival, wait, total)
    width = np.diff(over_time["edges_s"])
    assert (width * over_time["in_system"]).sum() == pytest.approx(total.sum())
    assert (width * over_time["waiting"]).sum() == pytest.approx(wait.sum())


def test_that_each_span_has_the_mean_of_a_plain_count():
    arrival, wait, total = random_times(40, seed=1)
    over_time = timeline(arrival, wait, total)
    edges = over_time["edges_s"]
    for n in (0, 17, BINS - 1):
        start, stop = edges[n], edges[n + 1]
        inside = np.minimum(arrival + total, stop) - np.maximum(arrival, start)
        counted = np.maximum(inside, 0).sum() / (stop - start)
        assert over_time["in_system"][n] == pytest.approx(counted, abs=1e-9)


def test_that_rejected_requests_are_counted_where_they_arrive():
    arrival = np.array([0.0, 5.0, 10.0])
    nothing = np.array([np.nan, 1.0, np.nan])
    over_time = timeline(arrival, nothing, nothing)
    assert over_time["rejected"][0] == over_time["rejected"][-1] == 1
    assert sum(over_time["rejected"]) == 2
    assert over_time["points"] == {"arrival_s": [5.0], "wait_s": [1.0]}


def test_that_running_percentiles_move_with_the_waits():
    arrival = np.arange(1000.0)
    wait = np.where(arrival < 500, 1.0, 4.0)
    running = timeline(arrival, wait, wait + 1)["running"]
    assert running["p50_s"][0] == running["p95_s"][0] == 1.0
    assert running["p50_s"][-1] == running["p95_s"][-1] == 4.0
    assert running["arrival_s"] == sorted(running["arrival_s"])


def test_that_its_size_does_not_grow_with_the_number_of_requests():
    sizes = []
    for count in (10_000, 300_000):
        over_time = timeline(*random_times(count))
        assert len(over_time["in_system"]) == BINS
        assert len(over_time["points"]["wait_s"]) == MOST_POINTS
        assert len(over_time["running"]["p50_s"]) == WINDOWS
        sizes.append(len(json.dumps(over_time)))
    assert sizes[1] < 1.2 * sizes[0]


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21])
def test_that_few_requests_are_all_shown(count):
    over_time = timeline(*random_times(count))
    assert len(over_time["points"]["wait_s"]) == count
    assert len(over_time["running"]["p50_s"]) == max(0, count - 19)


@pytest.mark.parametrize("kind", ["svg", "png", "txt"])
def test_that_pictures_have_the_same_bytes_every_time(tmp_path, found, kind):
    paths = [tmp_path / f"{n}.{kind}" for n in range(2)]
    for path in paths:
        write_timelines(path, found)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert len(first) > 200


def test_that_a_picture_says_what_it_shows(tmp_path, found):
    path = tmp_path / "picture.html"
    write_timelines(path, found)
    page = path.read_text(encoding="utf-8")
    assert "<svg" in page and "gamma:0.4:3" in page and "up to" in page


def test_that_a_run_in_which_nothing_was_completed_can_be_drawn(tmp_path):
    instance = shardopt.generate("block-placement", "bloom-clustered-9")
    trace = tmp_path / "long.csv"
    trace.write_text("arrival_s,input_tokens,output_tokens\n0,900000,900000\n", encoding="utf-8")
    found = shardopt.simulate(instance, "ws-rr", arrivals=str(trace))
    assert found["policies"]["ws-rr"]["rejected"] == 1
    write_timelines(tmp_path / "empty.svg", found)
    assert timeline_lines(found, 80)


@pytest.mark.parametrize("name", ["picture", "picture.gif", "no/such/folder.svg"])
def test_that_pictures_that_cannot_be_written_are_refused(tmp_path, found, name):
    with pytest.raises(InputError) as caught:
        write_timelines(tmp_path / name, found)
    assert Path(name).name in caught.value.file


def test_that_the_lines_for_a_terminal_keep_to_its_width(found):
    for width in (60, 100):
        lines = timeline_lines(found, width)
        assert len(lines) == 4
        assert max(map(len, lines)) <= width
        assert lines[0].startswith("ws-rr") and lines[2].startswith("petals")
