"""`partition-schedule`: ARTS, the online policy that picks a node for a request (spec section 6).

Published (arXiv 2511.14450) are queue length and effective capacity; the formulas are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TIE = 1e-12
"""Of two scores the later one must be smaller by more than this share to win."""
LEARNING_RATE = 0.2


@dataclass
class Arts:
    """ARTS for the nodes of one tier: all that it remembers is how fast it believes them to be.

    Attributes
    ----------
    believed_flops_per_s
        By node. Begin with the nominal speeds.
    """

    believed_flops_per_s: list[float]

    def choose(
        self, outstanding_flops: Sequence[float], flops: float, eligible: Sequence[int]
    ) -> int:
        """Return the node that would end a request first: argmin (Q_k + n F) / C_k.

        Parameters
        ----------
        outstanding_flops
            Q_k by node: what is queued there, and the rest of what is being served.
        flops
            The work n F of the request.
        eligible
            The nodes with enough memory, in the order in which ties are broken; at least one.
        """
        speed = self.believed_flops_per_s
        best, least = -1, float("inf")
        for k in eligible:
            score = (outstanding_flops[k] + flops) / speed[k]
            if best < 0 or score < least - TIE * least:
                best, least = k, score
        return best

    def completed(self, node: int, flops: float, busy_s: float) -> None:
        """Learn from a service that has ended how fast its node really is."""
        believed = self.believed_flops_per_s
        believed[node] += LEARNING_RATE * (flops / busy_s - believed[node])
