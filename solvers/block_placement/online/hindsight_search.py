"""The best schedule of sessions that are all known, and a bound on every schedule (ours)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shardopt.models.block_placement.formulations.hindsight import Horizon, Option, Start, alike
from shardopt.models.block_placement.formulations.hindsight_counts import columns_needed
from shardopt.models.result import OPTIMALITY_TOLERANCE, relative_gap
from shardopt.solvers.backends.messages import Bound, Ended, Incumbent, Job, Task
from shardopt.solvers.backends.process import answer_in_own_process
from shardopt.solvers.budget import Budget
from shardopt.solvers.online.events import SAME_TIME_S
from shardopt.solvers.online.resources import SLACK

FORMULATIONS = "shardopt.models.block_placement.formulations."
ALIKE = ((4, 10), (4, 20), (4, 40), (4, 80), (4, 160))
"""Into how many groups sessions and into how many steps the shortest of them are cut, in turn."""
UNALIKE = ((3, 3), (8, 6))
"""The same where sessions are of many kinds."""
MOST_COUNTS = 20_000
LIMIT_S = 60.0
FIRST_S = 6.0


@dataclass
class Search:
    """The best schedule and the best bound on the mean time so far.

    CP-SAT schedules well and closes what is small; where many wait it proves nothing. There
    counting starts on a grid of time proves nearly all, the more the finer the grid.
    """

    horizon: Horizon
    best: list[Start]
    bound: float
    seed: int

    @property
    def mean_s(self) -> float:
        """The mean time from arrival to end in the best schedule."""
        return total_s(self.horizon, self.best) / len(self.best)

    def closed(self) -> bool:
        """Return whether nothing is left to find."""
        return relative_gap(self.mean_s, self.bound) <= OPTIMALITY_TOLERANCE

    def run(self, limit_s: float = LIMIT_S) -> None:
        """Search for so long at most."""
        budget = Budget(limit_s)
        schedule = Job(self.horizon, FORMULATIONS + "hindsight:build", "cp-sat")
        self.ask(schedule, min(FIRST_S, limit_s))
        many = len(alike(self.horizon)) > ALIKE[0][0]
        for groups, steps in UNALIKE if many else ALIKE:
            last_s = max(start.start_s for start in self.best)
            grid = (steps, last_s + self.shortest_s(), groups)
            if self.closed() or columns_needed(self.horizon, *grid) > MOST_COUNTS:
                break
            options = dict(zip(("per_shortest", "until_s", "most_groups"), grid, strict=True))
            counts = Job(self.horizon, FORMULATIONS + "hindsight_counts:build", "highs", options)
            if not self.ask(counts, budget.left() / 2):
                break  # what is finer takes longer still
        self.ask(schedule, budget.left())

    def shortest_s(self) -> float:
        """Return the shortest time that any session holds its slots."""
        return min(option.duration_s for options in self.horizon.options for option in options)

    def ask(self, job: Job, seconds: float) -> bool:
        """Let a backend look for schedules and bounds; return whether it came to an end."""
        if self.closed() or seconds < 0.1:
            return False
        task = Task(job, seconds, self.seed, 1, True, self.best)
        completed = False
        for message in answer_in_own_process(task, Budget(seconds), stopped=self.closed):
            if isinstance(message, Bound):
                self.bound = max(self.bound, message.value)
            elif isinstance(message, Incumbent):
                plan = scheduled(self.horizon, message.solution)
                self.best = min(self.best, plan, key=lambda plan: total_s(self.horizon, plan))
            elif isinstance(message, Ended):
                completed = message.termination == "completed"
        return completed


def no_worse(one: Option, other: Option) -> bool:
    """Return whether one is as short as the other and uses no more slots on any server."""
    room = dict(zip(other.servers, other.slots, strict=True))
    uses = zip(one.servers, one.slots, strict=True)
    fits = all(slots <= room.get(j, 0) for j, slots in uses)
    return fits and one.duration_s <= other.duration_s + SAME_TIME_S


def scheduled(horizon: Horizon, plan: Sequence[Start]) -> list[Start]:
    """Return a schedule in exact times: in the plan's order, each as early as there is room."""
    placed: list[tuple[float, float, Option]] = []
    exact: dict[int, Start] = {}
    for r in sorted(range(len(plan)), key=lambda r: (plan[r].start_s, r)):
        option = horizon.options[r][plan[r].option]
        arrival_s = horizon.arrival_s[r]
        times = sorted({arrival_s, *(end for _, end, _ in placed if end > arrival_s)})
        start_s = next(t for t in times if _has_room(horizon, placed, option, t))
        placed.append((start_s, start_s + option.duration_s, option))
        exact[r] = Start(start_s, plan[r].option)
    return [exact[r] for r in range(len(plan))]


def total_s(horizon: Horizon, plan: Sequence[Start]) -> float:
    """Return the sum of all times from arrival to end."""
    sessions = zip(horizon.arrival_s, horizon.options, plan, strict=True)
    return sum(p.start_s + options[p.option].duration_s - a for a, options, p in sessions)


def _has_room(
    horizon: Horizon, placed: list[tuple[float, float, Option]], option: Option, start_s: float
) -> bool:
    """Return whether the servers have the slots from a start to its end."""
    end_s = start_s + option.duration_s
    over = [p for p in placed if p[0] < end_s - SAME_TIME_S and p[1] > start_s + SAME_TIME_S]
    moments = [start_s, *(p[0] for p in over if p[0] > start_s)]
    for j, slots in zip(option.servers, option.slots, strict=True):
        held = [(a, b, dict(zip(o.servers, o.slots, strict=True)).get(j, 0)) for a, b, o in over]
        for t in moments:
            used = sum(n for a, b, n in held if a <= t + SAME_TIME_S and b > t + SAME_TIME_S)
            if used + slots > horizon.capacity[j] + SLACK:
                return False
    return True
