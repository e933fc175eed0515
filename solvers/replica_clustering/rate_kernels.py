"""`replica-clustering`: compiled rates of replicas (spec section 4).

Explicit signatures make the import of this module the compilation; numba caches it on disk.

Devices that are equal in everything are one type. A set of devices is a vector of counts by type,
and its number in mixed radix is its state: ``sum of count[i] * place[i]``. A list of ``types``
with the ``count`` of each is the same without the zeros.
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.models.replica_clustering.data import TOLERANCE

_F1, _F2 = nb.float64[::1], nb.float64[:, ::1]
_I1, _I2, _I3 = nb.int64[::1], nb.int64[:, ::1], nb.int64[:, :, ::1]
_R1, _R2, _BOOL = nb.uint16[::1], nb.uint16[:, ::1], nb.boolean
_STOP = nb.uint8[::1]
_F3 = nb.float64[:, :, ::1]
ROLE = nb.Tuple((nb.int64, nb.int64, _F3, _I3, _F2, _F2, nb.float64, nb.float64, nb.float64))
"""One role: number of blocks; largest batch, 0 for prefill; [q - 1, what, type], what being
seconds per block, blocks per second and seconds for the head; most blocks by memory [requests in
the replica, master or not, type]; latency_s[sender, receiver]; bytes_per_s[sender, receiver];
bytes per hop at q = 1; requests * s per batch, so that the rate is ``q * it / time``; least token
rate. Entries of a type with itself are between two of its devices."""

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_NONE = 2**62
_NO_PATH = 2**16 - 1
MOST_ORDERED = 12
"""Stages up to which `rate_sets` knows the best order on unequal links; beyond, a good one."""


@njit(nb.int64(nb.float64, nb.float64, nb.float64, nb.float64, nb.int64), **_OPTIONS)
def blocks_within(limit, block_s, blocks_per_s, head_s, most):
    """Return the most blocks with ``blocks * block_s + head_s <= limit``, in floats."""
    ratio = (limit - head_s) * blocks_per_s
    if ratio >= most + 1:
        return most
    blocks = max(0, int(ratio))
    while blocks > 0 and blocks * block_s + head_s > limit:
        blocks -= 1
    while blocks < most and (blocks + 1) * block_s + head_s <= limit:
        blocks += 1
    return min(blocks, most)


@njit(nb.int64(_F2, _I2, _I1, _I1, nb.int64, nb.float64), **_OPTIONS)
def _room(speed, most, types, count, size, limit):
    """Return how many blocks fit with no stage beyond ``limit`` and the best master; -1: none.

    ``most[1]`` is the limit by memory of a master, ``most[0]`` that of the others.
    """
    total, loss = 0, _NONE
    for n in range(size):
        i = types[n]
        blocks = blocks_within(limit, speed[0, i], speed[1, i], 0.0, most[0, i])
        if blocks < 1:
            return -1
        total += count[n] * blocks
        as_master = blocks_within(limit, speed[0, i], speed[1, i], speed[2, i], most[1, i])
        if as_master >= 1:
            loss = min(loss, blocks - as_master)
    return -1 if loss == _NONE else total - loss


@njit(nb.float64(_F2, _I2, _I1, _I1, nb.int64, nb.float64), **_OPTIONS)
def _next_time(speed, most, types, count, size, limit):
    """Return the least time above ``limit`` that a stage can have."""
    least = np.inf
    for n in range(size):
        i = types[n]
        blocks = blocks_within(limit, speed[0, i], speed[1, i], 0.0, most[0, i])
        if blocks < most[0, i]:
            least = min(least, (blocks + 1) * speed[0, i])
        as_master = blocks_within(limit, speed[0, i], speed[1, i], speed[2, i], most[1, i])
        if as_master < most[1, i]:
            least = min(least, (as_master + 1) * speed[0, i] + speed[2, i])
    return least


@njit(
    nb.float64(nb.int64, _F2, _I2, _I1, _I1, nb.int64, nb.int64, nb.float64, nb.float64),
    **_OPTIONS,
)
def _least_time(blocks, speed, most, types, count, size, stages, floor, limit):
    """Return the larger of ``floor`` and the least slowest stage; infinite if above ``limit``.

    The room below a time grows only at times that a stage can have. Bisection until about one
    of them is left, then from one to the next.
    """
    rate, longest, memory = 0.0, 0.0, 0
    for n in range(size):
        i = types[n]
        rate += count[n] * speed[1, i]
        longest = max(longest, most[0, i] * speed[0, i] + speed[2, i])
        memory += count[n] * most[0, i]
    low = max(floor, blocks / rate * (1.0 - 1e-9))  # nothing is faster, however it is cut
    high = min(limit, longest)
    if memory < blocks or low > limit or _room(speed, most, types, count, size, limit) < blocks:
        return np.inf
    if floor > 0.0 and _room(speed, most, types, count, size, floor) >= blocks:
        return floor
    step = (stages + 1) / rate
    while low + step < high:
        if _room(speed, most, types, count, size, low + step) >= blocks:
            high = low + step
        else:
            low += step
            step *= 2.0
    while (high - low) * rate > 1.5:
        middle = low + (high - low) / 2
        if _room(speed, most, types, count, size, middle) >= blocks:
            high = middle
        else:
            low = middle
    while True:
        low = _next_time(speed, most, types, count, size, low)
        if low >= high or _room(speed, most, types, count, size, low) >= blocks:
            return min(low, high)


@njit(nb.float64(ROLE, nb.int64, _I1, _I1, nb.int64, nb.int64, nb.float64, nb.float64), **_OPTIONS)
def _rate(role, q, types, count, size, stages, hop, at_least):
    """Return the rate with batch ``q`` and slowest hop ``hop``; 0 if none or below ``at_least``."""
    per_batch, least_token_rate = role[7], role[8]
    limit = np.inf if at_least == 0.0 else q * per_batch / at_least * (1.0 + 1e-12)
    if least_token_rate > 0.0:
        limit = min(limit, (1.0 + 2 * TOLERANCE) / (stages * least_token_rate))
    speed, most = role[2][q - 1], role[3][q * stages]
    time = _least_time(role[0], speed, most, types, count, size, stages, hop, limit)
    if stages * time * least_token_rate > 1.0 + TOLERANCE:
        return 0.0
    return q * per_batch / time


@njit(nb.float64(ROLE, nb.int64, nb.int64, nb.int64), **_OPTIONS)
def _hop(role, q, i, j):
    """Return the time of a hop from type i to type j."""
    return role[4][i, j] + role[6] * q / role[5][i, j]


@njit(nb.float64(ROLE, nb.int64, _I1, nb.int64), **_OPTIONS)
def _insertion(role, q, nodes, size):
    """Return the slowest hop of an order made by insertion (as in `inside.best_order`)."""
    path = np.empty(size, dtype=np.int64)
    path[0] = nodes[0]
    for length in range(1, size):
        best, where = np.inf, 0
        for at in range(length + 1):
            worst = 0.0
            if at > 0:
                worst = _hop(role, q, path[at - 1], nodes[length])
            if at < length:
                worst = max(worst, _hop(role, q, nodes[length], path[at]))
            if worst < best:
                best, where = worst, at
        for at in range(length, where, -1):
            path[at] = path[at - 1]
        path[where] = nodes[length]
    slowest = 0.0
    for at in range(1, size):
        slowest = max(slowest, _hop(role, q, path[at - 1], path[at]))
    return slowest


@njit(nb.float64(ROLE, nb.int64, _I1, nb.int64), **_OPTIONS)
def _slowest_hop(role, q, nodes, size):
    """Return the bottleneck of the best path through all ``nodes`` (types, with repeats)."""
    if size > MOST_ORDERED:
        return _insertion(role, q, nodes, size)
    least = np.full((1 << size, size), np.inf)
    for j in range(size):
        least[1 << j, j] = 0.0
    for chosen in range(1, 1 << size):
        for j in range(size):
            before = chosen & ~(1 << j)
            if before == chosen or before == 0:
                continue
            best = np.inf
            for i in range(size):
                if before >> i & 1:
                    best = min(best, max(least[before, i], _hop(role, q, nodes[i], nodes[j])))
            least[chosen, j] = best
    return least[-1].min()


@njit(nb.int64(nb.int64, nb.int64), **_OPTIONS)
def _most_batch(max_batch, stages):
    """Return the largest batch that so many stages may have; ``max_batch`` is 0 for prefill."""
    return 1 if max_batch == 0 else max_batch // stages


@njit(nb.void(ROLE, _BOOL, _BOOL, _I1, _I1, _I1, _F1, _I1), **_OPTIONS)
def rate_sets(role, uniform, largest, first, types, count, rate, batch):
    """Write rate and batch of sets: the n-th has ``types[first[n]:first[n+1]]``; 0 if none.

    ``largest``: take the largest batch that is allowed, else the best.
    """
    blocks, max_batch = role[0], role[1]
    for n in range(first.size - 1):
        mine, counts = types[first[n] : first[n + 1]], count[first[n] : first[n + 1]]
        stages = counts.sum()
        rate[n], batch[n] = 0.0, 0
        if stages > blocks:
            continue
        nodes = np.repeat(mine, counts)
        for q in range(_most_batch(max_batch, stages), 0, -1):
            hop = 0.0
            if stages > 1:
                hop = _hop(role, q, 0, 0) if uniform else _slowest_hop(role, q, nodes, stages)
            found = _rate(role, q, mine, counts, mine.size, stages, hop, rate[n])
            if found > rate[n]:
                rate[n], batch[n] = found, q
                if largest:
                    break


@njit(nb.int64(_I1, _I1, _I1, nb.int64, nb.int64), **_OPTIONS)
def _next_state(count, available, place, most, state):
    """Step ``count`` on to the next vector with at most ``most`` devices; return its state.

    -1 after the last. Vectors come in rising order of their states.
    """
    total = count.sum()
    for i in range(count.size):
        if count[i] < available[i] and total < most:
            count[i] += 1
            return state + place[i]
        total -= count[i]
        state -= count[i] * place[i]
        count[i] = 0
    return -1


@njit(nb.int64(_R2, _I1, _I1, nb.int64, _R2, _R1, _STOP), **_OPTIONS)
def path_ranks(hop_rank, available, place, most, ending, least, stop):
    """Write the bottleneck of the best path through every set of at most ``most`` devices.

    Hops are given by their ranks from 1 on; 0 is the rank of no hop. ``ending[state, type]`` is
    scratch: the least with that type at the end. 1 when stopped.
    """
    types = available.size
    count = np.zeros(types, dtype=np.int64)
    state, done = 0, 0
    while True:
        state = _next_state(count, available, place, most, state)
        if state < 0:
            return 0
        done += 1
        if done % 1024 == 0 and stop[0]:
            return 1
        alone = count.sum() == 1
        least[state] = _NO_PATH
        for j in range(types):
            ending[state, j] = _NO_PATH
            if count[j] == 0:
                continue
            before = state - place[j]
            best = 0 if alone else _NO_PATH
            for i in range(types):
                if count[i] > (i == j):
                    best = min(best, max(ending[before, i], hop_rank[i, j]))
            ending[state, j] = best
            least[state] = min(least[state], best)


@njit(
    nb.int64(ROLE, _BOOL, nb.int64, nb.int64, _I1, _I1, _I1, _R1, _F1, _F1, _I1, _STOP), **_OPTIONS
)
def rate_states(
    role, largest, first_q, last_q, kind, available, place, rank, hop_s, rate, batch, stop
):
    """Raise rate and batch of every state with batches from ``first_q`` down to ``last_q``.

    ``available[n]`` devices of type ``kind[n]`` take part. ``rank[state]`` is the rank of the
    slowest hop, ``hop_s[rank]`` its time; on a uniform LAN ``rank`` is empty and the time is
    ``hop_s[q]``. 1 when stopped.
    """
    blocks, max_batch = role[0], role[1]
    most = blocks if max_batch == 0 else min(blocks, max_batch // last_q)
    count = np.zeros(available.size, dtype=np.int64)
    types = np.empty(available.size, dtype=np.int64)
    counts = np.empty(available.size, dtype=np.int64)
    state, done = 0, 0
    while True:
        state = _next_state(count, available, place, most, state)
        if state < 0:
            return 0
        done += 1
        if done % 1024 == 0 and stop[0]:
            return 1
        size, stages = 0, 0
        for n in range(count.size):
            if count[n] > 0:
                types[size], counts[size] = kind[n], count[n]
                stages += count[n]
                size += 1
        for q in range(min(first_q, _most_batch(max_batch, stages)), last_q - 1, -1):
            if largest and rate[state] > 0.0:
                break
            hop = 0.0
            if stages > 1:
                hop = hop_s[q] if rank.size == 0 else hop_s[rank[state]]
            found = _rate(role, q, types, counts, size, stages, hop, rate[state])
            if found > rate[state]:
                rate[state], batch[state] = found, q
