"""`block-placement`: the instance file and the solution file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from shardopt.instances.strict import (
    MAX_NUMBER,
    AbsentOr,
    Finite,
    NonEmptyText,
    StrictModel,
    require_unique_names,
    shown,
    whole_if_exact,
)
from shardopt.models.block_placement.data import (
    Client,
    Hosting,
    Instance,
    Petals,
    Route,
    Server,
    Solution,
)
from shardopt.models.errors import InputError

# The limits stand before `Finite`, or they would be missing from the JSON Schema.
Bytes = Annotated[float, Field(gt=0, le=1e18), Finite]
Seconds = Annotated[float, Field(ge=0, le=1e9), Finite]
Rate = Annotated[float, Field(gt=0, le=MAX_NUMBER), Finite]
Tokens = Annotated[int, Field(ge=1, le=1_000_000)]
SecondsRow = Annotated[list[Seconds], Field(min_length=1)]
RateRow = Annotated[list[Rate], Field(min_length=1)]


class BlocksEntry(StrictModel):
    """The model: L equal blocks, each of w bytes, and c bytes of cache per session that runs it."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    weight_bytes: Bytes
    cache_bytes_per_session: Bytes


class ServerEntry(StrictModel):
    """One server. ``max_blocks`` above L means L."""

    name: NonEmptyText
    memory_bytes: Bytes
    decode_s_per_block: Seconds
    prefill_s_per_block: Seconds
    max_blocks: Annotated[Annotated[int, Field(ge=1)] | None, AbsentOr] = None
    prefill_slope_s_per_token: Annotated[Seconds, AbsentOr] = 0.0


class ClientEntry(StrictModel):
    """One client; its lists have one number per server, in server order."""

    name: NonEmptyText
    sessions: Annotated[int, Field(ge=1, le=1_000_000)]
    decode_rtt_s: SecondsRow
    prefill_rtt_s: SecondsRow
    prefill_rtt_slope_s_per_token: Annotated[Seconds, AbsentOr] = 0.0


class PetalsEntry(StrictModel):
    """What only the PETALS baselines read."""

    forward_tokens_per_s: Annotated[RateRow | None, AbsentOr] = None
    network_tokens_per_s: Annotated[RateRow | None, AbsentOr] = None
    client_ping_s: Annotated[list[SecondsRow] | None, AbsentOr] = None
    server_ping_s: Annotated[list[SecondsRow] | None, AbsentOr] = None
    join_order: Annotated[list[str] | None, AbsentOr] = None
    pool_tokens: Annotated[Rate | None, AbsentOr] = None
    reserve_bytes: Annotated[Annotated[float, Field(ge=0, le=1e18), Finite] | None, AbsentOr] = None


class Data(StrictModel):
    """The ``data`` object of a `block-placement` instance."""

    blocks: BlocksEntry
    servers: Annotated[list[ServerEntry], Field(min_length=1)]
    clients: Annotated[list[ClientEntry], Field(min_length=1)]
    input_tokens: Tokens
    output_tokens: Tokens
    cost: Literal["decode", "session"]
    petals: Annotated[PetalsEntry | None, AbsentOr] = None


class InstanceFile(StrictModel):
    """A `block-placement` instance file."""

    format: Literal["shardopt/1"]
    problem: Literal["block-placement"]
    name: NonEmptyText
    source: NonEmptyText
    data: Data

    def to_instance(self) -> Instance:
        """Return the instance; raises `InputError` where entries contradict each other."""
        data = self.data
        require_unique_names(data.servers, "data.servers")
        require_unique_names(data.clients, "data.clients")
        for c, client in enumerate(data.clients):
            for key in ("decode_rtt_s", "prefill_rtt_s"):
                path = f"data.clients[{c}].{key}"
                _require_length(getattr(client, key), len(data.servers), "server", path)
        return Instance(
            name=self.name,
            source=self.source,
            block_count=data.blocks.count,
            weight_bytes=data.blocks.weight_bytes,
            cache_bytes_per_session=data.blocks.cache_bytes_per_session,
            servers=tuple(_server(entry, data.blocks.count) for entry in data.servers),
            clients=tuple(_client(entry) for entry in data.clients),
            input_tokens=data.input_tokens,
            output_tokens=data.output_tokens,
            cost=data.cost,
            petals=None if data.petals is None else _petals(data, data.petals),
        )


