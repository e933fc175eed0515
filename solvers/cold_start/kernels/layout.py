"""`cold-start`: what the compiled kernels hand to each other, as numba types."""

from __future__ import annotations

from numba.core import types as nb

F1, F2, F3 = nb.float64[::1], nb.float64[:, ::1], nb.float64[:, :, ::1]
I1, I2 = nb.int64[::1], nb.int64[:, ::1]
STOP = nb.uint8[::1]
MODEL = nb.Tuple((nb.boolean, F1, F1, F1, F1, F1, F2, nb.float64, I2))
"""layerwise, work[L+1], weight[L+1], activation[L], inverse compute, inverse load rate,
inverse_rate[sender, receiver], latency, reach[receiver, L]."""

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
