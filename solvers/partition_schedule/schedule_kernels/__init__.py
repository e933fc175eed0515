"""`partition-schedule`: compiled bounds of, and search over, schedules (spec section 4.4).

Explicit signatures make the import of these modules the compilation; numba caches it on disk.

A state is, per row, its next tier ``stage`` (the number of tiers when it is done) and the time
``ready`` at which it is there, and per node the time ``free`` from which it is idle. Rows of
equal tokens are interchangeable, and so are nodes of equal speed in one tier: within both a
state is kept sorted. `layout` says what the other arguments hold.
"""

from shardopt.solvers.jit import forget_outdated

forget_outdated(__path__[0])
