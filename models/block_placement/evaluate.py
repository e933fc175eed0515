"""`block-placement`: the one evaluator, from the instance's data alone, with rounded-once sums."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from shardopt.models.block_placement.data import Instance, Route, Solution


def step_s(instance: Instance, client: int, server: int, blocks: int) -> float:
    """Return h_c(j, k): what running ``blocks`` on ``server`` costs a session of ``client``.

    Seconds per output token, or per session, as the instance's `cost` says.
    """
    c, j = instance.clients[client], instance.servers[server]
    decode_s = c.decode_rtt_s[server] + j.decode_s_per_block * blocks
    if instance.cost == "decode":
        return decode_s
    prefill_s = c.prefill_rtt_s[server] + j.prefill_s_per_block * blocks
    return prefill_s + (instance.output_tokens - 1) * decode_s


def stops_of(solution: Solution) -> dict[str, int]:
    """Return where the run of each placed server stops."""
    return {hosting.server: hosting.stop for hosting in solution.placement}


def blocks_run(stops: Mapping[str, int], path: Sequence[str]) -> list[int]:
    """Return k of each server on a path: from the stop of the one before to its own."""
    at = [0, *(stops[server] for server in path)]
    return [stop - start for start, stop in itertools.pairwise(at)]


def route_s(instance: Instance, solution: Solution, route: Route) -> float:
    """Return S(p), the cost of one session on a route."""
    client, index = instance.client_index()[route.client], instance.server_index()
    blocks = blocks_run(stops_of(solution), route.path)
    steps = zip(route.path, blocks, strict=True)
    return math.fsum(step_s(instance, client, index[server], k) for server, k in steps)


def objective(instance: Instance, solution: Solution) -> float:
    """Return the mean of S over all sessions."""
    clients, servers = instance.client_index(), instance.server_index()
    stops = stops_of(solution)
    costs = (
        route.sessions * step_s(instance, clients[route.client], servers[server], k)
        for route in solution.routes
        for server, k in zip(route.path, blocks_run(stops, route.path), strict=True)
    )
    return math.fsum(costs) / instance.session_count
