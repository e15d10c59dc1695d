"""Formats of files, and processors that they can be made for: which integers these multiply best.

Loads neither torch nor onnxruntime.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maskaq.registry import Registry

_PROCESSOR = Path("/proc/cpuinfo")
# Names in the flags of Linux, and what they mean here.
_VNNI = {"avx512_vnni", "avx_vnni", "avx_vnni_int8"}


@dataclass(frozen=True)
class Target:
    """Integer types of a file.

    label: of the processors, for menus. signed_weights, signed_activations: int8 instead of uint8
    with the codes shifted by 128; weights of 7 bits or fewer are always signed. description: why.
    """

    label: str
    signed_weights: bool
    signed_activations: bool
    description: str


FORMATS: Registry[str] = Registry("format")
FORMATS |= {
    "onnx": "for onnxruntime, from runs with the integer scheme",
    "packed": "for maskaq.load_q, at the bit widths of any scheme",
    "float": "P as ONNX, for comparison",
}

TARGETS: Registry[Target] = Registry("target")
TARGETS |= {
    "avx2": Target(
        "x86 with AVX2",
        signed_weights=False,
        signed_activations=False,
        description="x86 without VNNI, whose products of uint8 and int8 saturate in 16 bits unless "
        "weights have 7 bits or fewer",
    ),
    "vnni": Target(
        "x86 with VNNI",
        signed_weights=True,
        signed_activations=False,
        description="x86 with AVX-VNNI or AVX-512 VNNI, which multiply uint8 by int8 exactly",
    ),
    "arm": Target(
        "ARM",
        signed_weights=True,
        signed_activations=True,
        description="ARM with dot products, which multiply int8 by int8",
    ),
}


def features() -> frozenset[str]:
    """What the processor of this machine can do, by the names of Linux; empty elsewhere."""
    for line in _lines(_PROCESSOR):
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def processor() -> Mapping[str, str]:
    """The processor of this machine: its `name` and the `features` that matter here."""
    names = [
        line.partition(":")[2].strip()
        for line in _lines(_PROCESSOR)
        if line.startswith("model name")
    ]
    known = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
    have = features()
    return {
        "name": names[0] if names else platform.processor() or platform.machine(),
        "features": " ".join(name for name in known if name in have),
    }


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def detected() -> str:
    """The target of this machine."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return "arm"
    return "vnni" if features() & _VNNI else "avx2"
