"""What tests of `replica-clustering` online share."""

from __future__ import annotations

import numpy as np
import pytest

import shardopt
from replica_clustering.hand import make, plan, replica
from shardopt.models.requests import Requests

close = pytest.approx


def one(instance, policy="jsq", **options):
    return shardopt.simulate(instance, policy, **options)["policies"][policy]


def at(*times, **columns):
    lengths = {name: np.array(values) for name, values in columns.items()}
    return Requests(np.array(times, dtype=np.float64), 1.0, **lengths)


def logged(instance, event, policy="jsq", **options):
    """Return when this happens to whom, and where."""
    lines = []
    one(instance, policy, log=lines.append, **options)
    return [(e["request"], e["replica"], e["time_s"]) for e in lines if e["event"] == event]


def two_and_two():
    """Replicas of one device: prefill in 0.4 and 0.8 s, decode in 2 s (a2) and 4 s, a slot each."""
    instance = make("abab", memory=1e9)
    return instance, plan(
        replica("prefill", 1, ("a1", 0, 4)),
        replica("prefill", 1, ("b1", 0, 4)),
        replica("decode", 1, ("a2", 0, 4)),
        replica("decode", 1, ("b2", 0, 4)),
    )
