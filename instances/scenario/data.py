"""A scenario with every name looked up: what the instances of all problems are made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shardopt.instances.catalogue.transformer import Block, Transformer
from shardopt.models.errors import InputError


@dataclass(frozen=True)
class Model:
    """The model's parts, and how many bytes a cached number takes.

    ``called`` is how the file names it: a name of the catalogue, or a ``config.json``.
    """

    called: str
    sizes: Transformer
    cache_bytes_per_number: float

    def cache_bytes_per_token(self, block: Block) -> float:
        """Return the bytes of keys and values that a block keeps of a token."""
        return self.cache_bytes_per_number * block.cache_numbers

    @property
    def ends_bytes(self) -> float:
        """Bytes of embedding and output matrix together; one of both where they are tied."""
        head = 0.0 if self.sizes.tied else self.sizes.head_bytes
        return self.sizes.embedding_bytes + head


@dataclass(frozen=True)
class Workload:
    """What is asked: ``sessions`` at once, or ``requests`` one after the other."""

    input_tokens: int
    output_tokens: int
    sessions: int
    requests: int
    arrival_period_s: float
    min_tokens_per_s: float

    @property
    def cached_tokens(self) -> int:
        """Tokens whose keys and values all sessions together keep."""
        return self.sessions * (self.input_tokens + self.output_tokens)


@dataclass(frozen=True)
class Machine:
    """One machine, with what programs reach of its figures.

    ``place`` is where the file speaks of it, and ``title`` what it is.
    """

    place: str
    name: str
    title: str
    memory_bytes: float
    memory_bytes_per_s: float
    flops_per_s: float
    load_bytes_per_s: float | None
    link_bytes_per_s: float
    tier: str | None

    def load_rate(self) -> float:
        """Return how fast weights are read; raises `InputError` if the file does not say."""
        if self.load_bytes_per_s is None:
            expected = 'where weights are read from, e.g. "nvme-gen3" or "2 GB/s"'
            raise InputError("nothing", expected, f"{self.place}.storage")
        return self.load_bytes_per_s


@dataclass(frozen=True)
class Hop:
    """The way between two machines, the same in both directions."""

    bytes_per_s: float
    latency_s: float


@dataclass(frozen=True)
class Scenario:
    """A scenario.

    ``hops[i][j]``, in machine order, is ``None`` on the diagonal. ``client`` is the position of
    the machine at which requests come in, ``None`` if that is another one beside them.
    """

    name: str
    problem: str | None
    model: Model
    workload: Workload
    machines: tuple[Machine, ...]
    hops: tuple[tuple[Hop | None, ...], ...]
    client: int | None
    client_hop: Hop
    call_overhead_s: float
    round_trip_overhead_s: float | None

    @property
    def source(self) -> str:
        """What an instance made of it says of its origin."""
        count = len(self.machines)
        plural = "" if count == 1 else "s"
        return f"scenario {self.name}: {self.model.called} on {count} machine{plural}"

    def hop(self, i: int, j: int) -> Hop:
        """Return the way between two different machines."""
        found = self.hops[i][j]
        assert found is not None
        return found

    @property
    def is_star(self) -> bool:
        """Whether every way is that of the slower of two links, with one latency for all."""
        return len({hop.latency_s for row in self.hops for hop in row if hop}) <= 1 and all(
            hop.bytes_per_s == min(a.link_bytes_per_s, b.link_bytes_per_s)
            for a, row in zip(self.machines, self.hops, strict=True)
            for b, hop in zip(self.machines, row, strict=True)
            if hop
        )

    def without(self, machine: str) -> Scenario:
        """Return the scenario without one machine; of the client's, it becomes another one."""
        names = [m.name for m in self.machines]
        if machine not in names or len(names) == 1:
            expected = "one of " + ", ".join(names) if machine not in names else "more than one"
            raise InputError(repr(machine), expected, "machines")
        gone, client = names.index(machine), self.client
        kept = [i for i in range(len(names)) if i != gone]
        return replace(
            self,
            name=f"{self.name}-without-{machine}",
            machines=tuple(self.machines[i] for i in kept),
            hops=tuple(tuple(self.hops[i][j] for j in kept) for i in kept),
            client=None if client is None or client == gone else kept.index(client),
        )
