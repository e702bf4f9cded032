"""Where and how torch computes: device, threads, precision."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from agents.experiment.settings import ExperimentConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


def prepare_torch(config: ExperimentConfig) -> torch.device:
    """Sets threads and precision as in the training, so that scores are the same ones; returns the device to train on.

    Raises:
        ValueError: if there is no such device.
    """
    device, run = find_device(config.run.device), config.run
    _keep_freed_memory()
    torch.set_num_threads(1 if run.THREADS_SHARE_BATCHES else run.threads)
    precision = "medium" if run.matmul_precision == "bfloat16" else run.matmul_precision
    torch.set_float32_matmul_precision(precision if multiplies_bfloat16(device.type) else "highest")
    return device


@cache
def _keep_freed_memory() -> None:
    """Has the C library, where it is glibc, keep what an update frees for the next one, instead of giving it back to the system and asking
    for it anew: with convolutions that takes a tenth of an update."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            library = ctypes.CDLL(None)
            library.mallopt(M_MMAP_THRESHOLD, 2**25)  # bytes; the most that it takes
            library.mallopt(M_TRIM_THRESHOLD, 2**28)


def find_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU if there is one.

    Raises:
        ValueError: if there is no such device.
    """
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(automatic if name == "auto" else name)
    except RuntimeError:
        raise ValueError(f'device must be "cpu", "cuda" or "auto", got {name!r}.') from None
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # PyTorch without that kind of device stumbles in any way
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise ValueError(f"device {name!r} cannot be used here ({reason}): --device cpu can.") from None
    return device


def send(source: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Copies a processor's tensor to that place on a device, which is returned; a GPU fetches it when it comes to it."""
    return place.copy_(source.pin_memory() if place.device.type == "cuda" else source, non_blocking=True)


def autocast(config: ExperimentConfig, device: torch.device) -> AbstractContextManager[Any]:
    """Matrix products in bfloat16, where settings and machine want it."""
    if config.run.matmul_precision != "bfloat16" or not multiplies_bfloat16(device.type):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def device_name(device: torch.device) -> str:
    """A device's type and, where it can be told, its make."""
    if device.type == "cuda":
        make = torch.cuda.get_device_name(device) if torch.cuda.is_available() else ""
    else:
        make = _processor()
    return f"{device.type} ({make})" if make else device.type


def _processor() -> str:
    """The processor's make, as the system has it; "" where it does not say."""
    with suppress(OSError):  # Linux alone has such a file
        told = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line.partition(":")[2].strip() for line in told if line.startswith("model name")), "")
    return platform.processor()


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether a "cuda" or "cpu" device has instructions for products in bfloat16; without, they take twice as long as in float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older PyTorches cannot tell
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))
