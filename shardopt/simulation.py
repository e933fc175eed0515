"""Online policies on requests that arrive over time."""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shardopt.api import load
from shardopt.instances.arrivals import read_requests
from shardopt.instances.files import instance_sha256, read_solution
from shardopt.models.discover import part
from shardopt.models.errors import InputError
from shardopt.models.requests import Requests
from shardopt.models.result import Result
from shardopt.options import parse_options
from shardopt.solvers.online.arrivals import generated
from shardopt.solvers.online.log import Log
from shardopt.solvers.registry import OnlineSide, find_online

SIMULATION_FORMAT = "shardopt-simulation/1"


def simulate(
    instance: Any,
    policies: Sequence[str] | str | None = None,
    *,
    arrivals: str | Requests | None = None,
    requests: int | None = None,
    seed: int = 0,
    solution: Any = None,
    log: Log | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Run online policies on the same stream of requests, and return the metrics of each.

    Parameters
    ----------
    instance
        An instance, or the path of an instance file.
    policies
        Names of policies (``shardopt simulate --help``); by default the problem's first.
    arrivals
        ``poisson:RATE``, ``period:SECONDS``, ``gamma:RATE:CV``, the name of a ``.csv`` file, or
        requests. Some problems have arrivals of their own, which need not be given.
    requests
        How many; needed unless ``arrivals`` says it, where it takes the first ones.
    seed
        Every policy meets the same requests, lengths and failures.
    solution
        A plan whose placement all policies use; by default each makes its own. A solution, a
        `Result` or a path.
    log
        Called with each event, a dictionary, in the order of time.
    options
        The problem's own options.

    Raises
    ------
    InputError
        Bad arguments or a bad file.
    NoPlanError
        There is no placement to run on.
    """
    if isinstance(instance, (str, Path)):
        instance = load(instance)
    side = find_online(instance.problem)
    names = _policies(side, policies)
    if not 0 <= seed < 2**31:
        raise InputError(str(seed), "an integer from 0 to 2147483647", "seed")
    function = side.load()
    parsed = parse_options("simulate", function, options)
    form = arrivals if isinstance(arrivals, str) else "given"
    if arrivals is None:
        arrivals = side.arrivals(instance)
        form = arrivals if isinstance(arrivals, str) else "the instance's own"
    arriving = _requests(instance, arrivals, requests, seed)
    plan = _plan(instance, solution)
    found = function(instance, names, arriving, plan, seed, log, **parsed)
    return {
        "format": SIMULATION_FORMAT,
        "problem": instance.problem,
        "instance": instance.name,
        "instance_sha256": instance_sha256(instance),
        "versions": {name: importlib.metadata.version(name) for name in ("shardopt", "numpy")},
        "seed": seed,
        "arrivals": {
            "form": form,
            "requests": len(arriving),
            "rate_per_s": arriving.rate_per_s,
        },
        "options": dict(options),
        "policies": found,
    }


def _policies(side: OnlineSide, policies: Sequence[str] | str | None) -> list[str]:
    if policies is None:
        return [side.policies[0]]
    names = policies.split(",") if isinstance(policies, str) else list(policies)
    for name in names:
        if name not in side.policies:
            close = difflib.get_close_matches(name, side.policies, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise InputError(repr(name) + hint, f"one of {', '.join(side.policies)}", "policy")
    return list(dict.fromkeys(names))


def _requests(instance: Any, arrivals: str | Requests, count: int | None, seed: int) -> Requests:
    if count is not None and count < 1:
        raise InputError(str(count), "an integer >= 1", "requests")
    if isinstance(arrivals, Requests):
        return arrivals if count is None else arrivals.first(count)
    if arrivals.endswith(".csv"):
        clients = [client.name for client in getattr(instance, "clients", ())]
        return read_requests(arrivals, clients, count)
    if count is None:
        raise InputError("nothing", "how many requests to generate", "requests")
    return generated(arrivals, count, seed)


def _plan(instance: Any, solution: Any) -> Any:
    """Return a plan after the checker has seen it: arrivals replace its demand, nothing else."""
    if isinstance(solution, (str, Path)):
        solution = read_solution(solution, instance.problem)
    if isinstance(solution, Result):
        solution = solution.solution
    if solution is None:
        return None
    report = part(instance.problem, "models", "check").check(instance, solution)
    if not report.feasible:
        raise InputError(report.violations[0].message, "a feasible plan", "solution")
    return solution
