"""Network topologies: generated ones like those of the published study, or a user's own file.

The study uses AboveNet, BellCanada and GTS-CE of the Internet Topology Zoo. As their licences
are unconfirmed, none is shipped; what is generated has the same numbers of nodes and links and
the same range of link delays, and about the same mean round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shardopt.instances.strict import (
    AbsentOr,
    Finite,
    NonEmptyText,
    StrictModel,
    parse_json,
    shown,
    validate,
)
from shardopt.models.errors import InputError

Link = tuple[int, int, float]
"""Two nodes and the one-way delay between them in seconds; it works both ways."""


@dataclass(frozen=True)
class Topology:
    """Nodes 0 to ``nodes - 1`` and the links between them; ``described`` says what it is."""

    name: str
    described: str
    nodes: int
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Likeness:
    """What a generated topology has in common with the original.

    ``reach`` (of extra links, in sides of the unit square) and ``seed`` are chosen so that the
    mean round trip between two nodes is near the original's: 17.6 (17.1), 9.5 (9.4) and
    4.6 (4.1) ms.
    """

    nodes: int
    links: int
    least_delay_s: float
    largest_delay_s: float
    reach: float
    seed: int


LIKENESSES = {
    "abvt": Likeness(23, 31, 0.0001, 0.0138, reach=0.4, seed=4),
    "bellcanada": Likeness(48, 64, 0.000078, 0.00616, reach=0.2, seed=5),
    "gtsce": Likeness(149, 193, 0.000005, 0.001081, reach=0.05, seed=3),
}


def generated(name: str) -> Topology:
    """Return the topology that stands in for an original; nothing about it varies.

    Nodes lie at random in a square, the shortest tree connects them, and extra links are drawn
    as Waxman does, with weight exp(-distance / reach). Delays grow linearly with distance.
    """
    like = LIKENESSES[name]
    rng = np.random.default_rng(like.seed)
    place = rng.random((like.nodes, 2))
    distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    ends = _shortest_tree(distance)
    others = sorted(set(zip(*np.triu_indices(like.nodes, 1), strict=True)) - set(ends))
    weight = np.exp([-distance[pair] / like.reach for pair in others])
    extra = rng.choice(len(others), like.links - len(ends), replace=False, p=weight / weight.sum())
    ends += [others[n] for n in extra]
    length = np.array([distance[pair] for pair in ends])
    share = (length - length.min()) / (length.max() - length.min())
    delay = like.least_delay_s + share * (like.largest_delay_s - like.least_delay_s)
    links = tuple(
        (int(a), int(b), round(float(d), 6)) for (a, b), d in zip(ends, delay, strict=True)
    )
    return Topology(name, f"a generated topology like {name}", like.nodes, links)


def _shortest_tree(distance: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the links of the minimum spanning tree (Prim), the smaller node first."""
    inside, outside = [0], list(range(1, len(distance)))
    ends = []
    while outside:
        gap = distance[np.ix_(inside, outside)]
        i, j = np.unravel_index(gap.argmin(), gap.shape)
        ends.append((min(inside[i], outside[j]), max(inside[i], outside[j])))
        inside.append(outside.pop(j))
    return ends


def round_trip_s(topology: Topology) -> NDArray[np.float64]:
    """Return ``float[node, node]``: twice the least delay over the links (Floyd and Warshall)."""
    delay = np.full((topology.nodes, topology.nodes), np.inf)
    np.fill_diagonal(delay, 0.0)
    for a, b, delay_s in topology.links:
        delay[a, b] = delay[b, a] = min(delay[a, b], delay_s)
    for via in range(topology.nodes):
        delay = np.minimum(delay, delay[:, [via]] + delay[[via], :])
    return 2.0 * delay


Node = Annotated[int, Field(ge=0)]
Delay = Annotated[float, Field(ge=0, le=1e9), Finite]


class TopologyFile(StrictModel):
    """A topology as JSON: ``{"nodes": 3, "links": [[0, 1, 0.002], [1, 2, 0.001]]}``."""

    nodes: Annotated[int, Field(ge=2, le=10_000)]
    links: Annotated[
        list[Annotated[list[Delay], Field(min_length=3, max_length=3)]], Field(min_length=1)
    ]
    name: Annotated[NonEmptyText | None, AbsentOr] = None
    unit: Annotated[str | None, AbsentOr] = None
    source: Annotated[str | None, AbsentOr] = None


def read_topology(path: str | Path) -> Topology:
    """Read a topology: REPETITA's ``.graph`` text (delays in microseconds) or JSON (seconds).

    Raises
    ------
    InputError
        Also when some node cannot be reached.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, "a readable file", file=str(path)) from None
    try:
        value = _graph_text(raw) if raw.lstrip()[:5] == b"NODES" else parse_json(raw)
        return _topology(value, path.stem.lower())
    except InputError as error:
        raise error.in_file(str(path)) from None


def _graph_text(raw: bytes) -> dict[str, Any]:
    """Return what REPETITA's text says, in the form of our JSON.

    ``NODES n``, a heading, a line per node; ``EDGES m``, a heading, and lines of label, source,
    destination, weight, bandwidth and delay, one for each direction.
    """
    lines = [line.split() for line in raw.decode("utf-8", errors="replace").splitlines()]
    edges = next((n for n, line in enumerate(lines) if line[:1] == ["EDGES"]), len(lines))
    try:
        nodes = int(next(line for line in lines if line)[1])
        rows = [line for line in lines[edges + 2 :] if line]
        links = [[int(row[1]), int(row[2]), float(row[5]) * 1e-6] for row in rows]
    except (IndexError, ValueError):
        raise InputError("a line that cannot be read", "REPETITA's format") from None
    return {"nodes": nodes, "links": links}


def _topology(value: Any, name: str) -> Topology:
    file = validate(TopologyFile, value)
    links: list[Link] = []
    for n, (a, b, delay_s) in enumerate(file.links):
        for end in (a, b):
            if end != int(end) or end >= file.nodes:
                expected = f"a node from 0 to {file.nodes - 1}"
                raise InputError(shown(end), expected, f"links[{n}]")
        links.append((int(a), int(b), delay_s))
    name = file.name or name
    topology = Topology(name, name, file.nodes, tuple(links))
    if not np.isfinite(round_trip_s(topology)).all():
        raise InputError("nodes that no link leads to", "a connected topology", "links")
    return topology