Integer = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""Any number that a float can hold exactly: one out of range is the checker's matter."""


class HostingEntry(StrictModel):
    """One server and its run ``[start, stop)``."""

    server: str
    start: Integer
    stop: Integer


class RouteEntry(StrictModel):
    """Sessions of one client that share a path."""

    client: str
    path: list[str]
    sessions: Integer


class SolutionEntry(StrictModel):
    """The ``solution`` object: servers not listed host nothing."""

    placement: list[HostingEntry]
    routes: list[RouteEntry]

    def to_solution(self) -> Solution:
        """Return the solution as plain data."""
        return Solution(
            tuple(Hosting(h.server, h.start, h.stop) for h in self.placement),
            tuple(Route(r.client, tuple(r.path), r.sessions) for r in self.routes),
        )


def _server(entry: ServerEntry, block_count: int) -> Server:
    values = entry.model_dump()
    if entry.max_blocks is not None:
        values["max_blocks"] = min(entry.max_blocks, block_count)
    return Server(**values)


def _client(entry: ClientEntry) -> Client:
    lists = {key: tuple(getattr(entry, key)) for key in ("decode_rtt_s", "prefill_rtt_s")}
    return Client(**entry.model_dump() | lists)


def _petals(data: Data, entry: PetalsEntry) -> Petals:
    servers, path = len(data.servers), "data.petals"
    for key in ("forward_tokens_per_s", "network_tokens_per_s"):
        row = getattr(entry, key)
        if row is not None:
            _require_length(row, servers, "server", f"{path}.{key}")
    matrices = {
        "client_ping_s": (len(data.clients), "client"),
        "server_ping_s": (servers, "server"),
    }
    for key, (rows, who) in matrices.items():
        matrix = getattr(entry, key)
        if matrix is not None:
            _require_length(matrix, rows, who, f"{path}.{key}")
            for n, row in enumerate(matrix):
                _require_length(row, servers, "server", f"{path}.{key}[{n}]")
    if entry.join_order is not None:
        _require_order(entry.join_order, [s.name for s in data.servers], f"{path}.join_order")
    return Petals(**{key: _frozen(value) for key, value in entry.model_dump().items()})


def _require_length(values: Sequence[Any], length: int, per: str, path: str) -> None:
    if len(values) != length:
        raise InputError(f"a list of {len(values)}", f"{length} entries, one per {per}", path)


def _require_order(order: list[str], names: list[str], path: str) -> None:
    """Raise `InputError` unless ``order`` has every server once."""
    seen: set[str] = set()
    known = set(names)
    for n, name in enumerate(order):
        if name not in known:
            raise InputError(shown(name), "the name of a server", f"{path}[{n}]")
        if name in seen:
            raise InputError(f"{shown(name)} again", "every server once", f"{path}[{n}]")
        seen.add(name)
    for name in names:
        if name not in seen:
            raise InputError(f"no {shown(name)}", "every server once", path)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def data_to_json(instance: Instance) -> dict[str, Any]:
    """Return the ``data`` object of an instance."""
    data: dict[str, Any] = {
        "blocks": {
            "count": instance.block_count,
            "weight_bytes": whole_if_exact(instance.weight_bytes),
            "cache_bytes_per_session": whole_if_exact(instance.cache_bytes_per_session),
        },
        "servers": [_entry(server) for server in instance.servers],
        "clients": [_entry(client) for client in instance.clients],
        "input_tokens": instance.input_tokens,
        "output_tokens": instance.output_tokens,
        "cost": instance.cost,
    }
    if instance.petals is not None:
        data["petals"] = _entry(instance.petals)
    return data


def _entry(part: Server | Client | Petals) -> dict[str, Any]:
    """Return the fields of a part that differ from what their absence means."""
    return {
        key: _written(value)
        for key, value in vars(part).items()
        if value is not None and not (key in _ZERO_BY_DEFAULT and value == 0.0)
    }


_ZERO_BY_DEFAULT = {"prefill_slope_s_per_token", "prefill_rtt_slope_s_per_token"}


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return whole_if_exact(value) if isinstance(value, float) else value
