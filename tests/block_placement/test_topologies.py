"""Topologies: the generated ones are like the originals, and a user's file is read."""

import json

import numpy as np
import pytest

import shardopt
from shardopt.instances.block_placement.topologies import (
    Topology,
    generated,
    read_topology,
    round_trip_s,
)
from shardopt.models.errors import InputError


@pytest.mark.parametrize(
    ("name", "nodes", "links", "least_ms", "largest_ms", "mean_round_trip_ms"),
    [
        ("abvt", 23, 31, 0.1, 13.8, 17.6),
        ("bellcanada", 48, 64, 0.078, 6.16, 9.5),
        ("gtsce", 149, 193, 0.005, 1.081, 4.6),
    ],
)
def test_that_a_generated_topology_is_like_the_original(
    name, nodes, links, least_ms, largest_ms, mean_round_trip_ms
):
    topology = generated(name)
    delays = [delay_s * 1e3 for _, _, delay_s in topology.links]
    assert (topology.nodes, len(topology.links)) == (nodes, links)
    assert len({frozenset(link[:2]) for link in topology.links}) == links
    assert (min(delays), max(delays)) == pytest.approx((least_ms, largest_ms))
    apart = round_trip_s(topology)[np.triu_indices(nodes, 1)] * 1e3
    assert np.isfinite(apart).all()
    assert apart.mean() == pytest.approx(mean_round_trip_ms, abs=0.05)


def test_that_a_round_trip_is_twice_the_shortest_way():
    links = ((0, 1, 0.001), (1, 2, 0.002), (0, 2, 0.005), (2, 3, 0.001), (3, 2, 0.004))
    expected = [[0, 2, 6, 8], [2, 0, 4, 6], [6, 4, 0, 2], [8, 6, 2, 0]]
    found = round_trip_s(Topology("square", "a square", 4, links))
    assert found * 1e3 == pytest.approx(np.array(expected))


GRAPH = """NODES 4
label x y
0_Here 1.0 2.0
1_There 3.0 4.0
2_Elsewhere 0 0
3_Far 0 0

EDGES 6
label src dest weight bw delay
edge_0 0 1 10 1000000 1500
edge_1 1 0 10 1000000 1500
edge_2 1 2 10 1000000 250
edge_3 2 1 10 1000000 250
edge_4 2 3 10 1000000 100
edge_5 3 2 10 1000000 100
"""
SQUARE = {"name": "Mine", "nodes": 4, "links": [[0, 1, 0.0015], [1, 2, 0.00025], [2, 3, 0.0001]]}


def test_that_both_formats_say_the_same(tmp_path):
    (tmp_path / "Own.graph").write_text(GRAPH)
    (tmp_path / "own.json").write_text(json.dumps(SQUARE))
    graph, own = read_topology(tmp_path / "Own.graph"), read_topology(tmp_path / "own.json")
    assert (graph.name, own.name) == ("own", "Mine")
    assert graph.nodes == own.nodes == 4
    assert round_trip_s(graph) == pytest.approx(round_trip_s(own))


def test_that_a_preset_draws_on_the_users_topology(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(SQUARE))
    options = {"servers": 3, "sessions": 2, "topology": str(path)}
    made = shardopt.generate("block-placement", "bloom-abvt-9", **options)
    pings = sorted(made.petals.client_ping_s[0])
    whole = round_trip_s(read_topology(path))
    assert any(pings == pytest.approx(sorted(row[row > 0])) for row in whole)
    assert made.name.endswith("-on-Mine")
    assert "Mine" in made.source


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("NODES", "REPETITA"),
        ("NODES 2\nlabel x y\na 0 0\nb 0 0\n\nEDGES 1\nheading\nedge 0 1 1 1\n", "REPETITA"),
        ("NODES 2\nlabel x y\n", "links"),
        ('{"nodes": 2}', "links"),
        ('{"nodes": 1, "links": [[0, 0, 1]]}', "nodes"),
        ('{"nodes": 2, "links": [[0, 1]]}', "links"),
        ('{"nodes": 2, "links": [[0, 2, 1]]}', r"links\[0\]"),
        ('{"nodes": 2, "links": [[0, 0.5, 1]]}', r"links\[0\]"),
        ('{"nodes": 2, "links": [[0, 1, -1]]}', "links"),
        ('{"nodes": 3, "links": [[0, 1, 1]]}', "connected"),
    ],
)
def test_that_a_file_that_is_no_topology_is_refused(tmp_path, text, told):
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(InputError, match=told) as error:
        read_topology(path)
    assert "broken" in str(error.value)


def test_that_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="absent"):
        read_topology(tmp_path / "absent.json")
