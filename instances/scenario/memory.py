"""Room for keys and values, in problems whose memory rule knows weights alone."""

from __future__ import annotations

from shardopt.instances.scenario.data import Machine, Scenario


def weights_share(scenario: Scenario) -> float:
    """Return the share of a machine's memory that weights may take so that all sessions fit.

    A run of blocks with weights w_i and caches k_i fits in M when sum (w_i + k_i) <= M. With s
    the least w_i / (w_i + k_i), sum w_i <= s M implies that; for equal blocks it is the same.
    """
    model, tokens = scenario.model, scenario.workload.cached_tokens
    return min(
        weights / (weights + tokens * model.cache_bytes_per_token(block))
        for block in model.sizes.blocks
        for weights in [model.sizes.block_weight_bytes(block)]
    )


def weights_room(scenario: Scenario, machine: Machine) -> float:
    """Return the bytes of a machine for weights."""
    return weights_share(scenario) * machine.memory_bytes
