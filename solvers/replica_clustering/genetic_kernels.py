"""`replica-clustering`: compiled parts of the published genetic algorithm (spec section 6).

Explicit signatures make the import of this module the compilation; numba caches it on disk.

A gene is an ``order`` of all devices and the ``sizes`` of consecutive groups, zeros behind. The
rates of its groups stand in ``prefill`` and ``decode``, in requests/s, 0 where a group cannot
have the role. Every value is lambda, the smaller of the two sums, 0 where a role has no group.
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

_F1, _F2 = nb.float64[::1], nb.float64[:, ::1]
_I1, _I2 = nb.int64[::1], nb.int64[:, ::1]
_U1, _U2 = nb.uint64[::1], nb.uint64[:, ::1]

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

UNUSED, PREFILL, DECODE = -1, 0, 1
BEST, RATIO, BEST_COUNT = 0, 1, 2
"""Who gets which role: best by enumeration (`ga`); by rank, the number of prefill replicas by the
ratio of mean rates, or the best number (`splitwise`)."""
MOST_NODES = 2**18
"""Nodes of the search for the best roles; 16 groups have fewer."""


@njit(nb.void(_I2, _I2, _U1, _U2), **_OPTIONS)
def group_keys(order, sizes, hash_of, keys):
    """Write a key for every group of every gene: the sum of its devices' random numbers."""
    for gene in range(order.shape[0]):
        place = 0
        for g in range(order.shape[1]):
            keys[gene, g] = 0
            for n in range(place, place + sizes[gene, g]):
                keys[gene, g] += hash_of[order[gene, n]]
            place += sizes[gene, g]


@njit(nb.float64(_F1, _F1, nb.int64, nb.float64, nb.float64), **_OPTIONS)
def _relaxed(prefill, decode, start, has_prefill, has_decode):
    """Return lambda if one of the groups from ``start`` on may be split between the roles.

    Groups are sorted by falling ratio of the rates: the first ones prefill.
    """
    for g in range(start, prefill.size):
        has_decode += decode[g]
    for g in range(start, prefill.size):
        if has_prefill >= has_decode:
            return has_decode
        if has_prefill + prefill[g] >= has_decode - decode[g]:
            share = (has_decode - has_prefill) / (prefill[g] + decode[g])
            return has_prefill + share * prefill[g]
        has_prefill += prefill[g]
        has_decode -= decode[g]
    return min(has_prefill, has_decode)


@njit(nb.float64(_F1, _F1, nb.float64, nb.float64, _I1), **_OPTIONS)
def _best_sides(prefill, decode, has_prefill, has_decode, side):
    """Write the best role of every group, all of which can have both; return lambda.

    Depth first, sorted and bounded as `_relaxed` says: the same answer as enumeration.
    """
    size = prefill.size
    best, cut = -1.0, 0
    total_prefill, total_decode = has_prefill, has_decode + decode.sum()
    for g in range(size + 1):
        if min(total_prefill, total_decode) > best:
            best, cut = min(total_prefill, total_decode), g
        if g < size:
            total_prefill += prefill[g]
            total_decode -= decode[g]
    for g in range(size):
        side[g] = PREFILL if g < cut else DECODE
    tried = np.zeros(size + 1, dtype=np.int64)
    sum_prefill, sum_decode = np.empty(size + 1), np.empty(size + 1)
    sum_prefill[0], sum_decode[0] = has_prefill, has_decode
    depth, nodes = 0, 0
    while depth >= 0 and nodes < MOST_NODES:
        if depth == size:
            value = min(sum_prefill[depth], sum_decode[depth])
            if value > best:
                best = value
                for g in range(size):
                    side[g] = tried[g] - 1
            depth -= 1
            continue
        if tried[depth] == 0:
            nodes += 1
            if _relaxed(prefill, decode, depth, sum_prefill[depth], sum_decode[depth]) <= best:
                depth -= 1
                continue
        if tried[depth] == 2:
            depth -= 1
            continue
        as_prefill = tried[depth] == PREFILL
        tried[depth] += 1
        sum_prefill[depth + 1] = sum_prefill[depth] + (prefill[depth] if as_prefill else 0.0)
        sum_decode[depth + 1] = sum_decode[depth] + (0.0 if as_prefill else decode[depth])
        depth += 1
        tried[depth] = 0
    return best


