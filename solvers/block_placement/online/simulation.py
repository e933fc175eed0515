"""Runs policies on one stream of sessions (arXiv 2512.21884; mode `physical` is ours)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from shardopt.models.block_placement.data import Instance, Solution
from shardopt.models.errors import InputError
from shardopt.models.requests import Requests
from shardopt.solvers.block_placement.online.clairvoyant import ClairvoyantRun
from shardopt.solvers.block_placement.online.ledger_mode import LedgerRun
from shardopt.solvers.block_placement.online.physical_mode import PhysicalRun
from shardopt.solvers.block_placement.online.planning import Planner, with_join_order
from shardopt.solvers.block_placement.online.policies import Policy, optimized_rr, petals, ws_rr
from shardopt.solvers.block_placement.online.replanning import Replanning
from shardopt.solvers.block_placement.online.retrying import RetryRun
from shardopt.solvers.block_placement.online.sessions import Site
from shardopt.solvers.block_placement.online.swarm import Run, sessions_of
from shardopt.solvers.online.disturbances import parse_disturbances
from shardopt.solvers.online.lengths import drawn_lengths
from shardopt.solvers.online.log import Log, named
from shardopt.solvers.online.statistics import paired

LONGEST_S = 1e9


@dataclass(frozen=True)
class Row:
    """One policy: how it routes, and how it places where no plan is given.

    ``ledger`` and ``physical`` run it in that mode, ``None`` if it has no such mode.
    """

    route: Policy
    place: Callable[[Planner], Site]
    ledger: type[LedgerRun] | None = LedgerRun
    physical: type[PhysicalRun] | None = PhysicalRun


ROWS = {
    "ws-rr": Row(ws_rr, Planner.cg_bp),
    "optimized-rr": Row(optimized_rr, Planner.petals),
    "petals": Row(petals, Planner.petals),
    "petals-optimized-order": Row(petals, Planner.petals_optimized_order),
    "petals-optimized-number": Row(petals, Planner.petals_optimized_number),
    "petals-retry": Row(petals, Planner.petals, None, RetryRun),
    "clairvoyant": Row(ws_rr, Planner.cg_bp, ClairvoyantRun, None),
}


def simulate(
    instance: Instance,
    policies: Sequence[str],
    requests: Requests,
    plan: Solution | None,
    seed: int,
    log: Log | None,
    *,
    design_sessions: str = "auto",
    session_delay: float = 0.0,
    allocation_delay: str = "0",
    mode: Literal["ledger", "physical"] = "ledger",
    no_backoff: bool = False,
    join_order: str | None = None,
    actual: str | None = None,
    fail: str | None = None,
    slow: str | None = None,
    misjudge: str | None = None,
    replan_every: float | None = None,
    reload_s: float = 0.0,
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each policy; all of them meet the same sessions.

    Parameters
    ----------
    design_sessions
        For how many sessions `cg-bp` places; ``auto`` takes it from the rate of arrivals.
    session_delay, allocation_delay
        Seconds that each session spends on its slots beside its service. The latter may differ:
        ``petals=250,ws-rr=60``.
    mode
        ``ledger``: a session's future is settled when it arrives. ``physical``: it claims its
        slots when it starts.
    no_backoff
        Sessions start as soon as there is room, and not when the client looks again.
    join_order
        In which order servers join a PETALS swarm.
    actual
        ``uniform:a:b`` or ``exponential``: how long answers are, times what is believed.
    fail, slow, misjudge
        ``s8@100-200``, ``s1:3@50-90``, ``s1:0.5``: servers that are down, slow, or misjudged.
    replan_every, reload_s
        How often `ws-rr` looks whether the rate of arrivals asks for another placement, and how
        long loading it takes.
    """
    if join_order is not None:
        instance = with_join_order(instance, tuple(join_order.split(",")))
    disturbances = parse_disturbances(instance.server_index(), fail, slow, misjudge)
    _require_mode(mode, no_backoff, actual is not None or bool(disturbances))
    _require_seconds("session_delay", session_delay)
    _require_replanning(replan_every, reload_s, plan is None and design_sessions == "auto")
    delays = _delays(allocation_delay, policies)
    sessions = sessions_of(instance, requests, seed)
    if mode == "ledger":  # what is believed comes true
        sessions = replace(sessions, actual_tokens=sessions.believed_tokens)
    elif actual is not None:
        sessions = replace(
            sessions, actual_tokens=drawn_lengths(actual, sessions.believed_tokens, seed)
        )
    planner = Planner(
        instance=instance,
        believed=disturbances.believed(len(instance.servers)),
        session_delay_s=session_delay,
        rate_per_s=requests.rate_per_s,
        count=len(requests),
        design_sessions=_design_sessions(design_sessions),
        seed=seed,
    )

    def run(row: Row, site: Site, delay_s: float, log: Log | None) -> Run:
        replanning = None
        if replan_every is not None and row.place is Planner.cg_bp:
            replanning = Replanning(planner, replan_every, reload_s)
        common = (site, row.route, sessions, delay_s, seed, log, replanning)
        made: Run
        if mode == "ledger" and row.ledger is not None:
            made = row.ledger(*common, back_off=not no_backoff)
        elif mode == "physical" and row.physical is not None:
            made = row.physical(*common, disturbances=disturbances)
        else:
            other = "physical" if mode == "ledger" else "ledger"
            raise InputError(f"mode {mode}", f"mode {other} for this policy", "mode")
        made.run()
        return made

    found: dict[str, dict[str, Any]] = {}
    first = None
    for name in policies:
        row = ROWS[name]
        site = row.place(planner) if plan is None else planner.given(plan)
        delay_s = session_delay + delays[name]
        done = run(row, site, delay_s, named(log, name))
        found[name] = {"design_sessions": site.design_sessions, **done.metrics()}
        if first is None:
            first = done.record.total_s
        else:
            found[name][f"versus_{policies[0]}"] = paired(first, done.record.total_s)
        if delay_s > 0:  # what of a difference is the policy, and what is the constant?
            found[name]["without_delays"] = run(row, site, 0.0, None).metrics()
    return found


