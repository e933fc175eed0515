"""The event core and its resources, against closed forms of queueing theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shardopt.solvers.online.arrivals import generated
from shardopt.solvers.online.events import Agenda, Priority
from shardopt.solvers.online.randomness import stream
from shardopt.solvers.online.resources import Link, Slots, Station
from shardopt.solvers.online.statistics import Record

RUNS = 30
T_99 = 2.7564
"""Student's t, 29 degrees of freedom, two-sided 99%."""


def queue(seed: int, rate: float, servers: int, deterministic: bool, count: int) -> Record:
    """Run one FIFO station with mean work 1 and warm-up left in."""
    arrivals = generated(f"poisson:{rate}", count, seed).arrival_s
    work = np.ones(count) if deterministic else stream(seed, "service").exponential(1.0, count)
    station, agenda, record = Station(1.0, servers), Agenda(), Record(arrivals)

    def arrive(now_s: float, number: int) -> None:
        start_s, end_s = station.add(now_s, float(work[number]))
        record.wait_s[number] = start_s - now_s
        agenda.schedule(end_s, Priority.END, leave, number)

    def leave(now_s: float, number: int) -> None:
        record.total_s[number] = now_s - arrivals[number]

    agenda.schedule_arrivals(arrivals.tolist(), arrive)
    agenda.run()
    assert station.busy_s == pytest.approx(work.sum())  # work is conserved
    return record


def interval(values: list[float]) -> tuple[float, float]:
    half = T_99 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


@pytest.mark.parametrize(
    ("rate", "servers", "deterministic", "wait"),
    [
        pytest.param(0.8, 1, False, 4.0, id="M/M/1"),
        pytest.param(0.8, 1, True, 2.0, id="M/D/1"),
        pytest.param(1.6, 2, False, 16 / 9, id="M/M/2"),
    ],
)
def test_that_mean_waits_agree_with_the_closed_form(rate, servers, deterministic, wait):
    count = 8000
    warm = count // 10
    runs = [queue(seed, rate, servers, deterministic, count) for seed in range(RUNS)]
    low, high = interval([float(run.wait_s[warm:].mean()) for run in runs])
    assert low <= wait <= high
    low, high = interval([float(run.total_s[warm:].mean()) for run in runs])
    assert low <= wait + 1 <= high


def test_that_littles_law_holds_exactly_on_a_run_that_drains():
    record = queue(3, 0.8, 1, False, 2000)
    changes = [(t, 1) for t in record.arrival_s]
    changes += [(t, -1) for t in record.arrival_s + record.total_s]
    area, inside, last = 0.0, 0, 0.0
    for time, step in sorted(changes):
        area += inside * (time - last)
        inside, last = inside + step, time
    assert inside == 0
    assert area == pytest.approx(record.total_s.sum(), rel=1e-9)


def test_that_a_faster_station_never_lets_anybody_wait_longer():
    arrivals = generated("poisson:0.9", 500, 1).arrival_s
    work = stream(1, "service").exponential(1.0, 500)
    waits = []
    for rate in (1.0, 1.3):
        station = Station(rate)
        waits.append([station.add(t, w)[0] - t for t, w in zip(arrivals, work, strict=True)])
    assert all(fast <= slow + 1e-12 for slow, fast in zip(*waits, strict=True))


def test_that_events_at_one_time_come_in_the_stated_order():
    agenda, seen = Agenda(), []
    for priority in reversed(Priority):
        agenda.schedule(1.0, priority, lambda _, name: seen.append(name), priority.name)
    agenda.schedule(1.0 + 5e-10, Priority.END, lambda _, name: seen.append(name), "late end")
    agenda.schedule(0.5, Priority.CONTROL, lambda _, name: seen.append(name), "before")
    agenda.run()
    assert seen == ["before", "END", "late end", "RETRY", "ARRIVAL", "CONTROL"]


def test_that_what_is_scheduled_now_comes_before_what_is_left_of_now():
    agenda, seen = Agenda(), []

    def arrive(now_s, number):
        seen.append(("arrival", number))
        agenda.schedule(now_s, Priority.END, lambda _, n: seen.append(("end", n)), number)

    agenda.schedule_arrivals([1.0, 1.0], arrive)
    agenda.run()
    assert seen == [("arrival", 0), ("end", 0), ("arrival", 1), ("end", 1)]


def test_that_arrivals_at_one_time_come_by_their_number():
    agenda, seen = Agenda(), []
    agenda.schedule_arrivals([0.0, 0.0, 0.0, 2.0], lambda _, number: seen.append(number))
    agenda.run()
    assert seen == [0, 1, 2, 3]


def test_that_slots_integrate_their_use_and_refuse_what_they_do_not_have():
    slots = Slots(3)
    slots.claim(1.0, 2)
    assert slots.fits(1) and not slots.fits(1.1)
    with pytest.raises(ValueError, match="claimed"):
        slots.claim(1.0, 2)
    slots.release(4.0, 2)
    assert slots.used_s == 6.0
    with pytest.raises(ValueError, match="released"):
        slots.release(4.0, 1)


def test_that_a_station_knows_its_outstanding_work():
    station = Station(2.0)
    assert station.add(0.0, 4.0) == (0.0, 2.0)
    assert station.add(1.0, 2.0) == (2.0, 3.0)
    assert station.outstanding(1.0) == 4.0
    assert station.outstanding(5.0) == 0.0


def test_that_a_fifo_link_sends_one_after_the_other_and_another_link_does_not():
    assert [Link(0.5, 2.0, fifo=True).send(0.0, 4.0)] == [2.5]
    link = Link(0.5, 2.0, fifo=True)
    assert [link.send(0.0, 4.0), link.send(1.0, 4.0)] == [2.5, 4.5]
    shared = Link(0.5, 2.0)
    assert [shared.send(0.0, 4.0), shared.send(1.0, 4.0)] == [2.5, 3.5]
