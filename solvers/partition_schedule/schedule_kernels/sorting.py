"""`partition-schedule`: numbers and items in order, and heaps of them."""

# mypy: disable-error-code="call-overload, no-untyped-call, no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core import types as nb

from shardopt.solvers.partition_schedule.schedule_kernels.layout import F1, FEW, I1, OPTIONS


@njit(nb.void(F1, I1, nb.int64), **OPTIONS)
def sort_by(key, items, n):
    """Sort the first ``n`` items by their keys, rising; ties keep their order."""
    if n > FEW:
        order = np.argsort(key[items[:n]], kind="mergesort")
        items[:n] = items[:n][order]
        return
    for i in range(1, n):
        item = items[i]
        at = i
        while at > 0 and key[items[at - 1]] > key[item]:
            items[at] = items[at - 1]
            at -= 1
        items[at] = item


@njit(nb.void(F1, nb.int64), **OPTIONS)
def sort_values(values, n):
    """Sort the first ``n`` values, rising."""
    if n > FEW:
        values[:n] = np.sort(values[:n])
        return
    for i in range(1, n):
        value = values[i]
        at = i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@njit(nb.void(F1, nb.int64, nb.int64), **OPTIONS)
def sift_down(heap, at, size):
    """Restore the order of a heap of numbers, the least on top, from place ``at`` down."""
    item = heap[at]
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= item:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = item


@njit(nb.void(F1, I1, nb.int64, nb.int64), **OPTIONS)
def sift_down_by(keys, queue, item, size):
    """Put ``item`` into the empty top of a heap of items, the least key on top."""
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and keys[queue[below + 1]] < keys[queue[below]]:
            below += 1
        if keys[queue[below]] >= keys[item]:
            break
        queue[at] = queue[below]
        at = below
    queue[at] = item


@njit(nb.void(F1, nb.float64, nb.int64), **OPTIONS)
def sift_up(heap, value, at):
    """Put a number into a heap of ``at`` numbers, the least on top."""
    while at > 0 and heap[(at - 1) // 2] > value:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = value


@njit(nb.void(F1, I1, nb.int64, nb.int64), **OPTIONS)
def sift_up_by(keys, queue, item, at):
    """Put ``item`` into a heap of ``at`` items, the least key on top."""
    while at > 0 and keys[queue[(at - 1) // 2]] > keys[item]:
        queue[at] = queue[(at - 1) // 2]
        at = (at - 1) // 2
    queue[at] = item
