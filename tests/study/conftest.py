"""A small study with real plans that the tests of reports share."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.hand import three_blocks, write_study


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of two heuristics on six instances, one of them with an evil name."""
    names = ["one", "two", "three", "four", "five", "</script><b>six</b> $x_1$"]
    instances = [three_blocks(name, flops=5.0 * n + 5) for n, name in enumerate(names)]
    folder = tmp_path_factory.mktemp("studies") / "small"
    return write_study(folder, instances, ["even", "harmonic", "direct/highs"])
