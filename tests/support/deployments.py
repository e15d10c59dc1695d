"""Made-up measurements of exported files."""

from dataclasses import replace

from maskaq.precomputed.deployment import (
    DEFAULT,
    FILE_OF_Q,
    SIMULATED,
    Deployed,
    Deployment,
    P,
    Timing,
)


def timings(one: float) -> tuple[Timing, ...]:
    """For one image and for 16, with one thread and with two."""
    return tuple(
        Timing(batch, threads, one * share, 0.9 * one * share, 1.1 * one * share)
        for batch, threads, share in ((1, 1, 1.0), (1, 2, 0.6), (16, 1, 0.8), (16, 2, 0.5))
    )


def deployment(model: str = "scenes_vit") -> Deployment:
    """P, a fast file, a small but slow one, and a simulated Q."""
    run = "python -m maskaq run"
    p = Deployed(model, P, "float32", 0.87, 0.86, 0.88, 5000, 8_000_000, "", 90.0, timings(4.0))
    fast = Deployed(
        model,
        FILE_OF_Q,
        "W8A8",
        *(0.865, 0.855, 0.875, 5000),
        2_000_000,
        f"{run} 8",
        60.0,
        timings(2.0),
        {"float": 0, "8x8": 300},
        (-0.001, -0.003, 0.001),
        0.99,
        0.985,
    )
    small = replace(
        fast,
        bits="W4A8",
        top1=0.85,
        size=1_000_000,
        command=f"{run} 4",
        timings=timings(5.0),
        multiply_adds={"4x8": 300},
    )
    simulated = Deployed(model, SIMULATED, "W3A3", 0.8, 0.79, 0.81, 5000, 800_000, f"{run} 3")
    machine = {"name": "Some CPU", "features": "avx2", "onnxruntime": "1.2", "torch": "2.3"}
    default = replace(simulated, kind=DEFAULT, top1=0.82, low=0.81, high=0.83)
    return Deployment(
        model, (p, fast, small, simulated, default), machine, "2026-11-29T10:00:00+00:00"
    )
