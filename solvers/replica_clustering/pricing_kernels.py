"""`replica-clustering`: compiled pricing of sets of devices (spec section 5.3).

Explicit signatures make the import of this module the compilation; numba caches it on disk.

A mode is a role with a micro-batch q and a number of stages S. A set of S devices has the value
``gain / T - sum of cost``, T being its slowest part. Devices are items, those of one type next to
each other; ``kind[item]`` is the type, ``same[item]`` the first item of another type behind it.
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

# Whoever changes that function must have numba compile this module anew, too.
from shardopt.solvers.replica_clustering.rate_kernels import blocks_within

_F1, _F2 = nb.float64[::1], nb.float64[:, ::1]
_F4 = nb.float64[:, :, :, ::1]
_I1, _I2 = nb.int64[::1], nb.int64[:, ::1]
SETS = nb.Tuple((_F2, _I2, _I1, _I1, _F1))
"""speed[what, type] and most[master or not, type] as in `rate_kernels.ROLE`, for one mode; kind,
same and cost by item."""

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_NONE = 2**62


@njit(nb.void(SETS, nb.float64, _I2), **_OPTIONS)
def _fill_room(sets, limit, room):
    """Write how many blocks each item has room for below a limit, ``room[1]`` as master."""
    speed, most, kind = sets[0], sets[1], sets[2]
    for item in range(kind.size):
        i = kind[item]
        room[0, item] = blocks_within(limit, speed[0, i], speed[1, i], 0.0, most[0, i])
        room[1, item] = blocks_within(limit, speed[0, i], speed[1, i], speed[2, i], most[1, i])


@njit(nb.float64(_I2, _F1, nb.int64, _F4), **_OPTIONS)
def _fill_table(room, cost, stages, table):
    """Write ``table[item, h, s, n]`` and return the least cost of a whole replica.

    The entry is the least cost of s devices from the item on, h of them the master, that have
    room for n blocks or more, at least one each.
    """
    items, blocks = cost.size, table.shape[3] - 1
    table[items] = np.inf
    table[items, 0, 0, 0] = 0.0
    for item in range(items - 1, -1, -1):
        before, now = table[item + 1], table[item]
        now[:] = before
        for h in (0, 1):
            fits = min(room[h, item], blocks)
            if fits < 1:
                continue
            # As master it adds to what has none yet, else to what has as many as it says.
            for to in range(h, 2):
                for s in range(1, stages + 1):
                    source, target = before[to - h, s - 1], now[to, s]
                    least = source[0] + cost[item]
                    for n in range(fits + 1):
                        target[n] = min(target[n], least)
                    for n in range(fits + 1, blocks + 1):
                        target[n] = min(target[n], source[n - fits] + cost[item])
    return table[0, 1, stages, blocks]


@njit(nb.void(_I2, _F1, nb.int64, _F4, _I1), **_OPTIONS)
def _trace(room, cost, stages, table, chosen):
    """Write the items behind the least cost of a whole replica."""
    h, s, n = 1, stages, table.shape[3] - 1
    found = 0
    for item in range(cost.size):
        if s == 0:
            break
        value, after = table[item, h, s, n], table[item + 1]
        if after[h, s, n] == value:
            continue
        chosen[found] = item
        found += 1
        s -= 1
        as_stage = max(0, n - room[0, item])
        if room[0, item] >= 1 and after[h, s, as_stage] + cost[item] == value:
            n = as_stage
        else:
            n, h = max(0, n - room[1, item]), 0


@njit(nb.float64(SETS, nb.float64, _F1, nb.float64, nb.int64, nb.float64, _F4, _I1), **_OPTIONS)
def price(sets, gain, times, hop, stages, above, table, chosen):
    """Return the largest value of a set and write its items; ``above`` if no value is larger.

    ``times`` are all that stages can take, rising; T is at least the ``hop``. The least cost falls
    as the limit of T rises: between two limits no value is above the gain at the lower one less
    the cost at the upper one. Intervals of limits are halved until none promises more than the
    best.
    """
    cost = sets[4]
    room = np.empty((2, cost.size), dtype=np.int64)
    best, best_time = above, -1.0
    first, last = np.empty(64, dtype=np.int64), np.empty(64, dtype=np.int64)
    least = np.empty(64)
    first[0], last[0] = 0, times.size - 1
    _fill_room(sets, times[-1], room)
    least[0] = _fill_table(room, cost, stages, table)
    value = gain / max(times[-1], hop) - least[0]
    if value > best:
        best, best_time = value, times[-1]
    size = 1
    while size > 0:
        size -= 1
        a, b, after = first[size], last[size], least[size]
        if a == b or gain / max(times[a], hop) - after <= best:
            continue
        middle = (a + b) // 2
        _fill_room(sets, times[middle], room)
        here = _fill_table(room, cost, stages, table)
        value = gain / max(times[middle], hop) - here
        if value > best:
            best, best_time = value, times[middle]
        first[size], last[size], least[size] = middle + 1, b, after
        size += 1
        if here < np.inf:
            first[size], last[size], least[size] = a, middle, here
            size += 1
    if best_time > 0.0:
        _fill_room(sets, best_time, room)
        _fill_table(room, cost, stages, table)
        _trace(room, cost, stages, table, chosen)
    return best


@njit(nb.boolean(_I2, _I1, nb.int64), **_OPTIONS)
def _fits(room, chosen, blocks):
    """Whether the items together have room for all blocks and the head."""
    total, loss = 0, _NONE
    for n in range(chosen.size):
        item = chosen[n]
        if room[0, item] < 1:
            return False
        total += room[0, item]
        if room[1, item] >= 1:
            loss = min(loss, room[0, item] - room[1, item])
    return loss < _NONE and total - loss >= blocks


@njit(
    nb.int64(SETS, nb.float64, nb.float64, nb.float64, nb.int64, _F4, _I2),
    **_OPTIONS,
)
def enumerate_sets(sets, before, limit, budget, stages, table, found):
    """Write the items of all sets with T above ``before``, at most ``limit``, and cost <= budget.

    Depth first; the table tells whether a start can be completed. Returns their number, or -1 if
    there are more than ``found`` has rows. Of one type the first items are taken.
    """
    same, cost = sets[3], sets[4]
    items, blocks = cost.size, table.shape[3] - 1
    room, room_before = np.empty((2, items), dtype=np.int64), np.empty((2, items), dtype=np.int64)
    _fill_room(sets, limit, room)
    _fill_room(sets, before, room_before)
    if _fill_table(room, cost, stages, table) > budget:
        return 0
    chosen = np.empty(stages, dtype=np.int64)
    # By depth: blocks still without room, what the best master so far takes away, and the cost.
    need, loss = np.empty(stages + 1, dtype=np.int64), np.empty(stages + 1, dtype=np.int64)
    spent = np.empty(stages + 1)
    need[0], loss[0], spent[0] = blocks, _NONE, 0.0
    depth, item, size = 0, 0, 0
    while True:
        go_back = item == items
        if not go_back:
            s = stages - depth
            least = table[item, 1, s, max(0, need[depth])] if s > 0 else np.inf
            if loss[depth] < _NONE:
                short = need[depth] + loss[depth]
                if short <= blocks:
                    least = min(least, table[item, 0, s, max(0, short)])
            go_back = spent[depth] + least > budget
        if go_back:
            if depth == 0:
                return size
            depth -= 1
            item = same[chosen[depth]]
            continue
        chosen[depth] = item
        spent[depth + 1] = spent[depth] + cost[item]
        need[depth + 1] = need[depth] - room[0, item]
        loss[depth + 1] = loss[depth]
        if room[1, item] >= 1:
            loss[depth + 1] = min(loss[depth], room[0, item] - room[1, item])
        possible = room[0, item] >= 1
        if possible and depth + 1 < stages:
            depth += 1
            item += 1
            continue
        possible &= loss[depth + 1] < _NONE and need[depth + 1] + loss[depth + 1] <= 0
        possible &= spent[depth + 1] <= budget
        if possible and not _fits(room_before, chosen, blocks):
            if size == found.shape[0]:
                return -1
            found[size] = chosen
            size += 1
        item = same[item]  # another one of its type would do the same