@njit(nb.float64(_F1, _F1, _I1), **_OPTIONS)
def _best_roles(prefill, decode, role):
    """Give every group its role in the best plan; return lambda."""
    has_prefill, has_decode = 0.0, 0.0
    both = np.empty(prefill.size, dtype=np.int64)
    size = 0
    for g in range(prefill.size):
        role[g] = UNUSED
        if prefill[g] > 0.0 and decode[g] > 0.0:
            both[size] = g
            size += 1
        elif prefill[g] > 0.0:
            role[g] = PREFILL
            has_prefill += prefill[g]
        elif decode[g] > 0.0:
            role[g] = DECODE
            has_decode += decode[g]
    chosen = both[:size]
    chosen = chosen[np.argsort(decode[chosen] / prefill[chosen])]
    side = np.empty(size, dtype=np.int64)
    value = _best_sides(prefill[chosen], decode[chosen], has_prefill, has_decode, side)
    for n in range(size):
        role[chosen[n]] = side[n]
    return value


@njit(nb.boolean(_F1, _F1, _I1, nb.int64, nb.int64), **_OPTIONS)
def _ranks_before(prefill, decode, lowest, g, other):
    """Whether group g is before the other: falling prefill, rising decode, lowest device."""
    if prefill[g] != prefill[other]:
        return prefill[g] > prefill[other]
    if decode[g] != decode[other]:
        return decode[g] < decode[other]
    return lowest[g] < lowest[other]


@njit(nb.float64(_F1, _F1, _I1, nb.int64, _I1), **_OPTIONS)
def _ranked_roles(prefill, decode, lowest, rule, role):
    """Give every group its role by `splitwise`'s rule; return lambda.

    The groups that serve some role are ranked; the first k are prefill, the others decode.
    """
    ranked = np.empty(prefill.size, dtype=np.int64)
    size, prefills, decodes = 0, 0, 0
    for g in range(prefill.size):
        role[g] = UNUSED
        prefills += prefill[g] > 0.0
        decodes += decode[g] > 0.0
        if prefill[g] > 0.0 or decode[g] > 0.0:
            at = size
            while at > 0 and _ranks_before(prefill, decode, lowest, g, ranked[at - 1]):
                ranked[at] = ranked[at - 1]
                at -= 1
            ranked[at] = g
            size += 1
    if size < 2 or prefills == 0 or decodes == 0:
        return 0.0
    first, last = 1, size - 1
    if rule == RATIO:
        a, b = prefills / prefill.sum(), decodes / decode.sum()
        first = min(max(int(np.floor(size * a / (a + b) + 0.5)), 1), size - 1)
        last = first
    best, cut = -1.0, first
    for k in range(first, last + 1):
        value = min(prefill[ranked[:k]].sum(), decode[ranked[k:size]].sum())
        if value > best:
            best, cut = value, k
    for n in range(size):
        g = ranked[n]
        if n < cut and prefill[g] > 0.0:
            role[g] = PREFILL
        elif n >= cut and decode[g] > 0.0:
            role[g] = DECODE
    return best


@njit(nb.float64(_F1, _F1, _I1, nb.int64, _I1), **_OPTIONS)
def assign(prefill, decode, lowest, rule, role):
    """Write the role of every group (or `UNUSED`) and return lambda.

    ``lowest[group]`` is its lowest device.
    """
    if rule == BEST:
        return _best_roles(prefill, decode, role)
    return _ranked_roles(prefill, decode, lowest, rule, role)


@njit(nb.void(_I2, _I2, _I2, _F2, nb.int64, _F1), **_OPTIONS)
def evaluate(order, sizes, number, rate, rule, value):
    """Write lambda of every gene. ``rate[number[gene, group], role]`` are the groups' rates."""
    devices = order.shape[1]
    prefill, decode = np.empty(devices), np.empty(devices)
    lowest, role = np.empty(devices, dtype=np.int64), np.empty(devices, dtype=np.int64)
    for gene in range(order.shape[0]):
        size, place = 0, 0
        while size < devices and sizes[gene, size] > 0:
            prefill[size] = rate[number[gene, size], 0]
            decode[size] = rate[number[gene, size], 1]
            lowest[size] = order[gene, place : place + sizes[gene, size]].min()
            place += sizes[gene, size]
            size += 1
        value[gene] = assign(prefill[:size], decode[:size], lowest[:size], rule, role[:size])


