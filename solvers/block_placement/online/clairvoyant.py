"""`clairvoyant` (ours): what a policy could do at best that knew all sessions in advance.

A reference, not a policy: for few sessions, on a fixed placement, without back-off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shardopt.models.block_placement.bounds import chain_costs
from shardopt.models.block_placement.formulations.hindsight import Horizon, Option, Start
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import relative_gap
from shardopt.solvers.backends.messages import Bound, Incumbent, Job, Task
from shardopt.solvers.backends.process import answer_in_own_process
from shardopt.solvers.block_placement.online.ledger_mode import LedgerRun
from shardopt.solvers.block_placement.online.policies import optimized_rr, petals, ws_rr
from shardopt.solvers.block_placement.online.sessions import Kind, Path
from shardopt.solvers.budget import Budget
from shardopt.solvers.online.events import SAME_TIME_S
from shardopt.solvers.online.resources import SLACK

FORMULATION = "shardopt.models.block_placement.formulations.hindsight:build"
MOST_SESSIONS = 60
MOST_PATHS = 2000
LIMIT_S = 60.0


@dataclass
class ClairvoyantRun(LedgerRun):
    """Schedules all sessions at once.

    ``bound`` is proven for this placement, ``bound_any_placement`` for every one.
    """

    bound: float | None = field(init=False, default=None)
    bound_any_placement: float | None = field(init=False, default=None)

    def run(self) -> None:
        """Solve, starting from the best of the policies, and write down the best schedule."""
        count = len(self.sessions.arrival_s)
        if count > MOST_SESSIONS:
            raise InputError(f"{count} requests", f"at most {MOST_SESSIONS}", "clairvoyant")
        kinds = [self.view.kind(self.sessions[n]) for n in range(count)]
        numbers = [n for n in range(count) if kinds[n].waitless is not None]
        if not numbers:
            return
        paths = {kind: efficient_paths(kind) for kind in set(kinds)}
        arrival = self.sessions.arrival_s[numbers]
        horizon = Horizon(
            tuple((arrival - arrival[0]).tolist()),
            tuple(int(slots) for slots in self.site.slots),
            tuple(
                tuple(Option(p.service_s + self.delay_s, p.servers, p.slots) for p in paths[k])
                for k in (kinds[n] for n in numbers)
            ),
        )
        best = self._solved(horizon, numbers)
        for n, kind, start in zip(numbers, [kinds[n] for n in numbers], best, strict=True):
            path = paths[kind][start.option]
            wait_s = start.start_s + float(arrival[0]) - float(self.sessions.arrival_s[n])
            busy_s = path.service_s + self.delay_s
            self.keep(n, wait_s, path.prefill_s, wait_s + busy_s, path)
            for j, slots in zip(path.servers, path.slots, strict=True):
                self.used_s[j] += slots * busy_s
        self.bound_any_placement = self._below_any_placement(numbers)

    def metrics(self) -> dict[str, Any]:
        """Return the metrics with bounds and gap."""
        found = super().metrics()
        mean = found["session_mean_s"]
        # Rounding must not let a bound pass what it bounds.
        bound = None if mean is None or self.bound is None else min(self.bound, mean)
        gap = None if bound is None else relative_gap(mean, bound)
        any_placement = self.bound_any_placement
        return found | {"bound": bound, "gap": gap, "bound_any_placement": any_placement}

    def _solved(self, horizon: Horizon, numbers: list[int]) -> list[Start]:
        known = [
            self._of_policy(policy, horizon, numbers) for policy in (ws_rr, optimized_rr, petals)
        ]
        best = min(known, key=lambda plan: total_s(horizon, plan))
        task = Task(Job(horizon, FORMULATION, "cp-sat"), LIMIT_S, self.seed, 1, True, best)
        for message in answer_in_own_process(task, Budget(LIMIT_S), stopped=lambda: False):
            if isinstance(message, Bound):
                self.bound = max(message.value, self.bound or message.value)
            elif isinstance(message, Incumbent):
                plan = scheduled(horizon, message.solution)
                best = min(best, plan, key=lambda plan: total_s(horizon, plan))
        return best

    def _of_policy(self, policy: Any, horizon: Horizon, numbers: list[int]) -> list[Start]:
        """Return the schedule of a policy, on paths that are no worse than its own."""
        begun: dict[int, tuple[float, Path]] = {}
        run = _Witness(self.site, policy, self.sessions, self.delay_s, self.seed, back_off=False)
        run.begun = begun
        run.run()
        origin = float(self.sessions.arrival_s[numbers[0]])
        starts = []
        for options, n in zip(horizon.options, numbers, strict=True):
            start_s, path = begun[n]
            own = Option(path.service_s + self.delay_s, path.servers, path.slots)
            choice = next(i for i, option in enumerate(options) if no_worse(option, own))
            starts.append(Start(start_s - origin, choice))
        return starts

    def _below_any_placement(self, numbers: list[int]) -> float:
        """Return the mean of the delays and of the cheapest chains, at each one's own lengths."""
        instance, kinds = self.site.instance, {}
        total = 0.0
        for n in numbers:
            session = self.sessions[n]
            if session[1:] not in kinds:
                kind = self.view.kind(session)
                trip, block = (values.tolist() for values in kind.prompt)
                own = replace(
                    instance,
                    cost="session",
                    output_tokens=session.output_tokens,
                    cache_bytes_per_session=instance.cache_bytes_per_session * kind.share,
                    servers=tuple(
                        replace(server, prefill_s_per_block=s)
                        for server, s in zip(instance.servers, block, strict=True)
                    ),
                    clients=(replace(instance.clients[session.client], prefill_rtt_s=tuple(trip)),),
                )
                kinds[session[1:]] = float(chain_costs(make_tables(own))[0])
            total += kinds[session[1:]] + self.delay_s
        return total / len(numbers)


@dataclass
class _Witness(LedgerRun):
    """Remembers when each session starts, and on which path."""

    begun: dict[int, tuple[float, Path]] = field(init=False)

    def keep(
        self, number: int, wait_s: float, prefill_s: float, total_s: float, path: Path
    ) -> None:
        super().keep(number, wait_s, prefill_s, total_s, path)
        self.begun[number] = (float(self.sessions.arrival_s[number]) + wait_s, path)


def efficient_paths(kind: Kind) -> list[Path]:
    """Return the paths of a kind of session that no other one makes superfluous."""
    kept: list[Path] = []
    paths = sorted(_all_paths(kind), key=lambda path: (path.service_s, len(path.servers)))
    for path in paths:
        own = Option(path.service_s, path.servers, path.slots)
        others = (Option(p.service_s, p.servers, p.slots) for p in kept)
        if not any(no_worse(other, own) for other in others):
            kept.append(path)
    return kept


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


def _all_paths(kind: Kind) -> Iterator[Path]:
    """Yield every path; links never form a cycle."""
    first, between = kind.exists
    last = kind.site.last
    found = 0
    stack: list[tuple[int, ...]] = [(int(j),) for j in first.nonzero()[0][::-1]]
    while stack:
        servers = stack.pop()
        if last[servers[-1]] == 0.0:
            found += 1
            if found > MOST_PATHS:
                expected = f"a placement with at most {MOST_PATHS} paths"
                raise InputError("more paths", expected, "clairvoyant")
            yield kind.path(servers)
        stack += [(*servers, int(j)) for j in between[servers[-1]].nonzero()[0][::-1]]
