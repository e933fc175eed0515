"""Networks of the three resources, against closed forms of queueing theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shardopt.solvers.online.arrivals import generated
from shardopt.solvers.online.events import Agenda, Priority
from shardopt.solvers.online.machines import Machine
from shardopt.solvers.online.randomness import stream
from shardopt.solvers.online.resources import Link, Slots, Station

RUNS = 30
COUNT = 4000
WARM = COUNT // 5
T_99 = 2.7564
"""Student's t, 29 degrees of freedom, two-sided 99%."""


def assert_mean(values: list[float], expected: float) -> None:
    half = T_99 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    assert abs(np.mean(values) - expected) <= half


def tandem(seed: int) -> float:
    """Two stations in a row, rates 1 and 2, with a link between; return the mean time in them."""
    rng = stream(seed, "service")
    work = rng.exponential(1.0, (COUNT, 2))
    arrivals = generated("poisson:0.6", COUNT, seed).arrival_s
    first, second, link = Station(1.0), Station(2.0), Link(0.25, 4.0)
    agenda, total = Agenda(), np.zeros(COUNT)

    def arrive(now_s: float, number: int) -> None:
        _, end_s = first.add(now_s, float(work[number, 0]))
        agenda.schedule(link.send(end_s, 1.0), Priority.RETRY, cross, number)

    def cross(now_s: float, number: int) -> None:
        _, end_s = second.add(now_s, float(work[number, 1]))
        total[number] = end_s - arrivals[number]

    agenda.schedule_arrivals(arrivals.tolist(), arrive)
    agenda.run()
    return float(total[WARM:].mean())


def test_that_stations_in_a_row_behave_as_if_they_were_alone():
    """Burke's theorem: what leaves an M/M/1 queue is again Poisson."""
    expected = 1 / (1 - 0.6) + (0.25 + 0.25) + 1 / (2 - 0.6)
    assert_mean([tandem(seed) for seed in range(RUNS)], expected)


def feedback(seed: int) -> float:
    """A station that a quarter of its jobs enter once more; return the mean time in the system."""
    rng = stream(seed, "service")
    again = rng.geometric(0.75, COUNT)
    arrivals = generated("poisson:0.5", COUNT, seed).arrival_s
    station, agenda, total = Station(1.0), Agenda(), np.zeros(COUNT)

    def enter(now_s: float, number: int) -> None:
        _, end_s = station.add(now_s, float(rng.exponential(1.0)))
        agenda.schedule(end_s, Priority.END, leave, number)

    def leave(now_s: float, number: int) -> None:
        again[number] -= 1
        if again[number]:
            enter(now_s, number)
        else:
            total[number] = now_s - arrivals[number]

    agenda.schedule_arrivals(arrivals.tolist(), enter)
    agenda.run()
    return float(total[WARM:].mean())


def test_that_a_station_with_feedback_behaves_as_jacksons_theorem_says():
    load = 0.5 / 0.75
    assert_mean([feedback(seed) for seed in range(RUNS)], load / (1 - load) / 0.5)


def mixed(seed: int) -> float:
    """One machine with short and long jobs; return the mean wait."""
    long = stream(seed, "service").random(COUNT) < 0.1
    arrivals = generated("poisson:0.4", COUNT, seed).arrival_s
    machine = Machine(2.0)
    waits = [
        machine.add(now_s, 10.0 if is_long else 2.0, None).start_s - now_s
        for now_s, is_long in zip(arrivals.tolist(), long, strict=True)
    ]
    return float(np.mean(waits[WARM:]))


def test_that_long_jobs_among_short_ones_cost_what_pollaczek_and_khinchine_say():
    mean, square = 0.9 * 1 + 0.1 * 5, 0.9 * 1 + 0.1 * 25
    expected = 0.4 * square / (2 * (1 - 0.4 * mean))
    assert_mean([mixed(seed) for seed in range(RUNS)], expected)


def lost(seed: int) -> float:
    """Slots for which nobody waits; return the share of those who find none."""
    held_s = stream(seed, "service").exponential(1.0, COUNT)
    arrivals = generated("poisson:3", COUNT, seed).arrival_s
    slots, agenda, refused = Slots(4), Agenda(), []

    def arrive(now_s: float, number: int) -> None:
        refused.append(not slots.fits(1))
        if slots.fits(1):
            slots.claim(now_s, 1)
            agenda.schedule(now_s + held_s[number], Priority.END, slots.release, 1)

    agenda.schedule_arrivals(arrivals.tolist(), arrive)
    agenda.run()
    assert slots.used == 0
    return float(np.mean(refused[WARM:]))


def test_that_as_many_are_refused_as_erlang_says():
    terms = [3.0**n / math.factorial(n) for n in range(5)]
    assert_mean([lost(seed) for seed in range(RUNS)], terms[4] / sum(terms))


def test_that_a_link_holds_as_many_as_littles_law_says():
    link = Link(1.5, 2.0)
    arrivals = generated("poisson:4", COUNT, 1).arrival_s
    sent = [link.send(now_s, 1.0) for now_s in arrivals.tolist()]
    assert np.array(sent) - arrivals == pytest.approx(np.full(COUNT, 2.0))
    assert link.busy_s == pytest.approx(0.5 * COUNT)


# -- machines ------------------------------------------------------------------------------------


def test_that_a_machine_is_slow_for_what_starts_in_its_spells():
    machine = Machine(2.0, [(5.0, 9.0, 3.0), (8.0, 20.0, 2.0)])
    ends = [machine.add(0.0, 8.0, n).end_s for n in range(4)]
    # 4 s each; from 4 on still; the third starts at 8, in both spells; the last at 32.
    assert ends == [4.0, 8.0, 32.0, 36.0]


def test_that_a_slow_machine_works_off_its_jobs_at_the_pace_of_each():
    machine = Machine(1.0, [(0.0, 1.0, 4.0)])
    machine.add(0.0, 10.0, "slow")
    machine.add(0.0, 10.0, "usual")
    assert [machine.outstanding(t) for t in (0.0, 20.0, 40.0, 45.0, 50.0, 60.0)] == [
        *(20.0, 15.0, 10.0, 5.0, 0.0, 0.0),
    ]


def test_that_a_machine_that_fails_loses_what_has_not_ended_and_begins_anew():
    machine = Machine(1.0)
    jobs = [machine.add(0.0, 3.0, n) for n in range(3)]
    assert [job.visit for job in machine.fail(4.0)] == [1, 2]
    assert [job.lost for job in jobs] == [False, True, True]
    assert machine.station.busy_s == pytest.approx(4.0)
    assert machine.outstanding(4.0) == 0.0
    assert machine.add(5.0, 1.0, 9).end_s == 6.0


def test_that_what_ends_as_a_machine_fails_has_ended():
    machine = Machine(1.0)
    machine.add(0.0, 3.0, 0)
    assert machine.fail(3.0 - 5e-10) == []
