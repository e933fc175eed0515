"""What tests of `block-placement` online share."""

from __future__ import annotations

import numpy as np

import shardopt
from block_placement import hand
from shardopt.models.requests import Requests


def one(instance, policy="ws-rr", **options):
    return shardopt.simulate(instance, policy, **options)["policies"][policy]


def at(*times, **columns):
    arrival = np.array(times, dtype=np.float64)
    span = arrival[-1] - arrival[0]
    lengths = {name: np.array(values) for name, values in columns.items()}
    return Requests(arrival, (len(times) - 1) / span if span else None, **lengths)


def ten_seconds():
    """One server hosts both blocks beside 2 slots; a session takes 2 and 10 s."""
    return hand.make(2, [(4.0, 1.0, 1.0)], [(1, (1.0,))], weight=1.0, cache=1.0)
