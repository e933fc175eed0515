"""The entry that a profile becomes is one of the catalogue's own kind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cli.commandline import run
from shardopt.instances.catalogue.load import figures, read_machine
from shardopt.models.errors import InputError
from shardopt.profile.disk import Reading
from shardopt.profile.entry import entry_name, entry_toml
from shardopt.profile.roofline import Rates


def profile(**changes: Any) -> Any:
    """Return what an entry is made of."""
    made: dict[str, Any] = {
        "title": "Maker(R) Chip-9 @ 2.50GHz",
        "device": "cpu",
        "dtype": "bfloat16",
        "threads": 2,
        "rates": Rates(flops_per_s=7.64e10, bytes_per_s=1.6e10),
        "free_bytes": 2.408e10,
        "total_bytes": 2.528e10,
        "reading": Reading(100_000_000, [0.1, 0.2, 0.3], "dropped"),
    }
    return SimpleNamespace(**made | changes)


@pytest.fixture
def written(tmp_path):
    def write(source="`shardopt profile x` on 2026-01-01", **changes):
        path = tmp_path / "device.toml"
        path.write_text(entry_toml(profile(**changes), source), encoding="utf-8")
        return path

    return write


def test_that_an_entry_is_read_back_with_what_was_measured(written):
    entries = read_machine(written()).entries
    device, storage = entries["maker-r-chip-9-2.50ghz"], entries["maker-r-chip-9-2.50ghz-disk"]
    assert device.kind == "machine"
    assert device.fp16_flops_per_s.value == 7.64e10
    assert device.memory_bytes_per_s.value == 1.6e10
    assert device.memory_bytes.value == 2.408e10
    assert storage.read_bytes_per_s.value == 5e8
    assert "page cache dropped" in storage.read_bytes_per_s.note
    assert "bfloat16, 2 threads" in device.fp16_flops_per_s.note


def test_that_every_figure_is_measured_and_names_the_command(written):
    shelf = read_machine(written())
    for entry in shelf.entries.values():
        for _, figure in figures(entry):
            assert figure.flag == "measured"
            assert shelf.sources[figure.source].startswith("`shardopt profile x`")


@pytest.mark.parametrize("title", ['a "chip"', "back\\slash", "tab\there", "Größe 3", "\x7f", "芯"])
def test_that_any_title_survives_the_file(title, written):
    shelf = read_machine(written(title=title))
    assert entry_name(title) in shelf.entries


def test_that_catalogue_shows_the_file(written):
    outcome = run("catalogue", "show", str(written()))
    assert outcome.exit_code == 0
    assert "76.4 GFLOP/s" in outcome.stdout
    assert "500 MB/s" in outcome.stdout


def test_that_a_file_with_two_entries_of_one_name_is_refused(written):
    path = written()
    text = path.read_text(encoding="utf-8").replace("-disk", "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"device\.toml: storage\[0\]\.name"):
        read_machine(path)


def test_that_a_file_that_is_not_there_is_one_line():
    outcome = run("catalogue", "show", "no.toml")
    assert outcome.exit_code == 2
    assert outcome.stderr.count("\n") == 1
    assert "no.toml" in outcome.stderr
