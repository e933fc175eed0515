"""`clairvoyant` (ours): what a policy could do at best that knew all sessions in advance.

A reference, not a policy: for few sessions, on a fixed placement, without back-off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from shardopt.models.block_placement.bounds import chain_costs
from shardopt.models.block_placement.formulations.hindsight import (
    Horizon,
    Option,
    Start,
    reachable,
)
from shardopt.models.block_placement.tables import make_tables
from shardopt.models.errors import InputError
from shardopt.models.result import relative_gap
from shardopt.solvers.block_placement.online.hindsight_search import Search, no_worse, total_s
from shardopt.solvers.block_placement.online.ledger_mode import LedgerRun
from shardopt.solvers.block_placement.online.policies import optimized_rr, petals, ws_rr
from shardopt.solvers.block_placement.online.sessions import Kind, Path

MOST_SESSIONS = 60
MOST_PATHS = 2000


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
            self._capacity([paths[kinds[n]] for n in numbers]),
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

    def _capacity(self, paths: list[list[Path]]) -> tuple[int, ...]:
        """Return how many slots of each server sessions can fill between them."""
        used: list[set[float]] = [set() for _ in self.site.slots]
        for path in {path for options in paths for path in options}:
            for j, slots in zip(path.servers, path.slots, strict=True):
                used[j].add(slots)
        return tuple(
            reachable(int(slots), amounts)
            for slots, amounts in zip(self.site.slots, used, strict=True)
        )

    def _solved(self, horizon: Horizon, numbers: list[int]) -> list[Start]:
        """Search from the best of the policies, and from times without any waits."""
        known = [
            self._of_policy(policy, horizon, numbers) for policy in (ws_rr, optimized_rr, petals)
        ]
        best = min(known, key=lambda plan: total_s(horizon, plan))
        shortest = [min(option.duration_s for option in options) for options in horizon.options]
        search = Search(horizon, best, sum(shortest) / len(shortest), self.seed)
        search.run()
        self.bound = search.bound
        return search.best

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
