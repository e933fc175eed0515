"""`cold-start`: compiled kernels, all polling ``stop`` and free of the GIL.

Explicit signatures make the import of these modules the compilation; numba caches it on disk, so
that only the very first import on a machine takes seconds.

Names used throughout: ``d`` is the sender and ``e`` the receiver, devices or types of devices;
``a`` and ``b`` are cuts, so that a run is ``[a, b)``. Times are in seconds. ``model`` is the
tuple made by `kernel_model`; `layout` says what it holds.
"""

from shardopt.solvers.jit import forget_outdated

forget_outdated(__path__[0])

from shardopt.solvers.cold_start.kernels.labels import backward, fill, forward, trace_back  # noqa: E402
from shardopt.solvers.cold_start.kernels.orders import descend, order_stages, order_value  # noqa: E402
from shardopt.solvers.cold_start.kernels.subsets import farthest, subset_dp  # noqa: E402

__all__ = [
    "backward",
    "descend",
    "farthest",
    "fill",
    "forward",
    "order_stages",
    "order_value",
    "subset_dp",
    "trace_back",
]
