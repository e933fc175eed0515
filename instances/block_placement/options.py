"""What the presets of `block-placement` have in common: requests, limits, names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shardopt.instances.presets import require_range
from shardopt.models.block_placement.data import Cost


@dataclass(frozen=True)
class Request:
    """How long prompts and answers are, and by which cost plans are judged."""

    input_tokens: int
    output_tokens: int
    cost: Cost


def make_request(input_tokens: int, output_tokens: int, cost: Cost) -> Request:
    """Return a request; raises `InputError` for lengths out of range."""
    require_range("input_tokens", input_tokens, 1, 1_000_000)
    require_range("output_tokens", output_tokens, 1, 1_000_000)
    return Request(input_tokens, output_tokens, cost)


def require_common(seed: int, sessions: int, clients: int) -> None:
    """Raise `InputError` for what no preset can have."""
    require_range("seed", seed, 0, 2**63)
    require_range("clients", clients, 1, 1000)
    require_range("sessions", sessions, clients, 1_000_000)


def shares(sessions: int, clients: int) -> list[int]:
    """Return the sessions of each client, as equal as possible."""
    return [(sessions + clients - 1 - c) // clients for c in range(clients)]


Tag = tuple[str, Any, Any]
"""A part of a name, the value it stands for, and the default that leaves it out."""


def tags(*parts: Tag) -> str:
    """Return the parts of a name that differ from their default."""
    return "".join(text for text, value, default in parts if value != default)


def named(stem: str, request: Request, *parts: Tag, tokens: tuple[int, int] = (20, 128)) -> str:
    """Return a name that tells apart instances made with different options."""
    requested: tuple[Tag, ...] = (
        (f"-in{request.input_tokens}", request.input_tokens, tokens[0]),
        (f"-out{request.output_tokens}", request.output_tokens, tokens[1]),
        (f"-{request.cost}", request.cost, "decode"),
    )
    return stem + tags(*parts, *requested)
