"""`block-placement`: the packing bound (ours), a relaxation that forgets where runs lie.

Columns: ``Y[t,m]``, servers of type t that host m blocks; ``g[c,t,k]``, visits of sessions of
client c that run k blocks on a server of type t. About a hundred columns; its optimum is a
bound and not a plan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shardopt.models.block_placement.data import Instance
from shardopt.models.block_placement.formulations.common import capped, cost_scale_s, hosting_types
from shardopt.models.block_placement.tables import FloatArray, IntArray, Tables, make_tables
from shardopt.models.formulation import LinearFormulation
from shardopt.models.linear import LinearModel


@dataclass(frozen=True)
class Kind:
    """One type of servers: ``Y[m - 1]``, ``g[client, k - 1]`` and ``slots[m - 1]``."""

    servers: int
    Y: IntArray
    g: IntArray
    slots: IntArray


@dataclass(frozen=True)
class Program:
    """The model being built."""

    tables: Tables
    model: LinearModel
    kinds: list[Kind]

    @property
    def demand(self) -> list[int]:
        """D_c by client."""
        return [int(sessions) for sessions in self.tables.sessions]


def build(
    instance: Instance, *, relaxed: bool = False, ceiling_s: float | None = None
) -> LinearFormulation:
    """Build the model.

    ``relaxed`` leaves integrality out; steps dearer than ``ceiling_s`` are charged that.
    """
    tables = capped(make_tables(instance), ceiling_s)
    p = _columns(tables, relaxed)
    one_size(p)
    all_blocks_run(p)
    slots(p)
    count(p)
    cover(p)
    return LinearFormulation(
        p.model,
        lambda values: None,
        lambda plan: np.zeros(0),
        unit=cost_scale_s(tables) / instance.session_count,
    )


def _columns(tables: Tables, relaxed: bool) -> Program:
    model = LinearModel()
    kinds = []
    for members in hosting_types(tables):
        j, most = members[0], int(tables.U[members[0]])
        size = np.arange(1, most + 1)
        upper = float(len(members))
        sizes = model.add_columns(most, upper=upper, integer=not relaxed)
        visits = []
        for c, sessions in enumerate(tables.sessions):
            cost = (tables.fixed[c, j] + tables.per_block[c, j] * size) / cost_scale_s(tables)
            upper = float(sessions * len(members))
            visits.append(model.add_columns(most, cost=cost, upper=upper, integer=not relaxed))
        kinds.append(Kind(len(members), sizes, np.array(visits), tables.slots[j, size]))
    return Program(tables, model, kinds)


def one_size(p: Program) -> None:
    """sum_m Y[t,m] <= servers of the type."""
    for kind in p.kinds:
        p.model.add_row(kind.Y, upper=float(kind.servers))


def all_blocks_run(p: Program) -> None:
    """Sum k g[c] = L D_c."""
    for c, sessions in enumerate(p.demand):
        columns = np.concatenate([kind.g[c] for kind in p.kinds])
        values = np.concatenate([np.arange(1.0, kind.Y.size + 1) for kind in p.kinds])
        total = float(p.tables.block_count * sessions)
        p.model.add_row(columns, values, lower=total, upper=total)


def slots(p: Program) -> None:
    """sum_{k>=q} k g <= sum_{m>=q} n(m) Y: a visit of q blocks and more needs as long a run."""
    everything = sum(p.demand)
    for kind in p.kinds:
        for q in range(1, kind.Y.size + 1):
            size = np.arange(q, kind.Y.size + 1)
            free = np.minimum(kind.slots[q - 1 :], everything * size)
            columns = np.concatenate([kind.Y[q - 1 :], kind.g[:, q - 1 :].ravel()])
            values = np.concatenate([-free, *[size] * len(kind.g)])
            p.model.add_row(columns, values.astype(np.float64), upper=0.0)


def count(p: Program) -> None:
    """sum_{k>=q} g <= sum_{m>=q} min(D_C, floor(n(m)/q)) Y, for each client and for all."""
    clients = range(len(p.demand))
    sets = [[c] for c in clients] if len(clients) == 1 else [*([c] for c in clients), [*clients]]
    for kind in p.kinds:
        for q in range(1, kind.Y.size + 1):
            for chosen in sets:
                most = sum(p.demand[c] for c in chosen)
                served = np.minimum(kind.slots[q - 1 :] // q, most)
                visits = kind.g[chosen, q - 1 :].ravel()
                columns = np.concatenate([kind.Y[q - 1 :], visits])
                values = np.concatenate([-served, np.ones(visits.size)])
                p.model.add_row(columns, values, upper=0.0)


def cover(p: Program) -> None:
    """Sum Y[t,m] v[t,m] >= L: every block is hosted, by two where one cannot serve everybody.

    Whoever runs the q-th block before the end of a run takes q slots of its server, and more.
    """
    everybody = sum(p.demand)
    columns = np.concatenate([kind.Y for kind in p.kinds])
    values = np.concatenate([cover_values(kind.slots, everybody) for kind in p.kinds])
    p.model.add_row(columns, values, lower=float(p.tables.block_count))


def cover_values(slots: IntArray, everybody: int) -> FloatArray:
    """Return v[m - 1]: blocks of a run of m that it serves alone, and half of the others.

    ``slots[m - 1]`` are those beside m hosted blocks.
    """
    values = []
    for size, free in enumerate(slots, start=1):
        alone = int(((free // np.arange(1, size + 1)) >= everybody).sum())
        values.append(alone + (size - alone) / 2)
    return np.array(values)
