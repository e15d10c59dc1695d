"""The machine of a run: devices, precision, memory and versions."""

import ctypes
import platform
import resource
import sys
from importlib.metadata import version
from typing import Any

import torch

from maskaq._version import __version__
from maskaq.errors import OptionError

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # constants of <malloc.h>


def check_device(device: str) -> None:
    """Check that this machine and this build of torch have a device.

    Raises:
        OptionError: they do not; the message lists the devices they have.
    """
    present = ["cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    if device not in present:
        raise OptionError(
            f"device {device!r} is not available; this machine has {', '.join(present)}."
        )


def working_precision(precision: str, device: str) -> str:
    """`"auto"` resolved: bfloat16 where the hardware multiplies it natively, else float32."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = _capabilities() if device == "cpu" else {}
        native = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bfloat16" if native else "float32"


def _capabilities() -> dict[str, Any]:
    """What torch knows about the processor; older versions do not tell."""
    read = getattr(torch.cpu, "get_capabilities", None)
    return read() if read else {}


def describe(device: str, precision: str) -> str:
    """Description of processor or GPU, threads, and the precision of the synthesis."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    else:
        kind = _capabilities().get("cpu_name") or platform.machine()
        threads = torch.get_num_threads()
        name = f"{device}: {kind}, {threads} thread{'s' if threads > 1 else ''}"
    return f"{name}; synthesis in {precision}"


def keep_freed_memory() -> None:
    """Let the C library keep up to 2 GB of freed memory for the next tensor; glibc only.

    By default it returns memory to the system after each tensor, and the next one causes page
    faults: 15 % of a synthesis step of ViT-Tiny, 30 % of one of `scenes_vit`.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if adjust is not None:
        adjust(_TRIM_THRESHOLD, 2**31 - 1)
        adjust(_MMAP_MAX, 0)  # separately mapped memory is returned with every tensor
        adjust(_TOP_PAD, 2**26)


def release_freed_memory() -> None:
    """Return the unused memory that `keep_freed_memory` has kept to the system."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


def versions() -> dict[str, str]:
    """Versions of the libraries that affect the results."""
    return {"maskaq": __version__} | {name: version(name) for name in ("torch", "timm")}
