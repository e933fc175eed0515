"""What tests of `partition-schedule` online share."""

from __future__ import annotations

import numpy as np
import pytest

import shardopt
from partition_schedule.instances import make
from shardopt.models.requests import Requests

TWINS = make([(1, 1, 1, 0)], [[(1, 9), (1, 9)]], [], [(0, 10)], "mean-latency")
"""One tier of two equal nodes, a1 and a2; the instance's only request takes 10 s on either."""
close = pytest.approx


def one(instance, policy="arts", **options):
    return shardopt.simulate(instance, policy, **options)["policies"][policy]


def at(*times, tokens=None):
    given = None if tokens is None else np.array(tokens)
    return Requests(np.array(times, dtype=np.float64), 1.0, given)


def logged(instance, policy="arts", **options):
    """Return who is served where from when on, as the events tell it."""
    lines = []
    one(instance, policy, log=lines.append, **options)
    return [(e["request"], e["node"], e["time_s"]) for e in lines if e["event"] == "start"]


FAST_AND_SLOW = make([(1, 1, 1, 0)], [[(1, 9), (5, 9)]], [], [(0, 10)], "mean-latency")
