"""The component in the browser, from the files in `assets/`, and the bytes that it gets."""

import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import save

from maskaq.figures.style import PALETTE
from maskaq.precomputed import dense
from maskaq.precomputed.dense import BITS, SOURCES
from maskaq.ui.widgets import browser

ASSETS = Path(__file__).with_name("assets")


def mount(task: str) -> Any:
    """Show the pictures of a task."""
    return browser.mount("dense", ASSETS, key=f"dense_{task}", data=message(task))


@lru_cache(maxsize=2)
def message(task: str) -> bytes:
    """The bytes for the browser: the answers of all Q are compressed."""
    found = dense.read(task)
    q = np.ascontiguousarray(found.arrays["q"])
    arrays = {name: found.arrays[name] for name in ("images", "truth", "p")}
    arrays["q"] = np.frombuffer(zlib.compress(q.tobytes(), 9), np.uint8)
    document = found.about | {"task": task, "sources": SOURCES, "bits": BITS, "palette": PALETTE}
    return save(arrays, {"json": json.dumps(document)})


def table(task: str) -> pd.DataFrame:
    """One row per source and number format: P, Q and its 95 % interval, and agreement, in %."""
    about = dense.read(task).about
    rows = []
    for bits in BITS:
        for source in SOURCES:
            q, low, high = about["q"][source][bits]
            row = {"bits": bits, "images": source, f"{about['metric']} of Q": 100 * q}
            row |= {"low": 100 * low, "high": 100 * high, "P": 100 * about["p"][0]}
            row |= {"agreement": 100 * about["agreement"][source][bits][0], "n": about["n"]}
            rows.append(row | {"megabytes": about["bytes"][bits] / 1e6})
    return pd.DataFrame(rows).round(1)


def about(task: str) -> str:
    """Where the numbers come from, in Markdown."""
    facts = dense.read(task).about
    return (
        f"Computed beforehand: P is `{facts['model']}`, weights with SHA-256 "
        f"`{facts['weights'][:16]}`. Each Q was fitted by the back-end `{facts['backend']}` to "
        f"{facts['images']} images of one source, seed {facts['seed']}. P and Q were evaluated on "
        f"the same {facts['n']:,} scenes; the 95 % intervals are from a bootstrap over scenes, in "
        "percent. The pictures above are not among them. The arithmetic of Q is simulated. "
        f"{facts['device']}, {facts['created'][:10]}."
    )