def _require_mode(mode: str, no_backoff: bool, disturbed: bool) -> None:
    if mode == "physical" and no_backoff:
        raise InputError("no_backoff in mode physical", "mode ledger", "no_backoff")
    if mode == "ledger" and disturbed:
        expected = "mode physical: a ledger's sessions go as believed"
        raise InputError("actual, fail, slow or misjudge in mode ledger", expected, "mode")


def _require_seconds(name: str, value: float) -> None:
    if not 0 <= value <= LONGEST_S:
        raise InputError(str(value), "seconds >= 0", name)


def _require_replanning(every_s: float | None, reload_s: float, possible: bool) -> None:
    _require_seconds("reload_s", reload_s)
    if every_s is None:
        return
    if not 1e-3 <= every_s <= LONGEST_S:
        raise InputError(str(every_s), "seconds >= 0.001", "replan_every")
    if not possible:
        expected = "no plan, and design_sessions auto, where placements are to change"
        raise InputError("a placement that is given", expected, "replan_every")


def _design_sessions(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise InputError(repr(text), "auto or an integer from 1 to 1e9", "design_sessions")
    return int(text)


def _delays(text: str, policies: Sequence[str]) -> dict[str, float]:
    """Return the allocation delay of each policy from ``S`` or ``policy=S,...``."""
    delays = dict.fromkeys(policies, 0.0)
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        if equals and name not in ROWS:
            raise InputError(repr(name), f"one of {', '.join(ROWS)}", "allocation_delay")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= LONGEST_S or (not equals and "," in text):
            raise InputError(repr(text), "seconds >= 0, or policy=seconds,...", "allocation_delay")
        for which in [name] if equals else policies:
            if which in delays:
                delays[which] = value
    return delays
