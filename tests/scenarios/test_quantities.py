"""Sizes, rates, speeds and times as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from shardopt.instances.scenario.quantities import NameOrRate, Rate, Size, Speed, Time


def read(kind: Any, text: Any) -> Any:
    return TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Size, "24 GB", 24e9),
        (Size, "8GiB", 8 * 2**30),
        (Size, " 1.5 TB ", 1.5e12),
        (Size, "512 MiB", 512 * 2**20),
        (Rate, "1 Gbit/s", 1.25e8),
        (Rate, "1 Gbps", 1.25e8),
        (Rate, "1 Gb/s", 1.25e8),
        (Rate, "1 GB/s", 1e9),
        (Rate, "1 GiB/s", 2**30),
        (Rate, "56 kbit/s", 7e3),
        (Speed, "165 TFLOP/s", 1.65e14),
        (Speed, "2.6 TFLOPS", 2.6e12),
        (Speed, "300 GFLOPs", 3e11),
        (Time, "3 ms", 3e-3),
        (Time, "20 us", 2e-5),
        (Time, "2 min", 120.0),
        (Time, "0 s", 0.0),
        (NameOrRate, "100 MB/s", 1e8),
        (NameOrRate, "ethernet-1g", "ethernet-1g"),
    ],
)
def test_that_a_quantity_is_read_in_its_base_unit(kind: Any, text: str, value: Any) -> None:
    found = read(kind, text)
    assert found == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Size, 24e9, 'such as "24 GB"'),
        (Size, True, "a size"),
        (Size, "24", "a size"),
        (Size, "24 Gb", "did you mean GB"),
        (Size, "-1 GB", "a size"),
        (Size, "0 GB", "from 1 to 1e+30"),
        (Size, "1e99 GB", "from 1 to 1e+30"),
        (Size, "GB", "a size"),
        (Size, "1 GB/s", "a size"),
        (Rate, "1 GB", "did you mean GB/s"),
        (Rate, "0 B/s", "a rate"),
        (Rate, "nan GB/s", "a rate"),
        (Speed, "5 TOPS", "a speed"),
        (Time, "3 msec", "did you mean"),
        (NameOrRate, 5, "a rate"),
        (NameOrRate, "", "a rate"),
        (NameOrRate, "10 gigabit", "a rate"),
    ],
)
def test_that_what_is_no_quantity_is_told_how_one_looks(kind: Any, text: Any, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        read(kind, text)
    assert message in str(error.value)
