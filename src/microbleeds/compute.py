"""On which device and in which precision to run, decided by measuring at start-up.

bfloat16 halves memory everywhere but is faster only on processors with native instructions for it
(AVX512-BF16, AMX, recent GPUs); elsewhere it is emulated and several times slower. So a small convolution
is timed once per process.
"""

from __future__ import annotations

import functools
import os
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch

from microbleeds.errors import InputError
from microbleeds.given import refuse_below

Precision = Literal["auto", "bfloat16", "float32"]
PRECISIONS: tuple[Precision, ...] = ("auto", "bfloat16", "float32")
_EMULATED = 3.0  # times as slow as float32 on a small image: no processor with bfloat16 of its own is


@dataclass(frozen=True)
class Compute:
    """Where and how precisely to compute.

    Args:
        device: torch device.
        dtype: ``torch.bfloat16`` or ``torch.float32`` for convolutions.
    """

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[None]:
        """Context in which convolutions run in :attr:`dtype`."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def describe(self) -> str:
        """For instance ``cpu, bfloat16, 2 threads``."""
        name = str(self.dtype).removeprefix("torch.")
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        return f"{self.device.type}, {name}{threads}"


def choose(device: str = "auto", precision: Precision = "auto", threads: int | None = None) -> Compute:
    """Choose device and precision.

    Args:
        device: ``auto`` (CUDA, then MPS, then CPU) or a torch device name.
        precision: ``auto`` measures; otherwise what is named is used.
        threads: CPU threads; ``None`` keeps torch's, limited to the cores this process may use.

    Raises:
        InputError: if the device is not there, a name is unknown or ``threads`` is below 1.
    """
    if threads is not None:
        refuse_below(1, number_of_threads=threads)
    if precision not in PRECISIONS:
        raise InputError(f"There is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    chosen = device_named(device)
    if chosen.type == "cpu":
        torch.set_num_threads(threads or min(torch.get_num_threads(), _usable_cores()))
    if precision == "auto":
        fast = _bfloat16_is_faster(chosen.type)
        return Compute(chosen, torch.bfloat16 if fast else torch.float32)
    return Compute(chosen, torch.bfloat16 if precision == "bfloat16" else torch.float32)


def device_named(name: str) -> torch.device:
    """Resolve ``auto`` and refuse what this machine lacks.

    Raises:
        InputError: if there is no such device.
    """
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    usable = [kind for kind, count in there.items() if count]
    try:
        device = torch.device(usable[0] if name == "auto" else name)
    except (RuntimeError, TypeError):  # torch names dozens of its own, or doesn't understand the number
        device = None
    if device is None or (device.index or 0) >= there.get(device.type, 0):
        raise InputError(f"The device {name!r} is not available here; choose one of auto, {', '.join(usable)}.")
    return device


def _usable_cores() -> int:
    """Cores that this process may run on (containers often have fewer than the machine)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@functools.cache
def _bfloat16_is_faster(kind: str) -> bool:
    """Time a convolution of the network's own size (16 channels, 48 x 48 x 24) in both precisions.

    A smaller one comes first: where bfloat16 is emulated the larger one takes a hundred times as long as in
    float32, which would be seconds of every command.
    """
    if kind == "mps":
        return False
    device = torch.device(kind)
    small = {dtype: _seconds(device, dtype, (24, 24, 12), 4) for dtype in (torch.float32, torch.bfloat16)}
    if small[torch.bfloat16] > _EMULATED * small[torch.float32]:
        return False
    seconds = {dtype: _seconds(device, dtype, (48, 48, 24), 10) for dtype in (torch.float32, torch.bfloat16)}
    return seconds[torch.bfloat16] < 0.9 * seconds[torch.float32]


def _seconds(device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int], repeats: int) -> float:
    """Best of some runs of one 3x3x3 convolution; on a busy machine most of them say little."""
    layout = torch.channels_last_3d
    conv = torch.nn.Conv3d(16, 16, 3, padding=1).to(device, dtype)
    conv.to(memory_format=layout)  # type: ignore[call-overload]
    image = torch.zeros(1, 16, *shape, device=device, dtype=dtype).to(memory_format=layout)
    best = float("inf")
    with torch.inference_mode():
        conv(image)  # the first call compiles or picks a kernel
        for _ in range(repeats):
            start = time.perf_counter()
            conv(image)
            if device.type == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
    return best
