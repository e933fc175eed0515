"""`block-placement`: compiled annealing over placements, with sessions served greedily (ours).

Explicit signatures make the import of this module the compilation; numba caches it on disk.
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

F1, F2 = nb.float64[::1], nb.float64[:, ::1]
I1, I2 = nb.int64[::1], nb.int64[:, ::1]
STOP = nb.uint8[::1]

SWARM = nb.Tuple((nb.int64, I1, I2, F2, F2, I1, nb.float64, nb.float64))
"""An instance: blocks, most[server], slots[server, blocks hosted], fixed[client, server],
per_block[client, server], sessions[client]; what a session that is not served counts, and what a
block on a scarce server costs those who are served early."""

STATE = nb.Tuple((I1, I1, I1, I1))
"""start[server] and stop[server], equal where nothing is hosted; scarce[server], 0 or 1;
early[client]: how many sessions spare scarce servers, and are served before the others."""

ROOM = nb.Tuple((I1, I1, I1, I1, F1, I1, I1))
"""Scratch: free[server], order[server], entered[server]; and by position, a boundary that is
reached: its block, the least cost to it, the server and the position that this comes from."""

SCARCE, EARLY, SHIFT, RESIZE, BOUNDARY, COPY, SWAP, ABUT = (
    0.04,
    0.12,
    0.28,
    0.45,
    0.6,
    0.75,
    0.85,
    0.95,
)
"""Which move is made, by where a uniform number falls; beyond the last one a run is trimmed."""
STEPS = (-2, -1, 1, 2)
NEAR = 0.7
"""Share of the changes of ``early`` that are small."""


@njit(ROOM(nb.int64), **OPTIONS)
def make_room(servers):
    """Return scratch for `serve`, to be used again and again."""
    n = servers + 2
    return (
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )


@njit(nb.int64(SWARM, STATE, ROOM), **OPTIONS)
def begin(swarm, state, room):
    """Empty all servers; return how many host something, in ``order`` by the stop of their run."""
    slots = swarm[2]
    start, stop = state[0], state[1]
    free, order, entered = room[0], room[1], room[2]
    hosting = 0
    for j in range(len(start)):
        entered[j] = stop[j]
        free[j] = slots[j, stop[j] - start[j]]
        if stop[j] > start[j]:
            i = hosting
            while i > 0 and stop[order[i - 1]] > stop[j]:
                order[i] = order[i - 1]
                i -= 1
            order[i] = j
            hosting += 1
    return hosting


@njit(nb.Tuple((nb.int64, nb.int64))(SWARM, STATE, ROOM, nb.int64, nb.int64, nb.float64), **OPTIONS)
def reach(swarm, state, room, hosting, c, price):
    """Find a client's cheapest paths to all boundaries, over servers that have free slots.

    Returns the number of positions, and how many links were looked at. Boundaries rise along a
    path, so servers in the order of their stops are a topological order.
    """
    fixed, per_block = swarm[3], swarm[4]
    start, stop, scarce = state[0], state[1], state[2]
    free, order, _, block, cost, server, before = room
    positions, looks = 1, 0
    block[0], cost[0] = 0, 0.0
    for i in range(hosting):
        j = order[i]
        lowest = max(start[j], stop[j] - free[j])
        slope = per_block[c, j] + price * scarce[j]
        least, source = np.inf, -1
        last = positions - 1
        k = last - 1 if block[last] == stop[j] else last
        while k >= 0 and block[k] >= lowest:
            looks += 1
            value = cost[k] + slope * (stop[j] - block[k])
            if value < least:
                least, source = value, k
            k -= 1
        if source < 0:
            continue
        least += fixed[c, j]
        if block[last] != stop[j]:
            last = positions
            block[last], cost[last] = stop[j], np.inf
            positions += 1
        if least < cost[last]:
            cost[last], server[last], before[last] = least, j, source
    return positions, looks


@njit(nb.Tuple((nb.float64, nb.int64))(SWARM, ROOM, nb.int64, nb.int64, nb.int64, I2), **OPTIONS)
def send(swarm, room, c, last, most, path):
    """Send as many sessions as fit, at most so many, on the path to a position.

    Returns what one session costs, and their number; ``path`` receives the servers and the
    blocks that they run, from the last to the first, and then a zero.
    """
    fixed, per_block = swarm[3], swarm[4]
    free, _, entered, block, _, server, before = room
    count, each, length = most, 0.0, 0
    k = last
    while k > 0:
        j, run = server[k], block[k] - block[before[k]]
        count = min(count, free[j] // run)
        each += fixed[c, j] + per_block[c, j] * run
        path[length, 0], path[length, 1] = j, run
        length += 1
        entered[j] = min(entered[j], block[before[k]])
        k = before[k]
    path[length, 1] = 0
    for i in range(length):
        free[path[i, 0]] -= count * path[i, 1]
    return each, count


@njit(nb.float64(SWARM, STATE, ROOM, I2, I1), **OPTIONS)
def serve(swarm, state, room, path, looks):
    """Serve all sessions, client after client, always on the cheapest path that is free.

    Returns the sum of their costs, with those that are not served. ``looks`` counts the links
    that were looked at, which is the time it takes.
    """
    blocks, sessions, missing, scarcity = swarm[0], swarm[5], swarm[6], swarm[7]
    hosting = begin(swarm, state, room)
    total = 0.0
    for c in range(len(sessions)):
        left, early = sessions[c], min(state[3][c], sessions[c])
        while left > 0:
            price = scarcity if early > 0 else 0.0
            positions, looked = reach(swarm, state, room, hosting, c, price)
            looks[0] += looked + hosting
            if room[3][positions - 1] != blocks:
                break
            most = early if early > 0 else left
            each, count = send(swarm, room, c, positions - 1, most, path)
            total += each * count
            left -= count
            early -= min(early, count)
        total += missing * left
    return total


@njit(nb.boolean(SWARM, STATE, nb.int64, nb.int64), **OPTIONS)
def move_boundary(swarm, state, at, by):
    """Move the boundary between two stages with all runs that end or begin there."""
    blocks, most = swarm[0], swarm[1]
    start, stop = state[0], state[1]
    if at == blocks:
        return False
    for s in range(len(start)):
        if stop[s] > start[s]:
            if stop[s] == at:
                stop[s] += by
            elif start[s] == at:
                start[s] += by
            if not (0 <= start[s] < stop[s] <= blocks and stop[s] - start[s] <= most[s]):
                return False
    return True


@njit(nb.boolean(SWARM, STATE, nb.int64, nb.int64, nb.int64, nb.float64, nb.float64, I1), **OPTIONS)
def change(swarm, state, j, i, by, kind, where, entered):
    """Change the state by one move of server j, perhaps with server i; return whether it is one."""
    blocks, most, sessions = swarm[0], swarm[1], swarm[5]
    start, stop, scarce, early = state
    size, other = stop[j] - start[j], stop[i] - start[i]
    if kind < SCARCE:
        scarce[j] = 1 - scarce[j]
    elif kind < EARLY:
        c = i % len(sessions)
        any_number = int((where - NEAR) / (1.0 - NEAR) * sessions[c])
        early[c] = early[c] + by if where < NEAR else any_number
        return 0 <= early[c] <= sessions[c]
    elif kind < SHIFT:
        start[j] += by
        stop[j] += by
        return size > 0 and start[j] >= 0 and stop[j] <= blocks
    elif kind < RESIZE:
        if where < 0.5:
            start[j] += by
        else:
            stop[j] += by
    elif kind < BOUNDARY:
        return size > 0 and move_boundary(swarm, state, stop[j], by)
    elif kind < COPY:
        size = min(most[j], other)
        start[j] = start[i] if where < 0.5 else stop[i] - size
        stop[j] = start[j] + size
        return i != j and other > 0
    elif kind < SWAP:
        one, two = min(most[i], size), min(most[j], other)
        a, b = start[j], start[i]
        if where < 0.5:
            a, b = stop[j] - one, stop[i] - two
        start[i], stop[i], start[j], stop[j] = a, a + one, b, b + two
        return i != j
    elif kind < ABUT:
        size = 1 + int(where * most[j])
        if by < 0:
            stop[j] = stop[i] if by == -1 else start[i]
            start[j] = stop[j] - size
        else:
            start[j] = stop[i] if by == 1 else start[i]
            stop[j] = start[j] + size
    else:
        start[j] = entered[j]
        return start[j] > stop[j] - size
    return 0 <= start[j] <= stop[j] <= blocks and stop[j] - start[j] <= most[j]


@njit(nb.void(STATE, STATE), **OPTIONS)
def copy_state(target, source):
    """Copy a state."""
    target[0][:] = source[0]
    target[1][:] = source[1]
    target[2][:] = source[2]
    target[3][:] = source[3]


@njit(nb.float64(SWARM, STATE, STATE, nb.float64, F2, nb.float64, I1, nb.int64, STOP), **OPTIONS)
def anneal(swarm, state, best, least, draws, warmth, looks, most_looks, stopped):
    """Anneal ``state``, a move for each row of uniform ``draws``; keep the best met in ``best``.

    Returns its sum of costs, ``least`` if nothing better was met. Worse states are taken as in
    simulated annealing, at first those about ``warmth`` worse. It ends early when so many links
    have been looked at.
    """
    servers = len(state[0])
    room, path = make_room(servers), np.zeros((servers + 2, 2), dtype=np.int64)
    kept = (state[0].copy(), state[1].copy(), state[2].copy(), state[3].copy())
    value = serve(swarm, state, room, path, looks)
    entered = room[2][:servers].copy()
    if value < least:
        least = value
        copy_state(best, state)
    trials = len(draws)
    for trial in range(trials):
        if stopped[0] or looks[0] >= most_looks:
            break
        kind, one, two, where, step, patience = draws[trial]
        j, i, by = int(one * servers), int(two * servers), STEPS[int(step * len(STEPS))]
        limit = value - warmth * (1.0 - trial / trials) ** 2 * np.log(1.0 - patience)
        if swarm[1][j] > 0 and change(swarm, state, j, i, by, kind, where, entered):
            found = serve(swarm, state, room, path, looks)
            if found < limit:
                value = found
                entered[:] = room[2][:servers]
                copy_state(kept, state)
                if value < least:
                    least = value
                    copy_state(best, state)
                continue
        copy_state(state, kept)
    return least
