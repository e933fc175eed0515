"""`replica-clustering`: a bound in closed form (ours, spec section 5.5).

A device that holds c of N blocks is a stage of a replica that is no faster than that stage. The
replica's rate, split over its devices in proportion to their blocks, bounds the device's share.
"""

from __future__ import annotations

import math

import numpy as np

from shardopt.models.replica_clustering.data import TOLERANCE, Role
from shardopt.models.replica_clustering.tables import FloatArray, Tables


def additive_bound(tables: Tables) -> float:
    """Return a lower bound on the objective; infinite when nothing can serve one of the roles."""
    rate = most_requests(best_shares(tables, "prefill"), best_shares(tables, "decode"))
    return 1.0 / rate if rate > 0.0 else math.inf


def most_requests(prefill: FloatArray, decode: FloatArray) -> float:
    """Return the largest lambda if every device may split its time between the roles.

    ``prefill[device]`` and ``decode[device]`` are requests/s in one role alone. Those that are
    better at prefill than at decode come first, up to the cut where both sums are equal.
    """
    useful = (prefill > 0.0) | (decode > 0.0)
    prefill, decode = prefill[useful], decode[useful]
    with np.errstate(divide="ignore"):
        order = np.argsort(np.log(decode) - np.log(prefill), kind="stable")
    has_prefill = np.concatenate([[0.0], np.cumsum(prefill[order])])
    has_decode = np.append(np.cumsum(decode[order][::-1])[::-1], 0.0)
    # The two sums cross within the device before the first cut that has prefill in excess.
    cut = int(np.argmax(has_prefill >= has_decode))
    if cut == 0:
        return 0.0  # nobody decodes
    p, d = prefill[order[cut - 1]], decode[order[cut - 1]]
    share = (has_decode[cut - 1] - has_prefill[cut - 1]) / (p + d)
    return float(has_prefill[cut - 1] + share * p)


def best_shares(tables: Tables, role: Role) -> FloatArray:
    """Return ``float[device]``: the largest share of a replica's rate that a device can have.

    With one batch, two stages allow more than three, and one stage is the only one with the head
    for sure; the share never falls with the blocks. So two cases, with the most blocks in each.
    """
    best = np.zeros(tables.device_count)
    pairs = min(tables.device_count, tables.block_count) > 1
    for q in range(1, tables.max_batch + 1 if role == "decode" else 2):
        best = np.maximum(best, _alone(tables, role, q))
        if pairs and (role == "prefill" or 2 * q <= tables.max_batch):
            best = np.maximum(best, _one_of_two(tables, role, q))
    return best


def _alone(tables: Tables, role: Role, q: int) -> FloatArray:
    block_s, head_s = _times(tables, role, q)
    time_s = tables.block_count * block_s + head_s
    allowed = tables.most_blocks(role, q, 1, True) >= tables.block_count
    allowed &= time_s <= _longest(tables, role, 1)
    return np.where(allowed, _rate(tables, role, q, time_s), 0.0)


def _one_of_two(tables: Tables, role: Role, q: int) -> FloatArray:
    block_s, _ = _times(tables, role, q)
    hop_s = float(tables.hop_s(role, q)[0, 1]) if tables.uniform else 0.0
    longest = _longest(tables, role, 2)
    most = np.minimum(tables.most_blocks(role, q, 2, False), tables.block_count - 1)
    blocks = np.minimum(most, np.floor(longest / block_s))
    allowed = (blocks >= 1) & (hop_s <= longest)
    rate = _rate(tables, role, q, np.maximum(np.maximum(blocks, 1) * block_s, hop_s))
    return np.where(allowed, rate * blocks / tables.block_count, 0.0)


def _times(tables: Tables, role: Role, q: int) -> tuple[FloatArray, FloatArray]:
    """Return the seconds per block and of the head, by device."""
    if role == "prefill":
        return tables.prefill_s, tables.prefill_head_s
    return tables.decode_s[:, q - 1], tables.decode_head_s[:, q - 1]


def _longest(tables: Tables, role: Role, stages: int) -> float:
    """Return the longest time of the slowest part that the token rate allows, and a bit."""
    least = tables.min_tokens_per_s
    if role == "prefill" or least == 0.0:
        return math.inf
    return (1 + 2 * TOLERANCE) / (stages * least)


def _rate(tables: Tables, role: Role, q: int, time_s: FloatArray) -> FloatArray:
    requests = 1.0 if role == "prefill" else q / tables.output_tokens
    with np.errstate(divide="ignore", invalid="ignore"):
        rate: FloatArray = requests / time_s
    return rate
