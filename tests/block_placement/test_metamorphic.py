"""What must not change the optimum, and what can only change it one way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from block_placement.instances import tiny_instance, tiny_instances
from block_placement.test_magnitudes import multiplied
from shardopt.models.block_placement.data import Instance
from shardopt.solvers.block_placement import exact

pytestmark = pytest.mark.usefixtures("in_this_process")
few = settings(max_examples=20)
seeds = st.integers(0, 1000)


def optimum(instance: Instance) -> float:
    """Return the optimum, infinite where there is no plan."""
    result = exact(instance, threads=1)
    assert result.faults == ()
    assert result.status in ("optimal", "infeasible")
    return np.inf if result.objective is None else result.objective


def assert_same(instance: Instance, other: Instance, factor: float = 1.0) -> None:
    assert optimum(other) == pytest.approx(factor * optimum(instance), rel=3e-6, abs=0.0)


def assert_no_worse(instance: Instance, richer: Instance) -> None:
    assert optimum(richer) <= optimum(instance) * (1 + 3e-6)


def permuted(instance: Instance, seed: int) -> Instance:
    """Return the instance with servers and clients renamed and in another order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(instance.servers)).tolist()
    servers = [replace(instance.servers[j], name=f"renamed {j}") for j in order]
    clients = [
        replace(
            client,
            name=f"renamed {client.name}",
            decode_rtt_s=tuple(client.decode_rtt_s[j] for j in order),
            prefill_rtt_s=tuple(client.prefill_rtt_s[j] for j in order),
        )
        for client in instance.clients
    ]
    shuffled = [clients[n] for n in rng.permutation(len(clients))]
    return replace(instance, servers=tuple(servers), clients=tuple(shuffled))


def with_one_more(instance: Instance, like: int) -> Instance:
    """Return the instance with one more server, equal to an old one."""
    servers = (*instance.servers, replace(instance.servers[like], name="one more"))
    clients = tuple(
        replace(
            client,
            decode_rtt_s=(*client.decode_rtt_s, client.decode_rtt_s[like]),
            prefill_rtt_s=(*client.prefill_rtt_s, client.prefill_rtt_s[like]),
        )
        for client in instance.clients
    )
    return replace(instance, servers=servers, clients=clients)


def changed(instance: Instance, j: int, **values: object) -> Instance:
    servers = list(instance.servers)
    servers[j] = replace(servers[j], **values)
    return replace(instance, servers=tuple(servers))


@few
@given(instance=tiny_instances(), seed=seeds)
def test_that_names_and_order_do_not_matter(instance, seed):
    assert_same(instance, permuted(instance, seed))


@few
@given(instance=tiny_instances(), factor=st.sampled_from([2.0**-30, 0.5, 2.0**40]))
def test_that_the_unit_of_bytes_does_not_matter(instance, factor):
    servers = tuple(replace(s, memory_bytes=factor * s.memory_bytes) for s in instance.servers)
    other = replace(
        instance,
        weight_bytes=factor * instance.weight_bytes,
        cache_bytes_per_session=factor * instance.cache_bytes_per_session,
        servers=servers,
    )
    assert_same(instance, other)


@few
@given(instance=tiny_instances(), factor=st.sampled_from([1e-6, 0.3, 1e6]))
def test_that_the_optimum_is_in_the_unit_of_times(instance, factor):
    assert_same(instance, multiplied(instance, factor), factor)


@few
@given(instance=tiny_instances(max_servers=3), seed=seeds)
def test_that_one_more_server_is_never_worse(instance, seed):
    assert_no_worse(instance, with_one_more(instance, seed % len(instance.servers)))


@few
@given(instance=tiny_instances(), seed=seeds)
def test_that_a_better_server_is_never_worse(instance, seed):
    j = seed % len(instance.servers)
    server = instance.servers[j]
    for better in (
        {"memory_bytes": 1.3 * server.memory_bytes},
        {"decode_s_per_block": server.decode_s_per_block / 2},
        {"prefill_s_per_block": 0.0},
        {"max_blocks": None},
    ):
        assert_no_worse(instance, changed(instance, j, **better))


@few
@given(instance=tiny_instances(), seed=seeds)
def test_that_a_shorter_round_trip_is_never_worse(instance, seed):
    j, c = seed % len(instance.servers), seed % len(instance.clients)
    clients = list(instance.clients)
    rtt = list(clients[c].decode_rtt_s)
    rtt[j] /= 3
    clients[c] = replace(clients[c], decode_rtt_s=tuple(rtt))
    assert_no_worse(instance, replace(instance, clients=tuple(clients)))


@few
@given(instance=tiny_instances())
def test_that_a_client_may_be_split_into_equal_ones(instance):
    """Into one for each session, so that they can be told apart."""
    parts = tuple(
        replace(client, name=f"{client.name} {n}", sessions=1)
        for client in instance.clients
        for n in range(client.sessions)
    )
    assert_same(instance, replace(instance, clients=parts))


@few
@given(instance=tiny_instances())
def test_that_a_session_costs_its_prompt_and_its_tokens_at_least(instance):
    """No plan is better for both together than the best for each."""
    later = instance.output_tokens - 1
    whole = optimum(replace(instance, cost="session"))
    prompt = optimum(replace(instance, cost="session", output_tokens=1))
    token = optimum(replace(instance, cost="decode"))
    if np.isfinite(whole):
        assert whole >= (prompt + later * token) * (1 - 3e-6)
    assert np.isfinite(whole) == np.isfinite(prompt) == np.isfinite(token)


def test_that_slopes_per_token_are_of_no_account_offline():
    instance = replace(tiny_instance(1), cost="session")
    servers = tuple(replace(s, prefill_slope_s_per_token=1.0) for s in instance.servers)
    clients = tuple(replace(c, prefill_rtt_slope_s_per_token=1.0) for c in instance.clients)
    assert_same(instance, replace(instance, servers=servers, clients=clients))