@njit(nb.int64(nb.npy_rng, nb.int64), **_OPTIONS)
def _below(rng, n):
    """Return a random number from 0 to n - 1."""
    return min(n - 1, int(rng.random() * n))


@njit(nb.void(nb.npy_rng, _I1, nb.int64), **_OPTIONS)
def _draw_sizes(rng, sizes, index):
    """Draw the sizes from ``index`` on: uniformly from 1 .. left until none is left."""
    left = sizes.size
    for g in range(sizes.size):
        if g < index:
            left -= sizes[g]
        elif left > 0:
            sizes[g] = 1 + _below(rng, left)
            left -= sizes[g]
        else:
            sizes[g] = 0


@njit(nb.void(nb.npy_rng, _I1), **_OPTIONS)
def _shuffle(rng, order):
    for n in range(order.size - 1, 0, -1):
        other = _below(rng, n + 1)
        order[n], order[other] = order[other], order[n]


@njit(nb.void(nb.npy_rng, _I2, _I2), **_OPTIONS)
def draw_genes(rng, order, sizes):
    """Draw a population: random orders, random sizes."""
    for gene in range(order.shape[0]):
        for n in range(order.shape[1]):
            order[gene, n] = n
        _shuffle(rng, order[gene])
        _draw_sizes(rng, sizes[gene], 0)


@njit(nb.int64(nb.npy_rng, _I1), **_OPTIONS)
def _roulette(rng, by_rank):
    """Return a gene with probability proportional to its rank; ``by_rank[0]`` is the worst."""
    wheel = by_rank.size * (by_rank.size + 1) // 2
    spun = _below(rng, wheel)
    rank = 1
    while spun >= rank:
        spun -= rank
        rank += 1
    return by_rank[rank - 1]


@njit(nb.void(nb.npy_rng, _I1, _I1, _I1), **_OPTIONS)
def _cross(rng, first, second, child):
    """Join a head of the first order with a tail of the second, and repair it.

    Second occurrences, from left to right, give way to the missing devices in the second's order.
    """
    devices = first.size
    cut = 1 + _below(rng, devices - 1)
    used = np.zeros(devices, dtype=np.bool_)
    for n in range(cut):
        child[n] = first[n]
        used[first[n]] = True
    missing = 0  # devices not in the head stand in second[:cut], from here on
    for n in range(cut, devices):
        if used[second[n]]:
            while used[second[missing]]:
                missing += 1
            child[n] = second[missing]
            used[second[missing]] = True
        else:
            child[n] = second[n]


@njit(nb.void(nb.npy_rng, _I1, _I1), **_OPTIONS)
def _mutate(rng, order, sizes):
    """Change a gene: 20% a swap, 50% the later sizes, 15% all sizes, 15% everything."""
    kind = rng.random()
    if kind < 0.2:
        one = _below(rng, order.size)
        other = (one + 1 + _below(rng, order.size - 1)) % order.size
        order[one], order[other] = order[other], order[one]
    elif kind < 0.7:
        groups = 0
        while groups < sizes.size and sizes[groups] > 0:
            groups += 1
        _draw_sizes(rng, sizes, _below(rng, groups))
    else:
        _draw_sizes(rng, sizes, 0)
        if kind >= 0.85:
            _shuffle(rng, order)


@njit(nb.void(nb.npy_rng, _I2, _I2, _I1, _I2, _I2, nb.float64, _I2, _I2), **_OPTIONS)
def breed(rng, order, sizes, by_rank, elite_order, elite_sizes, mutation, next_order, next_sizes):
    """Write the next population: steps 3 to 5 of spec section 6.1."""
    child = np.empty(order.shape[1], dtype=np.int64)
    for gene in range(order.shape[0]):
        one, other = _roulette(rng, by_rank), _roulette(rng, by_rank)
        _cross(rng, order[one], order[other], child)
        next_sizes[gene] = sizes[one if rng.random() < 0.5 else other]
        if rng.random() < mutation:
            _mutate(rng, child, next_sizes[gene])
        best = _below(rng, elite_order.shape[0])
        _cross(rng, elite_order[best], child, next_order[gene])
        if rng.random() < 0.5:
            next_sizes[gene] = elite_sizes[best]
