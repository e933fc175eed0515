"""`block-placement`: the independent checker. It shares only the data and the evaluator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from shardopt.models.block_placement.data import MEMORY_TOLERANCE, Instance, Solution
from shardopt.models.block_placement.evaluate import blocks_run, objective, stops_of
from shardopt.models.checking import CheckReport, Violation


def check(instance: Instance, solution: Solution) -> CheckReport:
    """Check a plan against every rule of the problem's page.

    A plan that breaks only `memory` still has an objective; any other violation leaves none.
    """
    violations = [
        *_placement(instance, solution),
        *_names_on_routes(instance, solution),
        *_paths(instance, solution),
        *_sessions(instance, solution),
    ]
    if violations:
        return CheckReport(None, tuple(violations))
    return CheckReport(objective(instance, solution), tuple(_memory(instance, solution)))


def _placement(instance: Instance, solution: Solution) -> Iterator[Violation]:
    servers = {server.name: server for server in instance.servers}
    first_use: dict[str, int] = {}
    for n, hosting in enumerate(solution.placement):
        where, name = f"placement[{n}]", hosting.server
        a, b, count = hosting.start, hosting.stop, instance.block_count
        if name not in servers:
            message = f"no server is named {name!r}"
            yield Violation("placement-server", f"{where}.server", 1.0, message)
        elif name in first_use:
            message = f"{name!r} is already placed at placement[{first_use[name]}]"
            yield Violation("one-run", f"{where}.server", 1.0, message)
        first_use.setdefault(name, n)
        if not 0 <= a < b <= count:
            amount = float(max(-a, b - count, a - b + 1))
            message = f"[{a}, {b}) is not a non-empty run of the blocks [0, {count})"
            yield Violation("run-range", where, amount, message)
        most = servers[name].max_blocks if name in servers else None
        if most is not None and b - a > most:
            message = f"{name!r} hosts {b - a} blocks and may host {most}"
            yield Violation("max-blocks", where, float(b - a - most), message)


def _names_on_routes(instance: Instance, solution: Solution) -> Iterator[Violation]:
    clients = {client.name for client in instance.clients}
    servers = {server.name for server in instance.servers}
    hosts = {hosting.server for hosting in solution.placement}
    for n, route in enumerate(solution.routes):
        if route.client not in clients:
            message = f"no client is named {route.client!r}"
            yield Violation("route-client", f"routes[{n}].client", 1.0, message)
        for i, server in enumerate(route.path):
            if server not in servers or server not in hosts:
                fault = "hosts nothing" if server in servers else "is no server"
                where = f"routes[{n}].path[{i}]"
                yield Violation("route-server", where, 1.0, f"{server!r} {fault}")


def _paths(instance: Instance, solution: Solution) -> Iterator[Violation]:
    """Walk every path; servers that are not placed once and properly are reported elsewhere."""
    runs = {hosting.server: (hosting.start, hosting.stop) for hosting in solution.placement}
    for n, route in enumerate(solution.routes):
        if any(server not in runs for server in route.path):
            continue
        at = 0
        for i, server in enumerate(route.path):
            start, stop = runs[server]
            if not start <= at < stop:
                name = "route-start" if i == 0 else "route-link"
                message = f"{server!r} hosts [{start}, {stop}) and is entered at block {at}"
                amount = float(max(start - at, at - stop + 1))
                yield Violation(name, f"routes[{n}].path[{i}]", amount, message)
            at = stop
        if at != instance.block_count:
            message = f"the path stops at block {at}, expected {instance.block_count}"
            amount = float(abs(instance.block_count - at))
            yield Violation("route-end", f"routes[{n}].path", amount, message)


def _sessions(instance: Instance, solution: Solution) -> Iterator[Violation]:
    routed: Counter[str] = Counter()
    for n, route in enumerate(solution.routes):
        routed[route.client] += route.sessions
        if route.sessions < 1:
            message = f"{route.sessions} sessions, expected at least 1"
            where = f"routes[{n}].sessions"
            yield Violation("route-sessions", where, float(1 - route.sessions), message)
    for c, client in enumerate(instance.clients):
        got = routed[client.name]
        if got != client.sessions:
            message = f"{got} sessions of {client.name!r} are routed, expected {client.sessions}"
            amount = float(abs(got - client.sessions))
            yield Violation("demand", f"clients[{c}]", amount, message)


def _memory(instance: Instance, solution: Solution) -> Iterator[Violation]:
    """Compare exactly: rounding must not decide between plans that fill a server to the brim."""
    memory = {server.name: server.memory_bytes for server in instance.servers}
    used = _blocks_of_sessions(solution)
    w, c = Fraction(instance.weight_bytes), Fraction(instance.cache_bytes_per_session)
    for n, hosting in enumerate(solution.placement):
        need = w * (hosting.stop - hosting.start) + c * used[hosting.server]
        have = memory[hosting.server]
        if need > Fraction(have * (1 + MEMORY_TOLERANCE)):
            message = f"{hosting.server!r} needs {float(need):.17g} bytes and has {have:.17g}"
            yield Violation("memory", f"placement[{n}]", float(need - Fraction(have)), message)


def _blocks_of_sessions(solution: Solution) -> Counter[str]:
    """Return by server the sum of k over all its sessions."""
    used: Counter[str] = Counter()
    stops = stops_of(solution)
    for route in solution.routes:
        for server, k in zip(route.path, blocks_run(stops, route.path), strict=True):
            used[server] += k * route.sessions
    return used
