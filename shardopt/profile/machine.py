"""What PyTorch calls this machine, and how to take times on it."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from shardopt.models.errors import InputError

WARM_UP = 2
LEAST_REPEATS = 5
MOST_REPEATS = 50
SECONDS_A_ROW = 1.0
COPY_BYTES = 1 << 28
"""More than caches hold, so that the memory is what is measured."""


def choose_device(name: str | None) -> str:
    """Return the device that was asked for, or the first that is there; raises `InputError`."""
    there = [device for device, found in _devices().items() if found]
    if name is None:
        return there[0]
    if name not in there:
        raise InputError(name, "one that PyTorch sees: " + ", ".join(there), "--device")
    return name


def _devices() -> dict[str, bool]:
    return {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }


def title(device: str) -> str:
    """Return what its maker calls the device, as far as that can be found out."""
    if device == "cuda":
        return str(torch.cuda.get_device_name())
    return _processor() or platform.machine() or "processor"


def _processor() -> str:
    """Return the processor's name; Linux tells it in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def memory(device: str) -> tuple[float, float]:
    """Return the bytes that are free, and all there are."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return float(free), float(total)
    system = psutil.virtual_memory()  # which mps shares with the processor
    return float(system.available), float(system.total)


@contextmanager
def memory_shortage_as_input_error() -> Iterator[None]:
    """Turn PyTorch's errors of many kinds about too little memory into one line."""
    try:
        yield
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        found = "too little memory while a block was measured"
        raise InputError(found, "fewer tokens, or a smaller model", "--input-tokens") from None


def synchronise(device: str) -> None:
    """Wait for all that the device was asked to do."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def take_times(run: Callable[[], object], device: str) -> Sequence[float]:
    """Run some times to warm up, then until a second has passed, at least five times."""
    for _ in range(WARM_UP):
        run()
    synchronise(device)
    times: list[float] = []
    while len(times) < LEAST_REPEATS or (len(times) < MOST_REPEATS and sum(times) < SECONDS_A_ROW):
        began = time.perf_counter()
        run()
        synchronise(device)
        times.append(time.perf_counter() - began)
    return times


def copy_times(source: str, device: str, size: int = COPY_BYTES) -> Sequence[float]:
    """Return the times of copying ``size`` bytes from one device's memory to another's."""
    here = torch.ones(size, dtype=torch.uint8, device=source)
    there = torch.empty(size, dtype=torch.uint8, device=device)
    return take_times(lambda: there.copy_(here), device)


def versions() -> dict[str, str]:
    """Return the versions that times depend on."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "system": f"{platform.system()} {platform.release()}",
    }


def threads(device: str) -> int | None:
    """Return the threads that arithmetic runs on, where it runs on the processor."""
    return int(torch.get_num_threads()) if device == "cpu" else None
