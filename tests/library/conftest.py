"""A library of its own for every test, copied from one that is made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from library.shelf import make_library


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def folder(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "library"))
