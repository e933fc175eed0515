"""One stream of random numbers per purpose.

So two policies with one seed meet the same requests, lengths and failures, and a further purpose
changes nothing in the others.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Purpose = Literal["arrivals", "lengths", "client", "actual", "service", "failures", "policy"]


def stream(seed: int, purpose: Purpose) -> np.random.Generator:
    """Return the generator of one purpose.

    Noise that belongs to a request is drawn for all of them at once and indexed by their
    number: drawn in the order of events it would depend on the policy.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(purpose.encode())))
