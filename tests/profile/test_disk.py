"""A file is written, read back and removed, and its cache is looked at."""

from __future__ import annotations

import pytest

from shardopt.models.errors import InputError
from shardopt.profile import disk


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    monkeypatch.setattr(disk, "LEAST_BYTES", 1 << 16)


def test_that_nothing_is_left_of_the_file(tmp_path):
    reading = disk.read_speed(tmp_path, 100_000)
    assert reading.size_bytes == 100_000
    assert len(reading.times_s) == disk.READS
    assert all(seconds > 0 for seconds in reading.times_s)
    assert list(tmp_path.iterdir()) == []


def test_that_a_small_block_is_read_as_a_larger_file(tmp_path):
    assert disk.read_speed(tmp_path, 10).size_bytes == 1 << 16


def test_that_the_state_of_the_cache_is_said(tmp_path):
    assert disk.read_speed(tmp_path, 100_000).cache in ("dropped", "not dropped", "not known")


def test_that_without_a_way_to_look_the_state_is_not_known(tmp_path, monkeypatch):
    monkeypatch.delattr(disk.os, "RWF_NOWAIT", raising=False)
    assert disk.read_speed(tmp_path, 100_000).cache == "not known"


def test_that_a_system_that_forgets_nothing_is_found_out(tmp_path, monkeypatch):
    if disk.read_speed(tmp_path, 100_000).cache == "not known":
        pytest.skip("this file system cannot say")
    monkeypatch.delattr(disk.os, "posix_fadvise")
    assert disk.read_speed(tmp_path, 100_000).cache == "not dropped"


def test_that_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: found No such file"):
        disk.read_speed(tmp_path / "nowhere", 1)


def test_that_a_full_disk_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"found too little free space"):
        disk.read_speed(tmp_path, 1 << 60)
