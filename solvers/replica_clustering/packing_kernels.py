"""`replica-clustering`: compiled dynamic programme over sets of devices (spec section 5.2).

Explicit signatures make the import of this module the compilation; numba caches it on disk.

A set of devices is a vector of counts by type, and its number in mixed radix is its state:
``sum of count[i] * place[i]``. Column 0 of ``rate`` and ``best`` is prefill, column 1 decode.
"""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

_F2 = nb.float64[:, ::1]
_I1 = nb.int64[::1]
_B2 = nb.boolean[:, ::1]
_STOP = nb.uint8[::1]

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(nb.int64(_I1, _I1, _I1, nb.int64), **_OPTIONS)
def _parts(count, place, parts, first):
    """Write the states of all vectors with the first device of ``first`` and others of ``count``.

    Returns their number. Each stands for a way to split off a set that contains a certain device;
    the last one is the whole.
    """
    parts[0] = place[first]
    size = 1
    for i in range(count.size - 1, -1, -1):
        more = count[i] - (i == first)
        for n in range(1, more + 1):
            for k in range(size):
                parts[n * size + k] = parts[k] + n * place[i]
        size *= more + 1
    return size


@njit(nb.int64(_F2, _I1, _I1, _F2, _B2, _I1, _STOP), **_OPTIONS)
def pack(rate, available, place, best, useful, parts, stop):
    """Write ``best[state, role]``: the largest sum of rates of disjoint parts of the state.

    ``useful[state, role]`` says whether the state as one replica is better than any packing of
    its proper parts. ``parts`` is scratch. A packing is split off from the first device of the
    first type on: that device is unused, or in one part with some of the others. 1 when stopped.
    """
    count = np.zeros(available.size, dtype=np.int64)
    best[0], useful[0] = 0.0, False
    since = 0
    for state in range(1, best.shape[0]):
        i = 0
        while count[i] == available[i]:
            count[i] = 0
            i += 1
        count[i] += 1
        first = 0
        while count[first] == 0:
            first += 1
        size = _parts(count, place, parts, first)
        prefill, decode = best[state - place[first], 0], best[state - place[first], 1]
        for k in range(size - 1):
            part = parts[k]
            prefill = max(prefill, rate[part, 0] + best[state - part, 0])
            decode = max(decode, rate[part, 1] + best[state - part, 1])
        useful[state, 0], useful[state, 1] = rate[state, 0] > prefill, rate[state, 1] > decode
        best[state, 0], best[state, 1] = max(prefill, rate[state, 0]), max(decode, rate[state, 1])
        since += size
        if since > 1_000_000:
            since = 0
            if stop[0]:
                return 1
    return 0


@njit(nb.int64(_F2, _I1, _I1, _F2, nb.int64, nb.int64, _I1, _I1), **_OPTIONS)
def unpack(rate, available, place, best, state, role, parts, chosen):
    """Write the parts (states) whose rates make up ``best[state, role]``; return their number."""
    count = np.empty(available.size, dtype=np.int64)
    found = 0
    while best[state, role] > 0.0:
        left = state
        for i in range(count.size - 1, -1, -1):
            count[i] = left // place[i]
            left -= count[i] * place[i]
        first = 0
        while count[first] == 0:
            first += 1
        if best[state - place[first], role] == best[state, role]:
            state -= place[first]
            continue
        size = _parts(count, place, parts, first)
        for k in range(size - 1, -1, -1):
            part = parts[k]
            if rate[part, role] + best[state - part, role] == best[state, role]:
                chosen[found] = part
                found += 1
                state -= part
                break
    return found
