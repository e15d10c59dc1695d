"""What a run needs to know of the machine it is on, and what it reports about it."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from importlib.metadata import version

import torch

from maskaq._version import __version__
from maskaq.errors import OptionError

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # as <malloc.h> has them


def check_device(device: str) -> None:
    """Refuse a device that this machine or this torch does not have.

    Raises:
        OptionError: with the devices there are.
    """
    present = ["cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    if device not in present:
        raise OptionError(f"device {device!r} is not here; this machine has {', '.join(present)}.")


def working_precision(precision: str, device: str) -> str:
    """`"auto"` resolved: bfloat16 where the hardware multiplies it natively, else float32."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known = torch.cpu.get_capabilities() if device == "cpu" else {}
        native = any(known.get(feature, False) for feature in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bfloat16" if native else "float32"


def describe(device: str, precision: str) -> str:
    """Processor or GPU, its threads, and the precision of the synthesis."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    else:
        kind = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
        name = f"{device}: {kind}, {torch.get_num_threads()} threads"
    return f"{name}; synthesis in {precision}"


def keep_freed_memory() -> None:
    """Have the C library keep freed memory for the next tensor, up to 2 GB; glibc only.

    Otherwise memory goes back to the system between two tensors and is paid for page by page the
    next time: 15 % of a synthesis step of ViT-Tiny, 30 % of one of `scenes_vit`.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if adjust is not None:
        adjust(_TRIM_THRESHOLD, 2**31 - 1)
        adjust(_MMAP_MAX, 0)  # pages of their own would go back with every tensor
        adjust(_TOP_PAD, 2**26)


def give_memory_back() -> None:
    """Hand back what `keep_freed_memory` kept and nothing uses."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {"maskaq": __version__} | {name: version(name) for name in ("torch", "timm")}
