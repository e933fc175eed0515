"""`block-placement`: a plan as what each server hosts, and as a chain where it is one."""

from __future__ import annotations

from collections import Counter
from math import ceil

from shardopt.export.deployment import Deployment, Holding, Pipeline, deployment_of, overlap
from shardopt.models.block_placement.data import Instance, Solution


def deployment(instance: Instance, solution: Solution) -> Deployment:
    """Return the hosted runs with the room for their sessions.

    It is one chain if no block is hosted twice: every session then visits all servers.
    """
    used = _used_blocks(solution)
    tokens = instance.input_tokens + instance.output_tokens
    holdings = sorted(
        (
            # Sessions may enter in the middle of a run: what they keep is spread over all of it.
            Holding(h.server, h.start, h.stop, ceil(used[h.server] * tokens / (h.stop - h.start)))
            for h in solution.placement
        ),
        key=lambda h: (h.start, h.stop),
    )
    tangle = overlap(holdings)
    if tangle:
        return Deployment(instance.block_count, tuple(holdings), (), (), tangle)
    return deployment_of(instance.block_count, [Pipeline(tuple(holdings))])


def _used_blocks(solution: Solution) -> Counter[str]:
    """Return the sum over all sessions of the blocks that each server runs for them."""
    stop = {h.server: h.stop for h in solution.placement}
    used: Counter[str] = Counter()
    for route in solution.routes:
        done = 0
        for server in route.path:
            used[server] += route.sessions * (stop[server] - done)
            done = stop[server]
    return used
